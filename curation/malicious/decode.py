"""Other readings of a text: what is encoded, spelled apart, in digits for letters, backwards, or invisible."""

from __future__ import annotations

import base64
import binascii
import itertools
import re
from collections.abc import Iterator
from urllib.parse import unquote

from curation.malicious.fold import View
from curation.malicious.grammar import grammar

_LEET = [str.maketrans("0134578@$!|+", "oleastbasi" + "it"), str.maketrans("0134578@$!|+", "oieastbasi" + "lt")]
_LEET_WORD = re.compile(
    r"(?<![^\s\"'(])(?=[^\s]{0,20}[a-z])(?=[^\s]{0,20}[01345@$!])[a-z013457@$!|]{3,20}(?![^\s,.;:!?\"')])"
)
_APART = re.compile(r"(?<!\w)(?:\w[ ._*\-|/]{1,3}){7,}\w(?!\w)")
_SEP = re.compile(r"[ ._*\-|/]+")
_BASE64 = re.compile(r"(?<![\w+/=-])[\w+/-]{20,4000}={0,2}(?![\w+/=])")
_HEX = re.compile(r"(?<!\w)(?:(?:0x|\\x|%)?[0-9a-fA-F]{2}[ ,:]?){12,2000}(?!\w)")
_BINARY = re.compile(r"(?<!\w)(?:[01]{7,8}[ ,]?){8,1000}(?!\w)")
_ESCAPED = re.compile(r"(?:\\u00[0-9a-fA-F]{2}|&#x?[0-9a-fA-F]{2,4};){8,1000}")
_CODE_POINT = re.compile(r"[0-9a-fA-F]{2,4}(?=;|\\|$)")
_DIGITS = re.compile(r"[0-9a-fA-F]{2}")
_TAGS = re.compile("(?<!\U0001f3f4)[\U000e0020-\U000e007e]{4,}")
_MARKS = (
    "instructions",
    "previous",
    "ignore",
    "prompt",
    "password",
    "disregard",
    "instruction",
    "directives",
    "system",
)
MARKED = re.compile(r"\b(?:" + "|".join(_MARKS) + r")\b")
_SHIFTED = {
    "".join(chr((ord(c) - 97 + shift) % 26 + 97) for c in word): shift for word in _MARKS for shift in range(1, 26)
}
_BACKWARDS = frozenset(word[::-1] for word in _MARKS)
_LETTERS = re.compile(r"[a-z]{6,12}")
_COMMON = (
    "the",
    "and",
    "you",
    "your",
    "all",
    "to",
    "of",
    "in",
    "is",
    "me",
    "with",
    "for",
    "a",
    "i",
    "what",
    "how",
    "as",
    "now",
    "it",
    "not",
)


def readings(view: View) -> Iterator[tuple[str, View]]:
    """Other views of a folded text, each with the name of what was undone."""
    text = view.text
    words = set(_LETTERS.findall(text))
    if len(set(_LEET_WORD.findall(text))) >= 2:
        for table in _LEET:
            yield "leet", View(text.translate(table), view.at, view.size)
    if _APART.search(text):
        yield "spelled_apart", view.over(_joined(text))
    for shift in sorted({_SHIFTED[word] for word in words & _SHIFTED.keys()}):
        table = {97 + i: 97 + (i - shift) % 26 for i in range(26)}
        yield "shifted", View(text.translate(table), view.at, view.size)
    if words & _BACKWARDS:
        at = list(range(len(text) - 1, -1, -1))
        yield "backwards", view.over(View(text[::-1], at, len(text)))


def hidden(text: str) -> Iterator[tuple[str, int, int, str]]:
    """Encoded stretches of the original text: what was undone, start, end, and what they say."""
    for found in _BASE64.finditer(text):
        said = _base64(found[0])
        if said:
            yield "base64", found.start(), found.end(), said
    for regex, base in ((_BINARY, 2), (_HEX, 16)):
        for found in regex.finditer(text):
            said = _numbers(found[0], base)
            if said:
                yield "numbers", found.start(), found.end(), said
    if "\\u00" in text or "&#" in text:
        for found in _ESCAPED.finditer(text):
            said = _numbers(
                " ".join(_CODE_POINT.findall(found[0])), 10 if "&#" in found[0] and "&#x" not in found[0] else 16
            )
            if said:
                yield "escaped", found.start(), found.end(), said
    if "%" in text:
        for found in re.finditer(r"(?:[\w.-]{0,40}%[0-9a-fA-F]{2}){4,1000}[\w.-]{0,40}", text):
            said = unquote(found[0])
            if _speaks(said):
                yield "percent", found.start(), found.end(), said
    if not text.isascii():
        for found in _TAGS.finditer(text):
            yield "invisible_tags", found.start(), found.end(), "".join(chr(ord(c) - 0xE0000) for c in found[0])


def _base64(run: str) -> str:
    if (run.isalpha() and (run.islower() or run.isupper())) or run.isdigit() or "--" in run or "__" in run:
        return ""
    body = run.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        raw = base64.b64decode(body + "=" * (-len(body) % 4), validate=True)
    except (binascii.Error, ValueError):
        return ""
    said = raw.decode("utf-8", "replace")
    return said if _speaks(said) else ""


def _numbers(run: str, base: int) -> str:
    pieces = run.replace(",", " ").split() if base != 16 else _DIGITS.findall(run.replace("0x", " "))
    try:
        said = "".join(chr(int(piece, base)) for piece in pieces if piece)
    except (ValueError, OverflowError):
        return ""
    return said if _speaks(said) else ""


def _speaks(said: str) -> bool:
    """Is it a sentence? Nearly all letters and spaces, and some of the commonest words."""
    if len(said) < 8 or "\ufffd" in said:
        return False
    plain = sum(c.isalpha() or c in " ,.!?'\n" for c in said)
    words = said.lower().split()
    return plain >= 0.85 * len(said) and len(words) >= 3 and any(word in _COMMON for word in words)


def _joined(text: str) -> View:
    """Letters spelled apart put together again, and cut into known words."""
    pieces: list[str] = []
    at: list[int] = []
    last = 0
    for found in _APART.finditer(text):
        pieces.append(text[last : found.start()])
        at.extend(range(last, found.start()))
        places = [i for i in range(found.start(), found.end()) if not _SEP.match(text[i])]
        letters = "".join(text[i] for i in places)
        wide = {i for a, i in itertools.pairwise(places) if i - a > 2}  # a wider gap is between two words
        done = 0
        for word in _known().finditer(letters):
            for i in range(done, word.start()):
                pieces.append((" " if places[i] in wide else "") + letters[i])
                at.extend([places[i]] * (2 if places[i] in wide else 1))
            pieces.append(f" {word[0]} ")
            at.extend([places[word.start()], *places[word.start() : word.end()], places[word.end() - 1]])
            done = word.end()
        for i in range(done, len(letters)):
            pieces.append((" " if places[i] in wide else "") + letters[i])
            at.extend([places[i]] * (2 if places[i] in wide else 1))
        last = found.end()
    pieces.append(text[last:])
    at.extend(range(last, len(text)))
    return View("".join(pieces), at, len(text))


def _known() -> re.Pattern[str]:
    global _KNOWN
    if _KNOWN is None:
        words = sorted(
            (w for w in grammar().words if len(w) >= 3 and w.isalpha() and w.isascii()), key=lambda w: (-len(w), w)
        )
        _KNOWN = re.compile("|".join(words))
    return _KNOWN


_KNOWN: re.Pattern[str] | None = None
