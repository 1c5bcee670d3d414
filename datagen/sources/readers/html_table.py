"""HTML tables: spans filled in, header rows joined, pairs told from grids."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from datagen.sources import markdown

_WIDEST = 200  # columns that spans may make
_CELLS = 500_000  # cells that spans may make
_LONG = 600  # characters of a cell over which a table is taken for the page's layout


class Table:
    """A ``table`` element (lxml) and the rows that are its own, not those of tables within."""

    def __init__(self, element: Any) -> None:
        self._element = element
        self._rows = [
            [cell for cell in row if cell.tag in ("td", "th")]
            for row in element.iter("tr")
            if next(row.iterancestors("table"), None) is element
        ]
        self._rows = [row for row in self._rows if row]

    def cells(self) -> Iterator[Any]:
        """Captions and cells in order."""
        yield from (child for child in self._element if child.tag == "caption")
        for row in self._rows:
            yield from row

    def is_layout(self) -> bool:
        """Does it place blocks on the page rather than hold data?"""
        if self._element.get("role") in ("presentation", "none"):
            return True
        if next(self._element.iterdescendants("table", "pre", "h1", "h2"), None) is not None:
            return True
        if max((len(row) for row in self._rows), default=0) < 2:
            return True
        cells = [cell for row in self._rows for cell in row]
        if any(cell.tag == "th" for cell in cells):
            return False
        return any(cell.find(".//p") is not None and sum(map(len, cell.itertext())) > _LONG for cell in cells)

    def blocks(self, text_of: Callable[[Any], str]) -> list[str]:
        """The caption and the table; a table of names and values becomes a list."""
        caption = " ".join(text_of(child) for child in self._element if child.tag == "caption")
        texts = [[text_of(cell) for cell in row] for row in self._rows]
        pairs = self._pairs(texts)
        body = pairs if pairs is not None else self._grid(texts)
        return [block for block in (markdown.paragraph(caption), body) if block]

    def _pairs(self, texts: list[list[str]]) -> str | None:
        """``- **name**: value`` for a table whose every row is one heading cell and one or no value."""
        named = [row for row in self._rows if len(row) == 2]
        tags = {(row[0].tag, row[1].tag) for row in named}
        if tags != {("th", "td")} or any(len(row) > 2 for row in self._rows):
            return None
        items = []
        for row, text in zip(self._rows, texts, strict=True):
            if len(row) == 1 and text[0]:
                items.append(f"- {text[0]}")
            elif len(row) == 2 and text[1]:
                items.append(f"- **{text[0]}**: {text[1]}" if text[0] else f"- {text[1]}")
        return "\n".join(items)

    def _grid(self, texts: list[list[str]]) -> str:
        grid: list[list[str]] = []
        heads = 0
        pending: dict[int, tuple[int, str]] = {}  # column → rows still covered by a cell above, and its text
        budget = _CELLS
        for row, words in zip(self._rows, texts, strict=True):
            out: list[str] = []
            is_head = all(cell.tag == "th" for cell in row) and heads == len(grid)
            for cell, text in zip(row, words, strict=True):
                self._covered(out, pending)
                columns, rows = _span(cell, "colspan", _WIDEST), _span(cell, "rowspan", len(self._rows))
                for i in range(columns):
                    if len(out) >= _WIDEST or budget <= 0:
                        break
                    shown = text if i == 0 or is_head else ""
                    if rows > 1:
                        pending[len(out)] = (rows - 1, shown)
                    out.append(shown)
                    budget -= 1
            self._covered(out, pending)
            grid.append(out)
            heads += is_head
        if 1 < heads < len(grid):
            grid = [_joined(grid[:heads]), *grid[heads:]]
        return markdown.table(grid)

    def _covered(self, out: list[str], pending: dict[int, tuple[int, str]]) -> None:
        """Fill in the cells that reach down from rows above."""
        while len(out) in pending:
            left, text = pending.pop(len(out))
            if left > 1:
                pending[len(out)] = (left - 1, text)
            out.append(text)


def _span(cell: Any, name: str, most: int) -> int:
    value = cell.get(name) or "1"
    return min(max(int(value), 1), most) if value.isdecimal() and len(value) < 7 else 1


def _joined(rows: list[list[str]]) -> list[str]:
    """One header of several: the different texts of each column, from the top."""
    width = max(len(row) for row in rows)
    columns = [[row[i] for row in rows if i < len(row) and row[i]] for i in range(width)]
    return [" / ".join(dict.fromkeys(column)) for column in columns]
