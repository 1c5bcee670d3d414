"""Repetition within a text, by the rules of Gopher as published.

J. Rae et al., "Scaling Language Models: Methods, Analysis & Insights from Training Gopher", 2021 (arXiv:2112.11446),
appendix A1.1, table A1: the greatest shares that a document may have. Its rules on length and symbols are made for
web pages and are not applied.
"""

from __future__ import annotations

from collections import Counter

MAX_CHARACTERS = 1_000_000  # of a text that are looked at
MIN_WORDS = 50  # A1.1 discards shorter documents; here the shares say nothing of them

LIMITS: dict[str, float] = {
    "duplicate lines": 0.30,
    "duplicate paragraphs": 0.30,
    "characters in duplicate lines": 0.20,
    "characters in duplicate paragraphs": 0.20,
    "characters in the top 2-gram": 0.20,
    "characters in the top 3-gram": 0.18,
    "characters in the top 4-gram": 0.16,
    "characters in duplicate 5-grams": 0.15,
    "characters in duplicate 6-grams": 0.14,
    "characters in duplicate 7-grams": 0.13,
    "characters in duplicate 8-grams": 0.12,
    "characters in duplicate 9-grams": 0.11,
    "characters in duplicate 10-grams": 0.10,
}
"""Measure → greatest share."""


def shares(text: str) -> dict[str, float]:
    """Every measure of :data:`LIMITS` for a text, 0..1; empty for one of under :data:`MIN_WORDS` words."""
    seen = text[:MAX_CHARACTERS]
    words = seen.split()
    if len(words) < MIN_WORDS:
        return {}
    out: dict[str, float] = {}
    for name, parts in (
        ("lines", [line.strip() for line in seen.split("\n")]),
        ("paragraphs", [part.strip() for part in seen.split("\n\n")]),
    ):
        held = [part for part in parts if part]
        repeated, characters, known = 0, 0, set()
        for part in held:
            if part in known:
                repeated += 1
                characters += len(part)
            known.add(part)
        out[f"duplicate {name}"] = repeated / len(held)
        out[f"characters in duplicate {name}"] = characters / sum(map(len, held))
    total = sum(map(len, words))
    for n in (2, 3, 4):
        counts = Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
        gram, times = max(counts.items(), key=lambda item: (item[1], sum(map(len, item[0])), item[0]))
        out[f"characters in the top {n}-gram"] = min(1.0, times * sum(map(len, gram)) / total) if times > 1 else 0.0
    for n in range(5, 11):
        grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
        counts = Counter(grams)
        covered = bytearray(len(words))
        for i, gram in enumerate(grams):
            if counts[gram] > 1:
                covered[i : i + n] = b"\x01" * n
        out[f"characters in duplicate {n}-grams"] = (
            sum(len(w) for w, c in zip(words, covered, strict=True) if c) / total
        )
    return out


def excess(text: str) -> tuple[str, float, float] | None:
    """The measure that is furthest over its limit, with its share and the limit; None where none is."""
    over = [(share / LIMITS[name], name, share) for name, share in shares(text).items() if share > LIMITS[name]]
    if not over:
        return None
    _, name, share = max(over)
    return name, share, LIMITS[name]
