"""How fast instructions are told apart by ROUGE-L, and that nothing is missed.

    python benchmarks/novelty.py [SIZES…]        (default sizes: 1000 10000 50000)

Instructions are made up from a seed in three kinds: few shared words (each a sentence of its own), one
pattern ("What is stated about …?"), and near-copies of earlier ones. Seconds are CPU time of one core. The
plain search computes every pair by the table of the definition and is asked about the first 1,000 alone;
``rouge_score`` takes its place where it is installed.
"""

from __future__ import annotations

import random
import resource
import sys
import time

from curation.novelty import novel, text_words

THRESHOLD = 0.7
PLAIN = 1_000  # texts that the plain search is given
VERBS = "explain list compare describe write check correct plan decide draft convert classify weigh find".split()
LINKS = "how the of a when for with to which in that and by before after".split()


def collection(count: int, seed: int = 1) -> list[str]:
    """``count`` instructions of 8 to 25 words."""
    rng = random.Random(seed)
    nouns = [
        f"{a}{b}" for a in "valve pump tank filter sensor motor relay cable panel gauge".split() for b in range(400)
    ]
    weights = [1 / (rank + 5) for rank in range(len(nouns))]  # frequent and rare words, as in language
    out: list[str] = []
    while len(out) < count:
        kind = rng.random()
        if kind < 0.2 and out:
            words = rng.choice(out).split()
            for _ in range(rng.randint(1, 3)):
                words[rng.randrange(len(words))] = rng.choice(nouns)
        elif kind < 0.5:
            words = ["What", "is", "stated", "about", "the", *rng.choices(nouns, weights, k=rng.randint(3, 7))]
        else:
            parts = rng.choices(nouns, weights, k=rng.randint(4, 12))
            words = [rng.choice(VERBS), *(w for noun in parts for w in (rng.choice(LINKS), noun))]
        out.append(" ".join(words))
    return out


def table(a: list[str], b: list[str]) -> int:
    """Length of the longest common subsequence, from its definition."""
    row = [0] * (len(b) + 1)
    for x in a:
        before, row = row, [0]
        for j, y in enumerate(b):
            row.append(before[j] + 1 if x == y else max(before[j + 1], row[j]))
    return row[-1]


def plain(texts: list[str]) -> list[bool]:
    """Which texts are novel, each compared with every novel one before it."""
    kept: list[list[str]] = []
    out: list[bool] = []
    for words in map(text_words, texts):
        out.append(all(2 * table(words, other) / (len(words) + len(other)) < THRESHOLD for other in kept))
        if out[-1]:
            kept.append(words)
    return out


def reference(texts: list[str]) -> tuple[str, list[bool]]:
    """The same with ``rouge_score``, or with the plain table where that is not installed."""
    try:
        from rouge_score import rouge_scorer  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return "the plain table", plain(texts)
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
    kept: list[str] = []
    out: list[bool] = []
    for text in texts:
        out.append(all(scorer.score(other, text)["rougeL"].fmeasure < THRESHOLD for other in kept))
        if out[-1]:
            kept.append(text)
    return "rouge_score", out


def main(sizes: list[int]) -> None:
    """Run all sizes."""
    texts = collection(max([PLAIN, *sizes]))
    begun = time.process_time()
    name, expected = reference(texts[:PLAIN])
    took = time.process_time() - begun
    pairs = sum(expected) ** 2 / 2
    agree = [echo is None for echo in novel(texts[:PLAIN], THRESHOLD)] == expected
    print(f"{name}: {took:.1f} s for {PLAIN:,} texts, {1e6 * took / pairs:.0f} us a pair; ours agrees: {agree}")
    for size in sizes:
        begun = time.process_time()
        found = novel(texts[:size], THRESHOLD)
        took = time.process_time() - begun
        left = sum(echo is None for echo in found)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"{size:>7,} texts: {took:7.2f} s, {1e6 * took / size:6.0f} us a text, {left:,} novel, peak {memory} MB")
    if not agree:
        sys.exit("the searches do not agree")


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [1_000, 10_000, 50_000])
