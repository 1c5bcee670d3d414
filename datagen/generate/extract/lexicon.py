"""Word lists as sets."""

from __future__ import annotations


def wordset(words: str) -> frozenset[str]:
    """The set of the words of a text, split at white space."""
    return frozenset(words.split())
