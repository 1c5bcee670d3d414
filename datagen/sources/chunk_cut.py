"""Cuts a span that is larger than a chunk, at the best place that there is."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from datagen.sources.blocks import LINE_END, Kind
from datagen.sources.tokens import MAX_CHARACTERS, TokenCounter

# An end mark, perhaps a closing quote, white space, and no small letter after it ("e.g. this" is no end);
# in scripts that write no space there, the mark itself.
_SENTENCE = re.compile(
    r"(?:(?<=[.!?…])|(?<=[.!?…][\"')\]”’»]))\s++(?![a-z])|(?<=[。！？｡؟۔।॥])(?![。！？」』”’）])\s*+"
)
_BLANK_LINE = re.compile(r"(?:\r\n?|\n)[ \t]*+(?:\r\n?|\n)")
_SPACE = re.compile(r"\s++")
_NEW_LINE = re.compile(r"(?:\r\n?|\n)(?=[ \t]*+\S)")
_ORDER: dict[Kind, tuple[re.Pattern[str], ...]] = {
    "prose": (_SENTENCE, LINE_END, _SPACE),
    "heading": (_SPACE,),
    "lines": (LINE_END, _SPACE),
    "code": (_BLANK_LINE, LINE_END, _SPACE),
}
_EARLIEST = 0.5  # a better kind of place is taken only if the piece then has this much of what would fit
_CLUSTER = 32  # longest run of joined code points that is kept together


def fit(counter: TokenCounter, text: str, start: int, end: int, budget: int) -> int:
    """How far from ``start`` a piece of at most ``budget`` tokens may reach, about as far as it can.

    Looks at no more text than a few such pieces, whatever the length of the span. Returns at least
    ``start + 1``, though that one code point be more than ``budget`` tokens.
    """
    high = min(end, start + budget * MAX_CHARACTERS) + 1  # known, or taken, to be too far
    low = start
    guess = min(high - 1, start + 4 * budget)
    while True:
        tokens = counter.count(text[start:guess])
        if tokens <= budget:
            low = guess
            if low + 1 >= high or tokens >= 0.95 * budget:
                break
        else:
            high = guess
        if high - low <= 1:
            break
        # Interpolate, but stay inside, and halve where that moves too little.
        guess = start + int((guess - start) * budget / max(tokens, 1) * 0.98)
        margin = max(1, (high - low) // 16)
        guess = min(max(guess, low + margin), high - margin)
        guess = min(max(guess, low + 1), high - 1)
    return max(low, start + 1)


def cut(
    counter: TokenCounter, text: str, start: int, end: int, kind: Kind, budget: int, first: int
) -> Iterator[tuple[int, int]]:
    """Spans of at most ``budget`` tokens (the first of at most ``first``) that together hold all but white space.

    Spans end at a sentence, line or word where one is in reach, else between code points that do
    not belong together. The work grows with the length of the span, not faster.
    """
    limit = first
    while start < end:
        stop = fit(counter, text, start, end, limit)
        if stop < end:
            rest = text[start : min(end, start + 3 * (stop - start))]
            tokens = counter.count(rest) if start + len(rest) == end else 2 * limit
            if tokens <= limit:
                stop = end
            elif tokens < 2 * limit:  # two even halves, not a whole and a crumb
                stop = min(stop, fit(counter, text, start, end, min(limit, max(tokens * 11 // 20, 1))))
            stop = place(text, start, stop, kind) if stop < end else end
            while stop - start > 1 and counter.count(text[start:stop].rstrip()) > limit:
                stop = place(text, start, stop - 1, kind)
        last = start + len(text[start:stop].rstrip())
        if last > start:
            yield start, last
            limit = budget
        start = stop


def back(counter: TokenCounter, text: str, least: int, start: int, budget: int) -> int:
    """The earliest sentence, line or else word, not before ``least``, from which ``text`` has at most
    ``budget`` tokens up to ``start``; ``start`` itself if there is none."""
    least = max(least, start - budget * MAX_CHARACTERS)
    for patterns in ((_SENTENCE, _NEW_LINE), (_SPACE,)):
        places = {m.end() for pattern in patterns for m in pattern.finditer(text, least, start)}
        places.add(least)
        starts = sorted(p for p in places if least <= p < start and not (p and text[p - 1 : p + 1] == "\r\n"))
        low, high = 0, len(starts)  # the first place from which it is not too much
        while low < high:
            middle = (low + high) // 2
            if counter.count(text[starts[middle] : start]) <= budget:
                high = middle
            else:
                low = middle + 1
        if low < len(starts):
            return starts[low]
    return start


def place(text: str, start: int, stop: int, kind: Kind) -> int:
    """The best place to cut in ``text[start:stop]``: after ``start``, at most ``stop``."""
    if stop < len(text) and text[stop - 1 : stop + 1] == "\r\n" and stop - 1 > start:
        stop -= 1
    least = start + int((stop - start) * _EARLIEST)
    fallback = 0
    for pattern in _ORDER.get(kind, _ORDER["prose"]):
        found = 0
        for match in pattern.finditer(text, start, stop):
            found = match.end()
        if found > least or (found > start and pattern is LINE_END and kind in ("code", "lines")):
            return found
        if pattern is _SPACE and found > start:
            fallback = found
    if fallback and text[start:fallback].strip():
        return fallback
    return _between(text, start, stop)


def _between(text: str, start: int, stop: int) -> int:
    """``stop``, moved back so that it parts no combining mark, emoji sequence or flag."""
    at = stop
    while at > start + 1 and stop - at < _CLUSTER and at < len(text) and _joined(text, at):
        at -= 1
    return at if at > start + 1 or not _joined(text, at) else stop


def _joined(text: str, at: int) -> bool:
    """Whether the code points before and after ``at`` belong to one sign (a part of UAX #29)."""
    if at >= len(text):
        return False
    after, before = text[at], text[at - 1]
    if after < "\u0300":
        return before == "\r" and after == "\n"
    if after == "\u200d" or before == "\u200d" or "\U0001f3fb" <= after <= "\U0001f3ff":
        return True
    if "\U0001f1e6" <= after <= "\U0001f1ff":
        run = 0
        while run < _CLUSTER and at - run > 0 and "\U0001f1e6" <= text[at - run - 1] <= "\U0001f1ff":
            run += 1
        return run % 2 == 1
    return unicodedata.category(after) in ("Mn", "Mc", "Me")
