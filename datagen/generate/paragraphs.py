"""Finds the paragraphs of prose in a passage: an author's own words, without headings, lists, tables or code."""

from __future__ import annotations

import re

from datagen.core.record import Chunk
from datagen.generate.extract.blocks import scan
from datagen.generate.extract.passage import is_navigation
from datagen.generate.textual import count

LETTERS = 0.7  # least share of letters among what is not white space: less is a formula, a path or a list of figures
_END = re.compile(r"[.!?。！？؟।…][\"'”’»)\]*_`]*\Z")
_PICTURE = re.compile(r"!\[|<[a-z/!]", re.I)

Span = tuple[int, int]


def paragraphs(chunk: Chunk, least: int, most: int) -> tuple[Span, ...]:
    """Spans of prose paragraphs.

    A paragraph ends where a sentence does, is not indented and does not stand under a heading such as
    "References".

    Args:
        least, most: words of a paragraph.

    Returns:
        ``(start, end)`` in code points of ``chunk.text``, ascending; none for code and chats.
    """
    if chunk.format in ("code", "chat"):
        return ()
    found: list[Span] = []
    for block in scan(chunk.text, chunk.heading):
        if block.kind != "paragraph" or block.indent or any(is_navigation(h) for h in block.path[-2:]):
            continue
        text = chunk.text[block.start : block.end]
        if _is_prose(text) and least <= count(text) <= most:
            found.append((block.start, block.end))
    return tuple(found)


def _is_prose(text: str) -> bool:
    solid = [c for c in text if not c.isspace()]
    if not _END.search(text) or _PICTURE.search(text):
        return False
    return sum(c.isalpha() for c in solid) >= LETTERS * len(solid)
