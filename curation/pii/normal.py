"""A text as a reader sees it, with the way back: invisible characters, look-alikes and escapes undone.

The finders read the :class:`View`; what they find is reported at offsets of the original text. Look-alike characters
after Unicode Technical Standard 39 (a selection of the letters that can be told apart by eye in no common font);
escapes after RFC 3986, section 2.1 (``%40``), RFC 8259, section 7 (``\\u0040``) and HTML's character references.
"""

from __future__ import annotations

import bisect
import html
import re
import unicodedata

_CYRILLIC = dict(zip("авсеһіјкмнорԛѕтухԝАВСЕНІЈКМОРЅТУХԜ", "abcehijkmhopqstyxwABCEHIJKMOPSTYXW", strict=True))
_GREEK = dict(zip("αινοορτυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "aivooptuxABEZHIKMNOPTYX", strict=True))
_OTHER = {"ı": "i", "ɡ": "g", "ⅼ": "l", "օ": "o", "ս": "u", "ո": "n", "һ": "h", "ℓ": "l", "ɑ": "a"}
LOOKALIKES = {**_CYRILLIC, **_GREEK, **_OTHER}
"""Letters of other alphabets → the Latin letter that they pass for."""

_HIDDEN = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\ufe00-\ufe0f\ufeff\U000e0000-\U000e007f"
)
_SPACES = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_DASHES = "\u2010-\u2015\u2212\ufe58\ufe63\uff0d"
_COMPATIBLE = (
    "\u2460-\u24ff\uff01-\uff0c\uff0e-\uff5e\u2070-\u209f\u2100-\u214f\U0001d400-\U0001d7ff\U0001f100-\U0001f1ff"
)
_NON_ASCII = re.compile(
    rf"(?P<hidden>[{_HIDDEN}]+)|(?P<space>[{_SPACES}])|(?P<dash>[{_DASHES}])|(?P<same>[{_COMPATIBLE}])|"
    rf"(?P<like>[{''.join(LOOKALIKES)}])|(?P<digit>[^\x00-\x7f\D])"
)
_ESCAPES = re.compile(
    r"(?P<percent>(?:%[2-7][0-9A-Fa-f]){1,200})|(?P<unicode>\\u00[2-7][0-9A-Fa-f])|(?P<hex>\\x[2-7][0-9A-Fa-f])|"
    r"(?P<quote>\\{1,3}(?P<quoted>[\"'/]))|(?P<line>\\[nrt](?=[A-Z0-9\"\\ +(]))|"
    r"(?P<entity>&(?:#x?[0-9A-Fa-f]{2,5}|amp|lt|gt|quot|apos|nbsp|commat|period|num);)"
)
_ESCAPED = re.compile(r"%[2-7][0-9A-Fa-f]|\\[ux\"'/nrt]|&#?\w{2,6};")
_LATIN = re.compile(r"[A-Za-z]")
_LETTERS = re.compile(r"[^\W\d_]+")
_JOINTS = frozenset("@._-")


class View:
    """A text to be searched, and where each of its stretches comes from.

    Attributes:
        text: what is searched.
        changed: does it differ from the original?
    """

    __slots__ = ("_cuts", "_origin", "_piece", "changed", "text")

    def __init__(self, text: str, pieces: list[tuple[int, int, int, int]]) -> None:
        """Take the text and its replaced pieces, ``(start, end, original start, original end)``, ascending."""
        self.text = text
        self.changed = bool(pieces)
        self._piece = pieces
        self._cuts = [piece[0] for piece in pieces]
        self._origin: list[int] = []

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The span of the original text that became ``text[start:end]``; ``start < end``."""
        if not self.changed:
            return start, end
        return self._at(start, end=False), self._at(end - 1, end=True)

    def _at(self, place: int, *, end: bool) -> int:
        """Where the character at a place begins, or ends, in the original text."""
        index = bisect.bisect_right(self._cuts, place) - 1
        if index < 0:
            return place + end
        start, stop, was, was_end = self._piece[index]
        if place >= stop:
            return was_end + (place - stop) + end
        if stop - start == was_end - was:  # characters replaced one for one
            return was + (place - start) + end
        return was_end if end else was


def view(text: str) -> View:
    """Undo what hides values in a text; plain texts come back as they are, at once."""
    escaped = _ESCAPED.search(text) is not None
    if text.isascii() and not escaped:
        return View(text, [])
    made: list[str] = []
    pieces: list[tuple[int, int, int, int]] = []
    length = last = 0
    finders = ([_NON_ASCII] if not text.isascii() else []) + ([_ESCAPES] if escaped else [])
    found = [match for finder in finders for match in finder.finditer(text)]
    if len(finders) > 1:
        found.sort(key=lambda match: match.start())
    seen = 0  # up to where words with look-alikes were looked at
    for match in found:
        start, end = match.span()
        if start < last:
            continue
        if match.lastgroup == "like":
            if start < seen:
                continue
            start, end = _word(text, start, last)
            seen = end
            new = _latin(text, start, end)
        else:
            new = _replacement(match)
        if new == text[start:end]:
            continue
        made.append(text[last:start])
        length += start - last
        made.append(new)
        pieces.append((length, length + len(new), start, end))
        length += len(new)
        last = end
    made.append(text[last:])
    return View("".join(made), pieces)


def _word(text: str, place: int, least: int) -> tuple[int, int]:
    """The row of letters around a place, not beginning before ``least``."""
    start = place
    while start > least and text[start - 1].isalpha():
        start -= 1
    rest = _LETTERS.match(text, place)
    return start, rest.end() if rest else place + 1


def _replacement(match: re.Match[str]) -> str:
    kind, value = match.lastgroup, match[0]
    if kind == "hidden":
        return ""
    if kind == "space":
        return " "
    if kind == "dash":
        return "-"
    if kind == "same":
        return unicodedata.normalize("NFKC", value)
    if kind == "digit":
        return str(unicodedata.decimal(value, value))
    if kind in ("percent", "unicode", "hex"):
        step = {"percent": 3, "unicode": 6, "hex": 4}[kind]
        return "".join(chr(int(value[i + step - 2 : i + step], 16)) for i in range(0, len(value), step))
    if kind == "line":
        return "\n"
    if kind == "entity":
        return html.unescape(value)
    return match["quoted"]


def _latin(text: str, start: int, end: int) -> str:
    """A word with look-alikes, in Latin letters where that is what it passes for."""
    word = text[start:end]
    foreign = [c for c in word if not ("a" <= c <= "z" or "A" <= c <= "Z" or "\u00c0" <= c <= "\u024f")]
    if any(c not in LOOKALIKES for c in foreign):
        return word
    if len(foreign) == len(word):  # no Latin letter: only where it is joined to a Latin word
        before, after = text[max(0, start - 2) : start], text[end : end + 2]
        joined = before[-1:] in _JOINTS or after[:1] in _JOINTS
        if not joined or not _LATIN.search(before + after):
            return word
    return "".join(LOOKALIKES.get(c, c) for c in word)
