"""Grounding: the evidence of a sample, found in the passages that were shown."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from datagen.core.quotes import Finder
from datagen.core.record import Chunk, Quote, Verdict

STAGE = "ground"  # named in verdicts


@lru_cache(maxsize=64)  # the quotes of one chunk come one after another
def _finder(text: str, *, emphasis: bool) -> Finder:
    return Finder(text, least=0, emphasis=emphasis)


def locate(quote: str, text: str) -> tuple[int, int] | None:
    """Find words of a text that are used as they stand there, such as an answer that is copied out of it.

    Args:
        quote: as a model gave it; at least two characters that are not white space, or a digit.
        text: the passage.

    Returns:
        ``(start, end)`` in code points of ``text``; None if it does not stand there, as of
        :meth:`datagen.core.quotes.Finder.find` with emphasis told apart.
    """
    return _finder(text, emphasis=False).find(quote)


@dataclass(frozen=True, slots=True)
class Grounded:
    """What became of the evidence of one sample.

    Attributes:
        quotes: those found, with spans of their documents.
        verdict: ``ungrounded`` where one was not found, ``no_evidence`` where there are none, else None.
        places: of each quote the passages in which it stands, as positions among those shown.
    """

    quotes: tuple[Quote, ...]
    verdict: Verdict | None
    places: tuple[frozenset[int], ...]

    @property
    def joins(self) -> bool:
        """Do two different quotes stand in two different passages?"""
        return any(len(a | b) > 1 for a, b in itertools.combinations(self.places, 2))


def ground(evidence: Sequence[str], chunk: Chunk, *others: Chunk) -> Grounded:
    """Find each quote in the passages, in the first that has it.

    Args:
        evidence: quotes as a model gave them.
        chunk: the passage of the sample's lineage; quotes of the same document have no path of their own.
        others: further passages that were shown.
    """
    passages = (chunk, *others)
    quotes: list[Quote] = []
    places: list[frozenset[int]] = []
    missing: list[str] = []
    for text in dict.fromkeys(evidence):
        finders = [_finder(passage.text, emphasis=True) for passage in passages]
        spans = {i: span for i, finder in enumerate(finders) if (span := finder.find(text)) is not None}
        if not spans:
            missing.append(text)
            continue
        first = min(spans)
        (start, end), passage = spans[first], passages[first]
        quotes.append(
            Quote(
                text=passage.text[start:end],
                start=passage.start + start,
                end=passage.start + end,
                path="" if passage.path == chunk.path else passage.path,
            )
        )
        places.append(frozenset(spans))
    verdict = None
    if missing:
        shown = missing[0][:200]
        verdict = Verdict(stage=STAGE, reason="ungrounded", evidence=f"not in the passage: {shown!r}")
    elif not quotes:
        verdict = Verdict(stage=STAGE, reason="no_evidence", evidence="the reply quotes nothing")
    return Grounded(tuple(quotes), verdict, tuple(places))
