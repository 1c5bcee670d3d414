"""What differs between two texts: a fact, or only the wording."""

from __future__ import annotations

from collections import Counter

from curation.words import must_agree, normalise, tokens, word


def fact_change(a: str, b: str) -> str:
    """The fact in which two texts differ, in a few plain words; "" where none does."""
    if a == b:
        return ""
    first, second = (Counter(t for t in tokens(normalise(text)) if must_agree(t)) for text in (a, b))
    if first == second:
        return ""
    here, there = (" ".join(sorted(word(t) or t for t in one)) for one in (first - second, second - first))
    return f"number or negation: {here or 'nothing'} → {there or 'nothing'}"
