"""How fast, how small and how right the near-duplicate search is, beside datasketch where it is installed.

    python benchmarks/near_duplicates.py FOLDER [SIZES…]        (default sizes: 1000 10000 50000)

Cuts paragraphs of about 900 characters from the text files of a folder, adds copies with a few
words changed, swapped or removed (seeded) until there are as many texts as wanted, and looks for
all pairs whose word 3-gram Jaccard index is at least 0.8. Seconds are CPU time of one core. Truth is
an exact join by prefix filtering (Chaudhuri, Ganti and Kaushik 2006), which uses no MinHash.
"""

from __future__ import annotations

import random
import resource
import sys
import time
from collections import Counter
from pathlib import Path

from curation.config import DedupeConfig
from curation.dedupe import cluster
from curation.index import Index
from curation.minhash import jaccard, sketch_all, unpack
from curation.words import Hashes, normalise, tokens, word

THRESHOLD = 0.8
LENGTH = 900  # characters of a text, about
SUFFIXES = {".md", ".rst", ".txt", ".py", ".html"}
Pairs = set[tuple[int, int]]


def paragraphs(folder: Path) -> list[str]:
    """Different texts of about :data:`LENGTH` characters, in the order of the files' names."""
    out: dict[str, None] = {}
    for path in sorted(p for p in folder.rglob("*") if p.suffix in SUFFIXES and p.is_file()):
        held = ""
        for part in path.read_text(errors="replace").split("\n\n"):
            held = f"{held}\n\n{part}" if held else part
            if len(held) >= LENGTH:
                out[held[: 2 * LENGTH]] = None
                held = ""
    return list(out)


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


def collection(base: list[str], count: int) -> list[str]:
    """``count`` texts: originals, then edited copies of them, shuffled."""
    rng = random.Random(count)
    originals = base[: max(1, count * 7 // 10)]
    texts = originals + [edited(rng.choice(originals), rng) for _ in range(count - len(originals))]
    rng.shuffle(texts)
    return texts


def exact_pairs(rows: list[Hashes]) -> Pairs:
    """All pairs of sets at or over the threshold."""
    frequency = Counter(h for row in rows for h in row.tolist())
    holders: dict[int, list[int]] = {}
    out: Pairs = set()
    for j, row in enumerate(rows):
        rare_first = sorted(row.tolist(), key=lambda h: (frequency[h], h))
        least = -int(-THRESHOLD * len(rare_first) // 1)  # shingles a partner must share at least
        near: set[int] = set()
        for h in rare_first[: len(rare_first) - least + 1]:
            held = holders.setdefault(h, [])
            near.update(held)
            held.append(j)
        for i in near:
            fewer, more = sorted((len(rows[i]), len(row)))
            if fewer >= THRESHOLD * more and jaccard(rows[i], row) >= THRESHOLD:
                out.add((i, j))
    return out


def ours(texts: list[str]) -> tuple[float, float, Pairs]:
    """CPU seconds to sketch and to index; the pairs found."""
    begun = time.process_time()
    sketches = sketch_all(texts)
    sketched = time.process_time()
    index = Index(THRESHOLD, every=True)
    found = index.add(sketches, [str(i) for i in range(len(texts))])
    done = time.process_time()
    stored = sum(map(len, sketches)) / len(texts)
    print(f"    index in memory {index.memory / len(texts):.0f} B a text; a sketch in its shard {stored:.0f} B")
    return sketched - begun, done - sketched, {(int(m.name), j) for j, matches in enumerate(found) for m in matches}


def datasketch(texts: list[str]) -> tuple[float, float, Pairs] | None:
    """The same with datasketch, on the same words; None where it is not installed."""
    try:
        from datasketch import MinHash, MinHashLSH  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        return None
    begun = time.process_time()
    rows: list[list[bytes]] = []
    for text in texts:
        found = [w for t in tokens(normalise(text)) if (w := word(t))]
        rows.append([" ".join(found[i : i + 3]).encode() for i in range(max(1, len(found) - 2))])
    hashes = MinHash.bulk(rows, num_perm=128)
    sketched = time.process_time()
    lsh = MinHashLSH(threshold=THRESHOLD, num_perm=128)
    pairs: Pairs = set()
    for j, minhash in enumerate(hashes):
        pairs |= {(i, j) for i in lsh.query(minhash)}
        lsh.insert(j, minhash)
    return sketched - begun, time.process_time() - sketched, pairs


def show(name: str, count: int, result: tuple[float, float, Pairs], truth: Pairs) -> None:
    """One line of figures."""
    sketching, indexing, pairs = result
    recall = len(pairs & truth) / max(1, len(truth))
    wrong = len(pairs - truth) / max(1, len(pairs))
    total = sketching + indexing
    print(
        f"    {name:<11} {total:6.2f} s  {count / total:7,.0f} texts/s  (sketch {sketching:.2f}, index {indexing:.2f})"
        f"  recall {recall:.4f}  false pairs {wrong:.2%}"
    )


def main(folder: str, sizes: list[int]) -> None:
    """Run all sizes."""
    base = paragraphs(Path(folder))
    if not base:
        sys.exit(f"{folder} has no text files.")
    cluster(base[:100], DedupeConfig(guard=False))  # patterns and tables are made once
    for count in sizes:
        texts = collection(base, count)
        # Equal texts are one: each tool lists their pairs differently.
        texts = list({normalise(text): text for text in texts}.values())
        truth = exact_pairs([unpack(s).shingles for s in sketch_all(texts)])
        mean = sum(map(len, texts)) / len(texts)
        print(f"{len(texts):,} texts of {mean:.0f} characters from {len(base):,} paragraphs, {len(truth):,} true pairs")
        show("ours", len(texts), ours(texts), truth)
        other = datasketch(texts)
        if other is None:
            print("    datasketch is not installed (pip install datasketch)")
        else:
            show("datasketch", len(texts), other, truth)
    print(f"peak memory of the whole run {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1], [int(size) for size in sys.argv[2:]] or [1_000, 10_000, 50_000])
