"""Cuts a document's text into a tree of blocks that know their exact span.

Blocks cover everything: each character that is not white space lies in one top-level block, and in
one child of each block that has children.
"""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass, field, replace
from typing import Literal

Kind = Literal["heading", "prose", "lines", "code", "group"]

LINE_END = re.compile(r"\r\n?|\n")  # what ends a line in CommonMark 0.31, section 2.1
MAX_TITLE = 200  # characters of a heading kept in a heading path
_MAX_DEPTH = 6  # levels of indentation that are told apart in code
_INDENT = re.compile(r"\s*")
_CLOSERS = frozenset(")]}")
_CONTINUES = re.compile(r"(?:else|elif|except|finally|catch|end|fi|done|esac)\b")


@dataclass(slots=True)
class Block:
    """A piece of structure.

    Attributes:
        kind: how it may be split: ``prose`` at sentences, ``lines`` at lines (tables, HTML),
            ``code`` at blank lines, then lines, ``group`` at its children; a ``heading`` not at all.
        start, end: code points of the text, from the beginning of its first line; no white space
            before ``end``.
        level: of a heading, 1 to 6.
        title: of a heading, in one line, at most :data:`MAX_TITLE` characters.
    """

    kind: Kind
    start: int
    end: int
    children: list[Block] = field(default_factory=list)
    level: int = 0
    title: str = ""


def blocks(text: str, format: str) -> list[Block]:
    """The top-level blocks of a document's text, in order.

    Args:
        text: any text; every kind of line end and any code point is allowed.
        format: ``markdown``, ``text`` or ``code``, as in :class:`datagen.core.record.Document`.
    """
    if format == "markdown":
        from datagen.sources.blocks_markdown import markdown

        return markdown(text)
    return code(text) if format == "code" else paragraphs(text)


def line_starts(text: str) -> list[int]:
    """Offset of each line, and the length of the text as the last entry."""
    starts = [0]
    starts += [m.end() for m in LINE_END.finditer(text)]
    if starts[-1] != len(text):
        starts.append(len(text))
    return starts


def trimmed(text: str, start: int, end: int) -> int:
    """The end of a span without the white space before it."""
    return start + len(text[start:end].rstrip())


def paragraphs(text: str, kind: Kind = "prose", start: int = 0, end: int | None = None) -> list[Block]:
    """Blocks that blank lines separate."""
    end = len(text) if end is None else end
    out: list[Block] = []
    begun = -1
    last = start
    for line, stop in _lines(text, start, end):
        body = text[line:stop].rstrip()
        if body:
            begun = line if begun < 0 else begun
            last = line + len(body)
        elif begun >= 0:
            out.append(Block(kind, begun, last))
            begun = -1
    if begun >= 0:
        out.append(Block(kind, begun, last))
    return out


def _lines(text: str, start: int, end: int) -> list[tuple[int, int]]:
    bounds = [start, *(m.end() for m in LINE_END.finditer(text, start, end))]
    if bounds[-1] != end:
        bounds.append(end)
    return list(itertools.pairwise(bounds))


def code(text: str) -> list[Block]:
    """Top-level blocks of source code: one begins where, after a blank line, a line is not indented.

    What is indented stays with the block above it, and is told apart inside it in the same way. A
    line that only closes or continues what stands before it begins no block.
    """
    pieces = paragraphs(text, "code")
    return _nested(text, pieces, [_indent(text, piece) for piece in pieces], 0)


def _indent(text: str, block: Block) -> float:
    """Columns before the first sign of a block, a tab as 4; infinite where it begins none of its own."""
    match = _INDENT.match(text, block.start)
    assert match is not None
    after = match.end()
    if text[after] in _CLOSERS or _CONTINUES.match(text, after, block.end):
        return math.inf
    return len(match[0]) + 3 * match[0].count("\t")


def _nested(text: str, pieces: list[Block], indents: list[float], depth: int) -> list[Block]:
    """Pieces grouped so that each is as far out as the outermost, with what is further in below it."""
    if not pieces:
        return []
    outermost = min(indents)
    firsts = [i for i, indent in enumerate(indents) if indent == outermost or i == 0]
    out: list[Block] = []
    for i, stop in zip(firsts, [*firsts[1:], len(pieces)], strict=True):
        if stop == i + 1 or depth == _MAX_DEPTH:
            out += pieces[i:stop]
        else:
            inner = [pieces[i], *_nested(text, pieces[i + 1 : stop], indents[i + 1 : stop], depth + 1)]
            out.append(Block("group", pieces[i].start, pieces[stop - 1].end, inner))
    return out


def parts(block: Block, text: str) -> list[Block]:
    """The children of a block, stretched so that they leave nothing of it uncovered (list markers,
    quotation marks on empty lines)."""
    out: list[Block] = []
    start = block.start
    for i, child in enumerate(block.children):
        stop = block.children[i + 1].start if i + 1 < len(block.children) else block.end
        end = trimmed(text, start, stop)
        if end > start:
            out.append(replace(child, start=start, end=end))
            start = stop
    return out
