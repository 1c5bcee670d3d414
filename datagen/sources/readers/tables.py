"""Cells of a spreadsheet or a delimited file as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from datagen.sources import markdown

MOST_CELLS = 300_000  # taken from one file: beyond that it is data, not a document
MOST_ROWS = 20_000


def sheet_blocks(rows: Sequence[Sequence[str]]) -> list[str]:
    """Tables and paragraphs of a sheet: an empty row ends a table, lines of one cell above one introduce it."""
    out: list[str] = []
    group: list[Sequence[str]] = []
    for row in [*rows, []]:
        if any(row):
            group.append(row)
        elif group:
            out += _group(group)
            group = []
    return out


def _group(rows: list[Sequence[str]]) -> list[str]:
    out: list[str] = []
    while len(rows) > 1 and sum(map(bool, rows[0])) == 1 and sum(map(bool, rows[1])) >= 1:
        if max(sum(map(bool, row)) for row in rows) == 1:
            break  # a single column is a list
        out.append(markdown.paragraph(next(filter(None, rows[0]))))
        rows = rows[1:]
    return [*out, markdown.table(rows)]
