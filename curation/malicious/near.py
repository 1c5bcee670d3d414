"""Two things in a row with something between them, found in linear time.

A regular expression of the form ``opener .{0,300}? inner`` tries all of ``inner`` at each of 300 places for each
``opener``. Here the inner ones are found first, once, and an opener is looked for before each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_OPENER = 40  # characters that an opener may have beyond the reach


def before(
    opener: re.Pattern[str], inner: re.Pattern[str], text: str, reach: int, stop: str
) -> Iterator[tuple[int, re.Match[str]]]:
    """Each ``inner`` with an ``opener`` at most ``reach`` characters before it and no ``stop`` between them, and where
    that opener begins; they do not overlap."""
    last = 0
    for found in inner.finditer(text):
        if found.start() < last:
            continue
        low = max(last, found.start() - reach - _OPENER)
        low = max(low, text.rfind(stop, low, found.start()) + 1)
        first = opener.search(text, low, found.start())
        if first:
            yield first.start(), found
            last = found.end()


def enclosed(opening: str, closing: str, text: str, reach: int) -> Iterator[tuple[int, int]]:
    """Spans from ``opening`` to the next ``closing``, both included, with at most ``reach`` characters between."""
    at = text.find(opening)
    while at >= 0:
        inside = at + len(opening)
        end = text.find(closing, inside, inside + reach + len(closing))
        if end < 0:
            at = text.find(opening, inside)
            continue
        yield at, end + len(closing)
        at = text.find(opening, end + len(closing))
