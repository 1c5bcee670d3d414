"""What two wordings of one question have in common: its numbers, and its rarer words."""

from __future__ import annotations

import functools
import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from curation.words import normalise

MOST_STEMS = 300_000  # that are counted: some 40 MB
LONGEST = 20_000  # characters of a text that are read
_NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?")
_WORD = re.compile(r"[^\W\d_]+")
_ENDINGS = ("ings", "ing", "edly", "ed", "ies", "es", "s", "ly")
_TO_TWENTY = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
).split()
_NAMED: dict[str, float] = {
    **{word: float(value) for value, word in enumerate(_TO_TWENTY)},
    "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90, "hundred": 100,
    "thousand": 1000, "half": 0.5, "quarter": 0.25, "third": 3, "once": 1, "twice": 2, "double": 2, "both": 2,
    "couple": 2, "pair": 2, "thrice": 3, "triple": 3, "dozen": 12,
}  # fmt: skip


def numbers(text: str) -> frozenset[float]:
    """The numbers of a text, in digits or words; ``twice`` and ``double`` are 2."""
    plain = normalise(text[:LONGEST])
    found = {float(part.replace(",", "")[:300]) for part in _NUMBER.findall(plain)}
    found |= {_NAMED[word] for word in _WORD.findall(plain) if word in _NAMED}
    return frozenset(found)


def stems(text: str) -> frozenset[str]:
    """The words of a text without the commonest English endings."""
    return frozenset(map(_stem, _WORD.findall(normalise(text[:LONGEST]))))


@functools.lru_cache(maxsize=100_000)
def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word


class Reading(NamedTuple):
    """The numbers and the stems of a text."""

    numbers: frozenset[float]
    stems: frozenset[str]


def reading(text: str) -> Reading:
    """Both of a text; of those read lately they are remembered."""
    return _reading(text[:LONGEST])


@functools.lru_cache(maxsize=4096)
def _reading(text: str) -> Reading:
    return Reading(numbers(text), stems(text))


class Rarity:
    """Inverse document frequency (K. Spärck Jones, 1972) of stems among texts: what all share weighs little.

    Args:
        texts: the stems of each text.
    """

    def __init__(self, texts: Iterable[frozenset[str]] = ()) -> None:
        self._count = 0
        self._held: Counter[str] = Counter()
        for found in texts:
            self.add(found)

    def add(self, found: frozenset[str]) -> None:
        """Count one more text. Beyond :data:`MOST_STEMS` a new stem stays as rare as one never seen."""
        self._count += 1
        self._held.update(found if len(self._held) < MOST_STEMS else found & self._held.keys())

    def weight(self, found: Iterable[str]) -> float:
        """The sum of the weights of stems."""
        return sum(math.log((self._count + 1) / (self._held[stem] + 1)) for stem in found)

    def shared(self, asked: frozenset[str], text: frozenset[str]) -> float:
        """Share of the weight of a question's stems that a text has, 0..1; their plain share where none weighs."""
        whole = self.weight(asked)
        if whole > 0:
            return self.weight(asked & text) / whole
        return len(asked & text) / len(asked) if asked else 0.0


def shared_numbers(asked: frozenset[float], text: frozenset[float]) -> float:
    """Share of a question's numbers that a text has, 0..1; 0.5 for a question without any."""
    return len(asked & text) / len(asked) if asked else 0.5
