"""A text as it would be read: lower case, without accents, invisible characters and look-alikes, with offsets."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

_OTHER = re.compile(r"[^\x00-\x7f]+")
_MIXED = re.compile(r"[^\W\d_]{2,40}")
# As ø, small capitals and letters in boxes, which do not decompose.
_LETTER = re.compile(
    r"(?:LATIN (?:SMALL|CAPITAL) LETTER|SMALL CAPITAL|SQUARED LATIN|CIRCLED LATIN|INDICATOR SYMBOL)"
    r"(?: CAPITAL)?(?: LETTER)? ([A-Z])\b"
)
_LATIN = re.compile(r"[a-z]")
# Letters of other scripts that look like these Latin ones (after the confusables of Unicode TR 39, letters alone).
_LOOKS = {
    "a": "аαɑ", "b": "вβь", "c": "сϲ", "d": "ԁ", "e": "еεҽє", "g": "ɡց", "h": "һнհ", "i": "іιıɩї", "j": "јϳ",
    "k": "кκ", "l": "ӏǀ", "m": "м", "n": "ոηпиν", "o": "оοօσ", "p": "рρ", "q": "ԛգ", "r": "гґ", "s": "ѕ", "t": "тτ",
    "u": "υս", "v": "ѵ", "w": "ԝωш", "x": "хχ", "y": "уүγ", "z": "ʐ",
}  # fmt: skip
_ALIKE = {ord(one): letter for letter, others in _LOOKS.items() for one in others}
_ALIKE_ONE = re.compile("[" + re.escape("".join(map(chr, _ALIKE))) + "]")


@dataclass(frozen=True, slots=True)
class View:
    """A text made from another.

    Attributes:
        text: what is read.
        at: for each character of ``text`` its offset in the original; None: the same.
        size: length of the original.
    """

    text: str
    at: Sequence[int] | None
    size: int

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The stretch of the original that ``text[start:end]`` (not empty) was made of."""
        if self.at is None:
            return start, end
        return self.at[start], self.at[end - 1] + 1

    def over(self, inner: View) -> View:
        """``inner``, which was made of this view's text, as one made of the original."""
        if self.at is None:
            return View(inner.text, inner.at, self.size)
        at = self.at if inner.at is None else [self.at[i] for i in inner.at]
        return View(inner.text, at, self.size)


def fold(text: str) -> View:
    """Lower case; NFKD without marks; nothing invisible; letters of other scripts in Latin words made Latin."""
    if text.isascii():
        return View(text.lower(), None, len(text))
    pieces: list[str] = []
    at: list[int] = []
    last = 0
    for found in _OTHER.finditer(text):
        start, end = found.span()
        pieces.append(text[last:start].lower())
        at.extend(range(last, start))
        for i in range(start, end):
            made = _folded(text[i])
            if made:
                pieces.append(made)
                at.extend([i] * len(made))
        last = end
    pieces.append(text[last:].lower())
    at.extend(range(last, len(text)))
    joined = "".join(pieces)
    if _ALIKE_ONE.search(joined):
        joined = _MIXED.sub(_latin, joined)
    return View(joined, at, len(text))


_LOWER = {i: i + 32 for i in range(65, 91)}


def lower(text: str) -> str:
    """ASCII letters in lower case; the length stays."""
    return text.lower() if text.isascii() else text.translate(_LOWER)


def _latin(word: re.Match[str]) -> str:
    found = word[0]
    return found.translate(_ALIKE) if not found.isascii() and _LATIN.search(found) else found


@functools.lru_cache(maxsize=65536)
def _folded(character: str) -> str:
    """One character folded; "" for one that shows nothing."""
    category = unicodedata.category(character)
    if category in ("Cf", "Mn", "Me", "Cs", "Co"):
        return ""
    if "\uac00" <= character <= "\ud7a3" or "\u3040" <= character <= "\u30ff":
        return character  # decomposed, syllables of Korean and voiced kana would no longer be themselves
    made = unicodedata.normalize("NFKD", character).lower()
    kept = "".join(c for c in made if unicodedata.category(c) not in ("Mn", "Me", "Cf"))
    if not kept.isascii() and (named := _LETTER.search(unicodedata.name(character, ""))):
        return named[1].lower()
    if category.startswith("Z"):
        return " "
    return _QUOTES.get(kept, kept)


_QUOTES = {"’": "'", "‘": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "–": "-", "—": "-", "−": "-", "‐": "-"}
