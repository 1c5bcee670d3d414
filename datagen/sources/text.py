"""The one place where text is normalised, so that spans, quotes and hashes mean the same for every kind of file."""

from __future__ import annotations

import itertools
import re
import unicodedata
from dataclasses import replace

from datagen.sources.parsed import Parsed, Unreadable

_NEWLINES = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
# Characters that show nothing: control characters, zero-width space, word joiner, soft hyphen, BOM, marks and
# overrides of writing direction, tag characters (all of which can also hide text from a person who reviews it) and
# noncharacters. ZWJ and ZWNJ stay: Indic scripts, Persian and emoji mean something by them.
_NOISE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069"
    "\ufdd0-\ufdef\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f]"
)
_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_SURROGATES = re.compile("[\ud800-\udfff]")
# Looked for at the first space of a run alone: trying each one takes quadratic time in wide gaps and indents.
_TRAILING = re.compile(r"(?<![ \t])[ \t]++(?=\n|\Z)")
_BLANK = re.compile(r"\n{4,}")
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})", re.MULTILINE)


def characters(text: str, *, keep_spaces: bool = False) -> str:
    """Newlines to ``\\n``, NFC (UAX #15), nothing invisible; other spaces to U+0020 unless ``keep_spaces``."""
    text = _NEWLINES.sub("\n", text)
    if text.isascii():
        return _NOISE.sub("", text)
    text = _NOISE.sub("", _SURROGATES.sub("\ufffd", text))
    if not keep_spaces:
        text = _SPACES.sub(" ", text)
    return unicodedata.normalize("NFC", text)


def _blank_lines(text: str, markdown: bool) -> str:
    """At most two blank lines in a row; inside a fence any number."""
    if "\n\n\n\n" not in text:
        return text
    if not markdown or not _FENCE.search(text):
        return _BLANK.sub("\n\n\n", text)
    out: list[str] = []
    fence = ""
    blank = 0
    for line in text.split("\n"):
        blank = 0 if line else blank + 1
        if blank > 2 and not fence:
            continue
        out.append(line)
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1].startswith(fence) and not line.strip().strip(fence[0]):
            fence = ""
    return "\n".join(out)


def _piece(text: str, parsed: Parsed) -> str:
    text = characters(text, keep_spaces=parsed.format == "code")
    text = _TRAILING.sub("", text)
    if parsed.format != "code":
        text = _blank_lines(text, parsed.format == "markdown")
    return text.strip("\n")


def normalise(parsed: Parsed, max_text: int) -> Parsed:
    """The text as every later stage sees it: :func:`characters`, no spaces at line ends, at most two blank
    lines in a row outside fences and code, no blank lines at the ends; page offsets follow.

    Normalising a second time changes nothing.

    Raises:
        Unreadable: ``too_large`` over ``max_text`` characters, ``empty`` where no text is left.
    """
    if len(parsed.text) > 4 * max_text:  # do not spend time on what cannot fit
        raise _too_large(len(parsed.text), max_text)
    if parsed.pages:
        bounds = [0, *parsed.pages[1:], len(parsed.text)]
        out: list[str] = []
        pages: list[int] = []
        length = 0
        for start, end in itertools.pairwise(bounds):
            raw = parsed.text[start:end]
            piece = _piece(raw, parsed)
            if piece and length:
                # A page that ends within a sentence joins the next one by a space.
                separator = "\n\n" if "\n" in parsed.text[max(0, start - 2) : start] else " "
                if separator == " ":
                    piece = piece.lstrip()
                out.append(separator)
                length += len(separator)
            pages.append(length)
            out.append(piece)
            length += len(piece)
        text = "".join(out)
        parsed = replace(parsed, text=text, pages=tuple(pages))
    else:
        parsed = replace(parsed, text=_piece(parsed.text, parsed))
    if len(parsed.text) > max_text:
        raise _too_large(len(parsed.text), max_text)
    if not parsed.text.strip():
        raise Unreadable("empty", "The file holds no text.")
    title = " ".join(characters(parsed.title).split())[:300]
    return replace(parsed, title=title)


def _too_large(length: int, limit: int) -> Unreadable:
    return Unreadable("too_large", f"Its text has {length:,} characters; sources.max_text allows {limit:,}.")
