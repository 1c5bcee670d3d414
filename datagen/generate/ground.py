"""Grounding: where a quote stands in a text, white space and Unicode forms aside."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from datagen.core.record import Chunk, Quote, Verdict

STAGE = "ground"  # named in verdicts

# Characters that writers and models exchange freely and that mean the same; targets are ASCII.
_SAME = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u02bc", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
    }
)
_DROPPED = frozenset("\u00ad\u200b\u200c\u200d\u2060\ufeff")  # soft hyphen, zero-width characters


@lru_cache(maxsize=64)  # the quotes of one chunk come one after another
def _folded(text: str) -> tuple[str, tuple[int, ...]]:
    """The text folded (NFKC, one space for any white space, plain quotes and dashes), and for each
    folded character the position it comes from."""
    out: list[str] = []
    places: list[int] = []
    blank = True  # leading white space goes
    for place, character in enumerate(text):
        if character in _DROPPED:
            continue
        if character.isspace():
            if not blank:
                out.append(" ")
                places.append(place)
            blank = True
            continue
        blank = False
        for part in unicodedata.normalize("NFKC", character).translate(_SAME):
            if part.isspace():
                continue
            out.append(part)
            places.append(place)
    return "".join(out), tuple(places)


def locate(quote: str, text: str) -> tuple[int, int] | None:
    """Find a quote in a text.

    Args:
        quote: as a model gave it; at least two characters that are not white space.
        text: the passage.

    Returns:
        ``(start, end)`` in code points of ``text``, the first place; None if it does not stand
        there, up to white space, NFKC (Unicode Standard Annex 15), quotation marks and dashes.
        Case and every other character must agree.
    """
    quote = unicodedata.normalize("NFC", quote.strip())
    wanted = _folded(quote)[0].strip()
    if len(wanted.replace(" ", "")) < 2:
        return None
    start = text.find(quote)
    if start >= 0:
        return start, start + len(quote)
    folded, places = _folded(text)
    at = folded.find(wanted)
    if at < 0:
        return None
    return places[at], places[at + len(wanted) - 1] + 1


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
        spans = {i: span for i, passage in enumerate(passages) if (span := locate(text, passage.text)) is not None}
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
