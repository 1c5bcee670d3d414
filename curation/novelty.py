"""Drops instructions that are nearly the words of an earlier one, in the same order: ROUGE-L.

Self-Instruct adds an instruction to its pool only where its ROUGE-L with each one there is under 0.7
(Wang et al., "Self-Instruct: Aligning Language Models with Self-Generated Instructions", ACL 2023).
ROUGE-L is the F1 of the longest common subsequence of words (C.-Y. Lin, "ROUGE: A package for automatic
evaluation of summaries", 2004). The search is exact: nothing at or over the threshold is missed.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from curation.words import normalise, tokens, word
from datagen.core.hashing import digest
from datagen.core.record import AnyRecord, Sample, Verdict
from datagen.core.stage import Fold, Shard

_CHEAP = 8192  # holders of a word that cost less to count than the candidates they rule out
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Echo:
    """An earlier text that a text repeats.

    Attributes:
        index: of the earlier text, in the order of adding.
        score: ROUGE-L F1 of the two, in 0..1.
    """

    index: int
    score: float


class Novelty(Fold):
    """Rejects instructions too like an earlier one.

    Every sample without a verdict joins the instructions that later ones are compared with; only those of
    ``recipes`` are ever rejected. How the input is cut into shards makes no difference.

    Args:
        threshold: ROUGE-L F1 from which an instruction is not novel, in (0, 1].
        seen: instructions there were before the run, such as those of gold samples.
        recipes: whose samples must be novel.
        name: of the stage.
    """

    name = "novelty"
    version = 1

    def __init__(
        self,
        threshold: float,
        seen: Sequence[str] = (),
        recipes: Collection[str] = ("instruct",),
        name: str = "novelty",
    ) -> None:
        self.name = name
        self.threshold = threshold
        self.seen = tuple(seen)
        self.recipes = frozenset(recipes)
        self.begin()

    def fingerprint(self) -> dict[str, Any]:
        """All arguments."""
        return {"threshold": self.threshold, "seen": digest(list(self.seen)), "recipes": sorted(self.recipes)}

    def begin(self) -> None:
        """Forget every instruction but those seen before."""
        self._earlier = Earlier(self.threshold)
        self._names: list[str] = []
        for text in self.seen:
            self._earlier.add(text_words(text))
            self._names.append("an example")

    def emit(self, shard: Shard) -> list[AnyRecord]:
        """The shard with verdicts on what is not novel."""
        return [self._decide(r) if isinstance(r, Sample) and r.verdict is None else r for r in shard]

    def _decide(self, sample: Sample) -> Sample:
        found = text_words("\n".join(m.content for m in sample.messages if m.role == "user"))
        if sample.recipe in self.recipes and (echo := self._earlier.echo(found)) is not None:
            evidence = f"ROUGE-L {echo.score:.2f} with {self._names[echo.index]}, {self.threshold:g} is too much"
            verdict = Verdict(stage=self.name, reason="not_novel", evidence=evidence)
            return sample.model_copy(update={"verdict": verdict})
        self._earlier.add(found)
        self._names.append(sample.id)
        return sample


class Earlier:
    """Texts that others are compared with, findable by their words.

    Memory: about 8 bytes a word, and 200 a different word.

    Args:
        threshold: ROUGE-L F1 from which one text repeats another, in (0, 1].
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._numbers: dict[str, int] = {}
        self._texts: list[array[int]] = []
        self._lengths = np.zeros(1024, np.int64)
        # The second "the" of a text is another item than the first: overlaps of multisets become those of sets.
        self._holders: dict[tuple[int, int], array[int]] = {}

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, found: Sequence[str]) -> None:
        """Add a text, as its words."""
        place = len(self._texts)
        numbers = array("i", [self._numbers.setdefault(w, len(self._numbers)) for w in found])
        if place == len(self._lengths):
            self._lengths = np.concatenate([self._lengths, np.zeros_like(self._lengths)])
        self._lengths[place] = len(numbers)
        self._texts.append(numbers)
        for item in _items(numbers):
            held = self._holders.get(item)
            if held is None:
                held = self._holders[item] = array("i")
            held.append(place)

    def echo(self, found: Sequence[str]) -> Echo | None:
        """An earlier text that these words repeat, or None where there is none.

        Of several it is the one that shares the most words, of these the first.
        """
        # Words that no earlier text has keep their place in the length and match nothing.
        numbers = [self._numbers.get(w, -1 - i) for i, w in enumerate(found)]
        candidates = self._candidates(numbers)
        if not len(candidates):
            return None
        masks = _masks(numbers)
        for place in candidates.tolist():
            other = self._texts[place]
            score = 2 * _common(masks, len(numbers), other) / (len(numbers) + len(other))
            if score >= self.threshold:
                return Echo(place, score)
        return None

    def _candidates(self, numbers: Sequence[int]) -> npt.NDArray[np.int64]:
        """Places of all texts that may reach the threshold, by words shared, most first.

        The F1 of texts of n and m words is at least t only where they share s >= t(n+m)/2 words. A shared
        word needs both to have it, so m >= s, and s >= n·t/(2-t) whatever m is: a partner must hold one of
        any n-s+1 words of the text (the prefix filter of S. Chaudhuri, V. Ganti, R. Kaushik, "A primitive
        operator for similarity joins in data cleaning", 2006, on one side). The rarest are taken, and
        further ones while they are rare; a partner may have every word that was not looked at.
        """
        n, t = len(numbers), self.threshold
        nothing = np.zeros(0, np.int32)
        if not n or not self._texts:
            return nothing.astype(np.int64)
        lists = sorted((self._holders.get(item, array("i")) for item in _items(numbers)), key=len)
        least = max(1, math.ceil(n * t / (2 - t) - _ROUNDING))
        looked = n - least + 1
        while looked < n and len(lists[looked]) <= _CHEAP:
            looked += 1
        held = np.concatenate([np.frombuffer(part, np.int32) for part in lists[:looked] if part] or [nothing])
        fewest = max(1, least - (n - looked))
        if len(held) * 8 > len(self._texts):
            every = np.bincount(held, minlength=1)
            places = np.flatnonzero(every >= fewest)
            counts = every[places]
        else:
            places, counts = np.unique(held, return_counts=True)
        lengths = self._lengths[places]
        needed = np.ceil(t * (n + lengths) / 2 - _ROUNDING)
        possible = np.minimum(counts + (n - looked), lengths) >= needed
        places, counts = places[possible], counts[possible]
        return places[np.argsort(-counts, kind="stable")].astype(np.int64)


def text_words(text: str) -> list[str]:
    """The words that texts are compared by: normalised, without punctuation; single signs where a script
    writes no spaces."""
    return [bare for token in tokens(normalise(text)) if (bare := word(token))]


def rouge_l(a: str, b: str) -> float:
    """ROUGE-L F1 of two texts, in 0..1; 0 where one has no words."""
    first, second = text_words(a), text_words(b)
    if not first or not second:
        return 0.0
    return 2 * _common(_masks(first), len(first), second) / (len(first) + len(second))


def novel(texts: Sequence[str], threshold: float = 0.7) -> list[Echo | None]:
    """For each text the earlier one that it repeats, or None where it is novel.

    Only novel texts are compared with, as Self-Instruct does. ``index`` counts ``texts``.

    Args:
        threshold: ROUGE-L F1 from which a text is not novel, in (0, 1].
    """
    earlier = Earlier(threshold)
    places: list[int] = []
    out: list[Echo | None] = []
    for place, text in enumerate(texts):
        found = text_words(text)
        echo = earlier.echo(found)
        if echo is None:
            earlier.add(found)
            places.append(place)
        out.append(echo and Echo(places[echo.index], echo.score))
    return out


def _items(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Each word with how often it stood before."""
    times: dict[int, int] = {}
    out: list[tuple[int, int]] = []
    for number in numbers:
        before = times.get(number, 0)
        times[number] = before + 1
        out.append((number, before))
    return out


def _masks(items: Sequence[Any]) -> dict[Any, int]:
    """The places of each item as the bits of a number."""
    masks: dict[Any, int] = {}
    for place, item in enumerate(items):
        masks[item] = masks.get(item, 0) | 1 << place
    return masks


def _common(masks: dict[Any, int], size: int, other: Sequence[Any]) -> int:
    """Length of the longest common subsequence, a row of the table at a time as the bits of one number
    (H. Hyyrö, "Bit-parallel LCS-length computation revisited", 2004)."""
    full = (1 << size) - 1
    row = full
    for item in other:
        hits = row & masks.get(item, 0)
        row = ((row + hits) | (row - hits)) & full
    return size - row.bit_count()
