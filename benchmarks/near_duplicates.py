"""How fast, how small and how right the near-duplicate search is, beside other tools.

    python -m benchmarks.near_duplicates [FOLDER] [--texts 50000] [--rounds 3] [--million] [--stage]

Cuts paragraphs of about 900 characters and instruction-like sentences of about 120 from the text files of a folder
(default ../shared/corpus), and, as far as that is not enough, from this Python's library and packages: real texts.
To seven parts of them come three of copies with a few words changed, swapped or removed (seeded). Each tool goes from
a JSONL file to clusters, in turns; figures are medians of wall seconds. Truth is an exact join of all pairs of the
words as our own definition has them. --million clusters a million instructions, --stage streams them through the
pipeline's stage.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import polars as pl

from curation.dedupe import cluster
from curation.dedupe_config import DedupeConfig
from curation.lexical.engine import search
from curation.words import normalise, tokens, word

PARAGRAPH, SENTENCE = 900, (60, 200)  # characters
SUFFIXES = (".md", ".rst", ".txt", ".py", ".html")
Groups = list[int]


def files(folder: Path) -> Iterator[str]:
    """The text files of a folder, then of this Python, in the order of their names."""
    for top in (folder, Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"))):
        for place, folders, names in os.walk(top):
            folders.sort()
            for name in sorted(names):
                if name.endswith(SUFFIXES):
                    try:
                        yield Path(place, name).read_text(errors="replace")
                    except OSError:
                        continue


def paragraphs(texts: Iterable[str]) -> Iterator[str]:
    """Pieces of about :data:`PARAGRAPH` characters, cut at empty lines."""
    for text in texts:
        held = ""
        for part in text.split("\n\n"):
            held = f"{held}\n\n{part}" if held else part
            if len(held) >= PARAGRAPH:
                yield held[: 2 * PARAGRAPH]
                held = ""


def sentences(texts: Iterable[str]) -> Iterator[str]:
    """Sentences of a length that instructions have."""
    for text in texts:
        for part in re.split(r"(?<=[.?!:])\s+|\n\n", text):
            flat = " ".join(part.split())
            if SENTENCE[0] <= len(flat) <= SENTENCE[1] and flat.count(" ") >= 8:
                yield flat


def edited(text: str, rng: random.Random) -> str:
    """A copy with up to one in 25 of its words changed, swapped or removed."""
    found = text.split(" ")
    for _ in range(rng.randint(0, max(1, len(found) // 25))):
        at = rng.randrange(len(found))
        kind = rng.randrange(3)
        if kind == 0:
            found[at] = f"word{rng.randrange(1000)}"
        elif kind == 1:
            other = rng.randrange(len(found))
            found[at], found[other] = found[other], found[at]
        elif len(found) > 3:
            del found[at]
    return " ".join(found)


def collection(real: Iterable[str], count: int) -> list[str]:
    """Seven parts of different real texts, three of edited copies, shuffled. Fewer texts where there are no more."""
    rng = random.Random(count)
    originals = list(dict.fromkeys(islice(dict.fromkeys(islice(real, 4 * count)), count * 7 // 10)))
    texts = originals + [edited(rng.choice(originals), rng) for _ in range(len(originals) * 3 // 7)]
    rng.shuffle(texts)
    return texts


def read(path: Path) -> list[str]:
    """The texts of a JSONL file, for every tool by the fastest reader at hand."""
    return pl.read_ndjson(path)["text"].to_list()


def joined(count: int, near: Iterable[tuple[int, Iterable[int]]]) -> Groups:
    """For each text the first of its cluster, where text i is like each of those named with it."""
    up = list(range(count))

    def root(i: int) -> int:
        while up[i] != i:
            up[i] = up[up[i]]
            i = up[i]
        return i

    for i, others in near:
        for j in others:
            a, b = sorted((root(i), root(j)))
            up[b] = a
    return [root(i) for i in range(count)]


def ours(texts: list[str], threshold: float) -> Groups:
    """With this project."""
    labels = cluster(texts, DedupeConfig(threshold=threshold, guard=False)).labels
    _, first = np.unique(labels, return_index=True)
    return list(first[labels].tolist())


def gaoya(texts: list[str], threshold: float) -> Groups:
    """With gaoya, its own tokeniser, 128 hashes."""
    from gaoya.minhash import MinHashStringIndex  # type: ignore[import-not-found, unused-ignore]

    index = MinHashStringIndex(
        32, threshold, None, None, 128, analyzer="word", lowercase=True, ngram_range=(3, 3), id_container="vec"
    )
    index.par_bulk_insert_docs(list(range(len(texts))), texts)
    return joined(len(texts), enumerate(index.par_bulk_query(texts)))


def datasketch(texts: list[str], threshold: float) -> Groups:
    """With datasketch, in bulk, on words of a pattern."""
    from datasketch import MinHash, MinHashLSH  # type: ignore[import-untyped, unused-ignore]

    lsh = MinHashLSH(threshold=threshold, num_perm=128)
    rows = []
    for text in texts:
        found = re.findall(r"\w+", text.lower())
        rows.append([" ".join(found[i : i + 3]).encode() for i in range(max(1, len(found) - 2))])
    hashes = MinHash.bulk(rows, num_perm=128)
    with lsh.insertion_session() as session:
        for i, minhash in enumerate(hashes):
            session.insert(i, minhash, check_duplication=False)
    return joined(len(texts), ((i, lsh.query(minhash)) for i, minhash in enumerate(hashes)))


def rensa(texts: list[str], threshold: float) -> Groups:
    """With rensa's R-MinHash, on words of a pattern."""
    from rensa import RMinHash, RMinHashLSH  # type: ignore[import-not-found, unused-ignore]

    lsh = RMinHashLSH(threshold=threshold, num_perm=128, num_bands=16)
    hashes = []
    for i, text in enumerate(texts):
        found = re.findall(r"\w+", text.lower())
        minhash = RMinHash(num_perm=128, seed=1)
        minhash.update([" ".join(found[k : k + 3]) for k in range(max(1, len(found) - 2))])
        lsh.insert(i, minhash)
        hashes.append(minhash)
    return joined(len(texts), ((i, lsh.query(minhash)) for i, minhash in enumerate(hashes)))


TOOLS: dict[str, Callable[[list[str], float], Groups]] = {
    "ours": ours, "gaoya": gaoya, "rensa": rensa, "datasketch": datasketch,
}  # fmt: skip


def quality(texts: list[str], threshold: float) -> None:
    """Recall of pairs and precision of clusters, against all pairs of an exact join that shares no code with ours."""
    firsts: dict[str, int] = {}
    own: list[int] = []
    for i, text in enumerate(texts):
        if firsts.setdefault(normalise(text), i) == i:
            own.append(i)
    sets = {i: shingles(texts[i]) for i in own}
    frequency: dict[tuple[str, ...], int] = {}
    for held in sets.values():
        for gram in held:
            frequency[gram] = frequency.get(gram, 0) + 1
    holders: dict[tuple[str, ...], list[int]] = {}
    truth: set[tuple[int, int]] = set()
    for j in own:
        mine = sets[j]
        rare = sorted(mine, key=lambda gram: (frequency[gram], gram))
        near: set[int] = set()
        for gram in rare[: len(rare) - -int(-threshold * len(rare) // 1) + 1]:
            others = holders.setdefault(gram, [])
            near.update(others)
            others.append(j)
        for i in near:
            shared = len(mine & sets[i])
            if shared >= threshold * (len(mine) + len(sets[i]) - shared):
                truth.add((i, j))
    found = search(texts, threshold)
    pairs = set(zip(found.left.tolist(), found.right.tolist(), strict=True))
    equal = [(i, (firsts[normalise(text)],)) for i, text in enumerate(texts)]
    wanted = joined(len(texts), [*equal, *((j, (i,)) for i, j in truth)])
    got = ours(texts, threshold)
    together = sum(1 for i, first in enumerate(got) if first != i)
    right = sum(1 for i, first in enumerate(got) if first != i and wanted[first] == wanted[i])
    print(
        f"    at {threshold}: {len(truth):,} true pairs; recall {len(pairs & truth) / max(1, len(truth)):.5f}, "
        f"false pairs {len(pairs - truth)}, component precision {right / max(1, together):.5f}, "
        f"same clusters {got == wanted}",
        flush=True,
    )


def shingles(text: str) -> frozenset[tuple[str, ...]]:
    """The set of word 3-grams; a text with fewer words is one as a whole."""
    found = [w for t in tokens(normalise(text)) if (w := word(t))]
    return frozenset(tuple(found[i : i + 3]) for i in range(max(1, len(found) - 2)))


def race(name: str, path: Path, count: int, rounds: int) -> None:
    """All tools in turns, from the file to clusters."""
    seconds: dict[str, list[float]] = {}
    for turn in range(rounds):
        for tool, run in TOOLS.items():
            if tool in ("datasketch", "rensa") and turn:
                continue  # slow, and steady enough
            begun = time.perf_counter()
            try:
                run(read(path), 0.8)
            except ImportError:
                if not turn:
                    print(f"    {tool} is not installed")
                continue
            seconds.setdefault(tool, []).append(time.perf_counter() - begun)
    own = statistics.median(seconds["ours"])
    for tool, taken in seconds.items():
        wall = statistics.median(taken)
        print(f"    {tool:<11}{wall:7.2f} s {count / wall:9,.0f} {name}/s {wall / own:6.1f} x ours", flush=True)


def child(path: Path, count: int) -> None:
    """In a process of its own: CPU seconds and peak memory of clustering the first texts of a file."""
    cluster(["a b c d e", "f g h i j"] * 2000, DedupeConfig(guard=False))  # code is loaded before
    with path.open(encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in islice(lines, count)]
    begun, wall = time.process_time(), time.perf_counter()
    kept = int(cluster(texts, DedupeConfig(guard=False)).kept.sum())
    spent, wall = time.process_time() - begun, time.perf_counter() - wall
    peak = own_peak()
    print(json.dumps({"texts": len(texts), "kept": kept, "cpu": spent, "wall": wall, "peak_mb": peak}))


def own_peak() -> float:
    """Peak memory of this process in MB. ``ru_maxrss`` would be the parent's, if that is greater."""
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        if found:
            return int(found[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def apart(path: Path, count: int) -> dict[str, float]:
    """What :func:`child` prints."""
    command = [sys.executable, "-m", "benchmarks.near_duplicates", "--child", str(path), "--texts", str(count)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def growth(path: Path) -> None:
    """From 10,000 to 200,000 texts, in turns; medians."""
    turns = [[apart(path, count) for count in (10_000, 200_000)] for _ in range(3)]
    small, large = (
        {key: statistics.median(of[key] for of in size) for key in size[0]} for size in zip(*turns, strict=True)
    )
    print(
        f"    {small['texts']:,.0f} to {large['texts']:,.0f}: CPU {small['cpu']:.2f} to {large['cpu']:.2f} s, "
        f"{large['cpu'] / small['cpu']:.1f} x; peak {large['peak_mb']:.0f} MB",
        flush=True,
    )


def write(path: Path, texts: Iterable[str]) -> Path:
    """A JSONL file of texts."""
    with path.open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps({"text": text}) + "\n" for text in texts)
    return path


def million(folder: Path, place: Path) -> Path:
    """A file of a million instructions, each real one also with another beginning."""
    real = list(dict.fromkeys(islice(sentences(files(folder)), 600_000)))
    rng = random.Random(0)
    texts = collection(
        (f"{rng.choice(('Say why', 'Explain how', 'Show that'))} {text}" for text in real * 2), 1_000_000
    )
    while len(texts) < 1_000_000:
        texts.append(edited(rng.choice(texts), rng))
    return write(place / "million.jsonl", texts)


def stage(path: Path) -> None:
    """The instructions of a file through the two stages of a run, in shards of 2,000."""
    from curation.dedupe import DropDuplicates
    from curation.sketch import Sketch
    from datagen.core.record import Lineage, Message, Sample

    lineage = Lineage(path="a", sha256="0", chunk="c", start=0, end=0, model="none")
    sketch, fold = Sketch(3, 128), DropDuplicates(0.8, guard=False)
    count, sketching, folding, dropped = 0, 0.0, 0.0, 0
    with path.open(encoding="utf-8") as lines:
        while part := list(islice(lines, 2000)):
            shard = [
                Sample(
                    id=f"{count + i:x}",
                    recipe="qa",
                    messages=(Message(role="user", content=json.loads(line)["text"]),),
                    lineage=lineage,
                )
                for i, line in enumerate(part)
            ]
            begun = time.perf_counter()
            sketched = sketch.run(shard)
            sketching += time.perf_counter() - begun
            begun = time.perf_counter()
            fold.see(sketched)
            dropped += sum(1 for record in fold.emit(sketched) if getattr(record, "verdict", None) is not None)
            folding += time.perf_counter() - begun
            count += len(part)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"stage: {count:,} records, {dropped:,} dropped; Sketch {count / sketching:,.0f}/s, "
        f"DropDuplicates {count / folding:,.0f}/s; peak {peak:.0f} MB"
    )


def main() -> None:
    """Run all that is asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", type=Path, default=Path("../shared/corpus"))
    parser.add_argument("--texts", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--million", action="store_true")
    parser.add_argument("--stage", action="store_true")
    parser.add_argument("--child", type=Path)
    options = parser.parse_args()
    if options.child:
        return child(options.child, options.texts)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        if options.million or options.stage:
            path = million(options.folder, place)
            if options.stage:
                stage(path)
            if options.million:
                found = apart(path, 1_000_000)
                print(
                    f"{found['texts']:,.0f} instructions: {found['wall']:.1f} s, {found['cpu']:.1f} s of CPU, "
                    f"{found['kept']:,.0f} kept, peak {found['peak_mb']:.0f} MB"
                )
            return None
        for kind, cut in (("paragraphs", paragraphs), ("instructions", sentences)):
            texts = collection(cut(files(options.folder)), options.texts)
            path = write(place / f"{kind}.jsonl", texts)
            print(f"{len(texts):,} {kind} of {sum(map(len, texts)) / len(texts):.0f} characters", flush=True)
            ours(texts[:5000], 0.8)  # the code is compiled once
            race(kind, path, len(texts), options.rounds)
            for threshold in (0.8, 0.7):
                quality(texts, threshold)
        growth(write(place / "large.jsonl", collection(paragraphs(files(options.folder)), 200_000)))
    return None


if __name__ == "__main__":
    main()
