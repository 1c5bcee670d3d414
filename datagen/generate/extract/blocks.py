"""Cuts Markdown into flat blocks that know their span and the headings above them.

A line scanner, not a parser: the rules need spans and block kinds only, and a chunk may begin in
the middle of anything. One pass, one regular expression a line, none of which can backtrack far.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["heading", "paragraph", "item", "definition", "table", "fence", "other"]

_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(\S.*)")
_ITEM = re.compile(r"([ \t]{0,12})([-*+]|\d{1,4}[.)])[ \t]+(?=\S)")
_FENCE = re.compile(r"([ \t]*)(`{3,}|~{3,})([^`\n]*)$")
_DEFINITION = re.compile(r" {0,3}: +(?=\S)")
_RULE_CHARACTERS = frozenset("-*_= ")
_TABLE_RULE_CHARACTERS = frozenset("|-: \t")


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a chunk's text: ``text[start:end]``, without the line end.

    Attributes:
        kind: ``other`` is what no rule reads: quotations, HTML, rules, front matter, indented code.
        body: where the content starts, after the marker of a heading, an item or a definition.
        indent: columns before the first character.
        level: 1..6 for headings, else 0.
        ordered: True for an item that carries a number.
        path: the headings above the block, outermost first; a heading's own text is not in it.
    """

    kind: Kind
    start: int
    end: int
    body: int
    indent: int = 0
    level: int = 0
    ordered: bool = False
    path: tuple[str, ...] = field(default=())


class _Outline:
    """The heading path while blocks go by; knows the path above the chunk but not its levels."""

    def __init__(self, above: Sequence[str]) -> None:
        self._stack: list[tuple[int, str]] = [(level + 1, text) for level, text in enumerate(above)]

    def path(self) -> tuple[str, ...]:
        return tuple(text for _, text in self._stack)

    def enter(self, level: int, text: str) -> tuple[str, ...]:
        """Take a heading in; returns the path above it."""
        known = next((i for i, (_, old) in enumerate(self._stack) if old == text), None)
        if known is not None:  # a chunk's path may hold the heading that the chunk starts with
            self._stack = self._stack[:known]
        else:
            self._stack = [(old, name) for old, name in self._stack if old < level]
        above = self.path()
        self._stack.append((level, text))
        return above


def heading_text(raw: str) -> str:
    """A heading's text without closing hashes and anchors such as ``{#id}``."""
    text = raw.strip()
    if text.endswith("#"):
        text = text.rstrip("#").rstrip()
    if text.endswith("}"):
        cut = text.rfind("{")
        if cut > 0 and text[cut + 1 : cut + 2] in ("#", ".", ":"):
            text = text[:cut].rstrip()
    return text


def scan(text: str, above: Sequence[str] = ()) -> list[Block]:
    """Cut ``text`` into blocks.

    Args:
        text: Markdown, with ``\\n`` line ends.
        above: the heading path above its first character.
    """
    return _Scanner(text, above).run()


class _Scanner:
    def __init__(self, text: str, above: Sequence[str]) -> None:
        self.text = text
        self.lines = text.split("\n")
        self.starts: list[int] = []
        position = 0
        for line in self.lines:
            self.starts.append(position)
            position += len(line) + 1
        self.outline = _Outline(above)
        self.blocks: list[Block] = []

    def run(self) -> list[Block]:
        row = self._front_matter()
        while row < len(self.lines):
            row = self._block(row) if self.lines[row].strip() else row + 1
        return self.blocks

    def _add(self, kind: Kind, first: int, last: int, *, body: int = 0, ordered: bool = False) -> int:
        """Add the block of lines ``first..last``; returns the line after it."""
        line = self.lines[first]
        indent = len(line) - len(line.lstrip())
        start = self.starts[first] + indent
        end = self.starts[last] + len(self.lines[last].rstrip())
        self.blocks.append(
            Block(kind, start, end, max(start, body), indent, 0, ordered, self.outline.path()),
        )
        return last + 1

    def _front_matter(self) -> int:
        if self.lines[0].rstrip() != "---":
            return 0
        for row in range(1, min(len(self.lines), 80)):
            if self.lines[row].rstrip() in ("---", "..."):
                return self._add("other", 0, row)
        return 0

    def _block(self, row: int) -> int:
        line = self.lines[row]
        first = line.lstrip()[0]
        if first == "#" and (match := _HEADING.match(line)):
            return self._heading(row, row, len(match[1]), match.start(2))
        if first in "`~" and (fence := _FENCE.match(line)):
            return self._fence(row, fence[2])
        if first == "|" or (row + 1 < len(self.lines) and "|" in line and _is_table_rule(self.lines[row + 1])):
            return self._table(row)
        if len(line.strip()) >= 3 and _RULE_CHARACTERS.issuperset(line.strip()):
            return self._add("other", row, row)
        if first in ">" or (first == "<" and not line.lstrip().startswith("<http")):
            return self._add("other", row, self._last_of_paragraph(row))
        if item := _ITEM.match(line):
            last = self._last_of_paragraph(row)
            return self._add("item", row, last, body=self.starts[row] + item.end(), ordered=item[2][0].isdigit())
        if definition := _DEFINITION.match(line):
            return self._add("definition", row, self._last_of_paragraph(row), body=self.starts[row] + definition.end())
        if line.startswith(("    ", "\t")) and not self._in_list():
            return self._add("other", row, self._last_of_paragraph(row))
        last = self._last_of_paragraph(row)
        if last == row and row + 1 < len(self.lines) and self.lines[row + 1].strip():
            under = self.lines[row + 1].strip()
            if len(under) >= 2 and set(under) in ({"="}, {"-"}):
                return self._heading(row, row + 1, 1 if under[0] == "=" else 2, len(line) - len(line.lstrip()))
        return self._add("paragraph", row, last)

    def _in_list(self) -> bool:
        """Whether an indented line continues a list rather than being indented code."""
        return bool(self.blocks) and (
            self.blocks[-1].kind in ("item", "definition")
            or (self.blocks[-1].indent > 0 and self.blocks[-1].kind != "other")
        )

    def _heading(self, row: int, last: int, level: int, offset: int) -> int:
        text = heading_text(self.lines[row][offset:])
        above = self.outline.enter(level, text)
        start = self.starts[row] + offset
        self.blocks.append(Block("heading", self.starts[row], start + len(text), start, 0, level, False, above))
        return last + 1

    def _fence(self, row: int, marker: str) -> int:
        for last in range(row + 1, len(self.lines)):
            end = self.lines[last].strip()
            if end.startswith(marker) and not end.strip(marker[0]):
                return self._add("fence", row, last)
        return self._add("other", row, len(self.lines) - 1)  # cut off by the end of the chunk

    def _table(self, row: int) -> int:
        last = row
        while last + 1 < len(self.lines) and "|" in self.lines[last + 1] and self.lines[last + 1].strip():
            last += 1
        whole = last > row + 1 and _is_table_rule(self.lines[row + 1])
        return self._add("table" if whole else "other", row, last)

    def _last_of_paragraph(self, row: int) -> int:
        last = row
        while last + 1 < len(self.lines):
            line = self.lines[last + 1]
            stripped = line.strip()
            if not stripped or _starts_block(line, stripped):
                break
            last += 1
        return last


def _starts_block(line: str, stripped: str) -> bool:
    first = stripped[0]
    if first == "#":
        return _HEADING.match(line) is not None
    if first in "`~":
        return _FENCE.match(line) is not None
    if first == "|":
        return True
    if first in "-=*_" and len(stripped) >= 2 and _RULE_CHARACTERS.issuperset(stripped):
        return True
    if first in "-*+" or first.isdigit():
        return _ITEM.match(line) is not None
    return first == ":" and _DEFINITION.match(line) is not None


def _is_table_rule(line: str) -> bool:
    return "-" in line and "|" in line and _TABLE_RULE_CHARACTERS.issuperset(line)
