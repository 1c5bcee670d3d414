"""Writing Markdown: the few constructs that every reader needs."""

from __future__ import annotations

import re
from collections.abc import Sequence

_STARTS_BLOCK = re.compile(r"^(?=#{1,6}\s|```|~~~)", re.MULTILINE)


def line(text: str) -> str:
    """All white space to single spaces."""
    return " ".join(text.split())


def paragraph(text: str) -> str:
    """Text that stays a paragraph: what would begin a heading or a fence is escaped."""
    return _STARTS_BLOCK.sub(r"\\", text)


def heading(level: int, text: str) -> str:
    """``## Text``; levels over 6 count as 6, an empty text gives an empty string."""
    text = line(text)
    return f"{'#' * min(max(level, 1), 6)} {text}" if text else ""


def fence(code: str, language: str = "") -> str:
    """A fenced block whose fence is longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall(r"^\s*(`{3,})", code, re.MULTILINE)), default=2)
    mark = "`" * (longest + 1)
    code = code.strip("\n")
    language = language if re.fullmatch(r"[\w+#.-]{0,30}", language) else ""
    return f"{mark}{language}\n{code}\n{mark}"


def item(text: str, marker: str = "-") -> str:
    """A list item; its further lines are indented under its marker."""
    first, *rest = text.split("\n")
    indent = " " * (len(marker) + 1)
    return "\n".join([f"{marker} {first}", *(indent + r if r.strip() else "" for r in rest)])


def cell(text: str) -> str:
    """A table cell: one line, pipes escaped."""
    return line(text).replace("|", "\\|")


def table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose first row is its header; rows and columns with nothing in them are dropped.

    A single column becomes a list, a single cell a paragraph.
    """
    cells = [[cell(c) for c in row] for row in rows]
    cells = [row for row in cells if any(row)]
    width = max((len(row) for row in cells), default=0)
    cells = [row + [""] * (width - len(row)) for row in cells]
    keep = [i for i in range(width) if any(row[i] for row in cells)]
    cells = [[row[i] for i in keep] for row in cells]
    if not cells:
        return ""
    if len(keep) == 1:
        column = [row[0] for row in cells]
        return column[0] if len(column) == 1 else "\n".join(f"- {c}" for c in column)
    lines = ["| " + " | ".join(row) + " |" for row in cells]
    lines.insert(1, "|" + " --- |" * len(keep))
    return "\n".join(lines)


def join(blocks: Sequence[str]) -> str:
    """Blocks with a blank line between them; empty ones are left out."""
    return "\n\n".join(b for b in blocks if b.strip())
