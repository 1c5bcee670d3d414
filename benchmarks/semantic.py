"""What the semantic step merges and spares, how fast it embeds and searches, beside MiniLM alone.

    python -m benchmarks.semantic [DATA] [CORPUS] [--only meaning,variants,speed,search]

DATA (default ../shared/data) has ``paraphrase_pairs.jsonl``; the thresholds were chosen on its even rows, the odd
rows were held out. CORPUS (default ../shared/corpus) is any folder of text files; trivial variants of its sentences
are made here. Without a cross-encoder: what a machine without a network does. ``speed`` embeds the corpus's sentences
with the embedder here and with sentence-transformers' own ``encode``, same model, same texts, same threads.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from curation import embed, semantic
from curation.embed_config import EmbedConfig
from curation.semantic.decide import decide
from curation.semantic.search import neighbours
from curation.semantic_config import SemanticConfig

ALONE = SemanticConfig(cross_encoder="none")
BASELINE = 0.95
WORD = re.compile("[A-Za-z]{4,}")
SMALL_WORDS = (
    "while/whilst until/till although/though because/since however/but also/too the/this can/could about/regarding "
    "on/upon into/in if/whether therefore/thus very/really may/might between/among within/inside but/yet via/through "
    "these/those will/shall when/whenever so/hence like/such_as such_as/like for_example/for_instance must/have_to "
    "should/ought_to to/in_order_to and/as_well_as with/along_with do_not/don't only/just each/every"
)
SWAPS = [tuple(part.replace("_", " ") for part in pair.split("/")) for pair in SMALL_WORDS.split()]


def meaning(data: Path) -> None:
    """Pairs with high word overlap, half of which say different things."""
    rows = [json.loads(line) for line in (data / "paraphrase_pairs.jsonl").read_text("utf-8").splitlines()]
    print(f"{'pairs':<10}{'different merged':>18}{'same merged':>13}{'MiniLM alone ≥ ' + str(BASELINE):>30}")
    for name, part in (("tuned on", rows[0::2]), ("held out", rows[1::2])):
        texts = [text for row in part for text in (row["a"], row["b"])]
        vectors = embed.load().encode(texts)
        near = [(2 * n, 2 * n + 1, float(vectors[2 * n] @ vectors[2 * n + 1])) for n in range(len(part))]
        merged = {p.i // 2 for p in decide(texts, near, ALONE) if p.method != "distinct_facts"}
        shown = []
        for chosen in (merged, {n for n, (_, _, cosine) in enumerate(near) if cosine >= BASELINE}):
            for paraphrase in (False, True):
                held = [n for n, row in enumerate(part) if row["paraphrase"] is paraphrase]
                shown.append(sum(n in chosen for n in held) / len(held))
        print(f"{name:<10}{shown[0]:>18.1%}{shown[1]:>13.1%}{shown[2]:>17.1%} and {shown[3]:.1%}")


def sentences(corpus: Path, count: int) -> list[str]:
    """Different sentences of 40 to 300 characters, drawn from the text files of a folder."""
    found: dict[str, None] = {}
    for path in sorted(p for p in corpus.rglob("*") if p.suffix in (".rst", ".md", ".txt")):
        for paragraph in path.read_text("utf-8", errors="replace").split("\n\n"):
            for sentence in re.split(r"(?<=[.!?]) (?=[A-Z])", " ".join(paragraph.split())):
                if 40 < len(sentence) < 300 and sentence[0].isalpha():
                    found[sentence] = None
    out = list(found)
    random.Random(7).shuffle(out)
    return out[:count]


def _typo(text: str, rng: random.Random) -> str:
    words = text.split(" ")
    places = [i for i, word in enumerate(words) if WORD.fullmatch(word)]
    if not places:
        return text
    place = rng.choice(places)
    word, letter = words[place], rng.choice("abcdefghijklmnopqrstuvwxyz")
    at = rng.randrange(len(word) - 1)
    words[place] = rng.choice(
        [
            word[:at] + word[at + 1 :],
            word[:at] + letter + word[at:],
            word[:at] + letter + word[at + 1 :],
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        ]
    )
    return " ".join(words)


def _small(text: str, rng: random.Random) -> str:
    fitting = [(a, b) for a, b in SWAPS if re.search(rf"(?<![\w'-]){a}(?![\w'-])", text)]
    if not fitting:
        return text
    a, b = rng.choice(fitting)
    return re.sub(rf"(?<![\w'-]){a}(?![\w'-])", b, text, count=1)


KINDS: dict[str, Callable[[str, random.Random], str]] = {
    "case": lambda t, r: r.choice([str.upper, str.lower, str.title, str.swapcase])(t),
    "punctuation": lambda t, r: r.choice([t.rstrip(".!?:"), t.rstrip(".") + "!", t.replace(",", ""), f"({t})"]),
    "white space": lambda t, r: r.choice([t.replace(" ", "  "), f" {t}\n", t.replace(" ", "\n", 2)]),
    "typography": lambda t, r: r.choice([t.replace("'", "’").replace('"', "”"), t.replace("-", "‑"), f"“{t}…”"]),
    "one typo": _typo,
    "small word": _small,
}  # fmt: skip


def variants(corpus: Path) -> None:
    """How many trivial variants are merged with their text, each among all the others."""
    base = sentences(corpus, 600)
    rng = random.Random(11)
    plain = embed.load().encode(base)
    print(f"\n{'variant':<14}{'pairs':>7}{'merged':>9}{'MiniLM alone ≥ ' + str(BASELINE):>24}")
    total = hits = 0
    for name, make in KINDS.items():
        made = [(n, other) for n, text in enumerate(base) if (other := make(text, rng)) != text]
        rows = embed.load().encode([text for _, text in made])
        texts = base + [text for _, text in made]
        found = semantic.pairs(texts, ALONE, vectors=np.concatenate([plain, rows]))
        merged = {(p.i, p.j) for p in found if p.method != "distinct_facts"}
        good = sum((n, len(base) + place) in merged for place, (n, _) in enumerate(made))
        alone = sum(float(plain[n] @ rows[place]) >= BASELINE for place, (n, _) in enumerate(made))
        total, hits = total + len(made), hits + good
        print(f"{name:<14}{len(made):>7}{good / len(made):>9.1%}{alone / len(made):>24.1%}")
    print(f"{'all':<14}{total:>7}{hits / total:>9.1%}")


def speed(corpus: Path) -> None:
    """Embeddings a second, beside sentence-transformers' own encode."""
    texts = sentences(corpus, 1500)
    ours, theirs = embed.load(), embed.load(EmbedConfig(backend="torch"))
    model = theirs._model  # type: ignore[attr-defined]
    rates: dict[str, list[float]] = {"here": [], "sentence-transformers": []}
    for _ in range(3):
        for name, run in (("here", ours.encode), ("sentence-transformers", model.encode)):
            begun = time.perf_counter()
            run(texts)
            rates[name].append(len(texts) / (time.perf_counter() - begun))
    here, there = (sorted(rates[name])[1] for name in rates)
    print(f"\nembeddings a second (median of 3): here {here:.0f}, the peer {there:.0f}: {here / there:.2f} ×")


def search() -> None:
    """Time and recall of the search at cosine 0.9, on unit vectors of which half have a near one."""
    print(f"\n{'vectors':>9}{'exact s':>9}{'faiss s':>9}{'pairs':>9}{'recall':>9}{'peak MB':>9}")
    for count in (20_000, 100_000):
        rng = np.random.default_rng(count)
        rows = rng.standard_normal((count, 384), dtype=np.float32)
        rows[count // 2 :] = rows[: count // 2] + np.float32(0.42) * rng.standard_normal((count // 2, 384), np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        half = rows.astype(np.float16)
        del rows
        begun = time.perf_counter()
        if count <= 20_000:
            i, j, _ = neighbours(half, 0.9, exact=True)
            shown = f"{time.perf_counter() - begun:.1f}"
        else:  # the truth of some rows is enough
            queries = half[:1000].astype(np.float32)
            blocks = [
                np.nonzero(queries @ half[at : at + 20_000].astype(np.float32).T >= 0.9)
                for at in range(0, count, 20_000)
            ]
            i = np.concatenate([found[0] for found in blocks])
            j = np.concatenate([found[1] + n * 20_000 for n, found in enumerate(blocks)])
            i, j = i[i < j], j[i < j]
            shown = f"({(time.perf_counter() - begun) * count / 2000:.0f})"
        begun = time.perf_counter()
        a, b, _ = neighbours(half, 0.9, exact=False)
        asked = time.perf_counter() - begun
        recall = np.isin(i * count + j, a * count + b).mean()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{count:>9,}{shown:>9}{asked:>9.1f}{len(a):>9,}{recall:>9.4f}{peak:>9.0f}")


def main() -> None:
    """Print all, or what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", default="../shared/data", type=Path)
    parser.add_argument("corpus", nargs="?", default="../shared/corpus", type=Path)
    parser.add_argument("--only", default="meaning,variants,speed,search")
    asked = parser.parse_args()
    parts: dict[str, Callable[[], None]] = {
        "meaning": lambda: meaning(asked.data),
        "variants": lambda: variants(asked.corpus),
        "speed": lambda: speed(asked.corpus),
        "search": search,
    }
    for name in asked.only.split(","):
        parts[name]()


if __name__ == "__main__":
    main()
