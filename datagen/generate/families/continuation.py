"""The family ``continuation``: the beginning of a paragraph and, as the answer, its verbatim rest. Asks no model."""

from __future__ import annotations

import re

from datagen.generate.extract.inline import sentences
from datagen.generate.families.base import Brief, Family, Made, Strict

EARLIEST, LATEST, WANTED = 0.25, 0.7, 0.4  # where a paragraph is cut, as a share of its characters
_WIDE_STOP = re.compile(r"[。！？।؟]+")
_SPACE = re.compile(r"\s+")


class Nothing(Strict):
    """No reply: the sample is made by rule."""


def continued(brief: Brief, reply: Nothing) -> Made:
    """The paragraph, cut where a sentence ends, else between words; ``form`` is the instruction."""
    begin, rest = cut(brief.text)
    first = brief.quote(brief.start, brief.start + begin)
    second = brief.quote(brief.start + rest, brief.end)
    return Made(brief.told(brief.form, first.text), second.text, (first, second))


def cut(text: str) -> tuple[int, int]:
    """Where the beginning ends and where the rest starts; white space between them belongs to neither."""
    ends = [end for _, end in sentences(text)] + [m.end() for m in _WIDE_STOP.finditer(text)]
    spaces = [m.start() for m in _SPACE.finditer(text)]
    for places in (ends, spaces):
        fitting = [p for p in places if EARLIEST * len(text) <= p <= LATEST * len(text)]
        if fitting:
            end = min(fitting, key=lambda p: (abs(p - WANTED * len(text)), p))
            break
    else:
        end = int(WANTED * len(text))
    start = end
    while start < len(text) - 1 and text[start].isspace():
        start += 1
    return end, start


CONTINUATION = Family("continuation", "perplexity", continued, None, input="paragraph", forms="continuation")
