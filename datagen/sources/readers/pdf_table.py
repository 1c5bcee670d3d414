"""Tables of a PDF page: rows of words that stand under each other with gaps between."""

from __future__ import annotations

import re
from collections.abc import Sequence

from datagen.sources import markdown
from datagen.sources.readers.pdf_page import Line, Word

_GAP = 1.3  # font sizes between two words from which they are in different cells
_NUMBER = re.compile(r"\(?[\dA-Z]{1,2}(?:\.\d{1,2})*[.)]?|[•●▪–-]")
_LONGEST = 40  # characters: most cells that are longer are running text


def cells(line: Line) -> list[Word]:
    """A line's words joined to what stands together: more than one where wide gaps are between.

    The number before a heading or an item is no cell of its own.
    """
    found: list[list[Word]] = []
    for word in line.words:
        gap = _GAP * line.size
        if len(line.words) > 1 and word is line.words[1] and _NUMBER.fullmatch(line.words[0].text):
            gap *= 2.5
        if found and word.left - found[-1][-1].right <= gap:
            found[-1].append(word)
        else:
            found.append([word])
    return [Word(" ".join(w.text for w in cell), cell[0].left, cell[-1].right) for cell in found]


def table(lines: Sequence[Line], start: int) -> tuple[int, str]:
    """The table that begins at line ``start``, and where it ends; ``""`` where none begins.

    A table has at least two columns and three rows (two, if it has three columns); a line of one cell
    belongs to it between two of its rows.
    """
    if len(cells(lines[start])) < 2:
        return start, ""
    rows = [cells(lines[start])]
    end = start + 1
    while end < len(lines):
        above, line = lines[end - 1], lines[end]
        found = cells(line)
        if not 0 < above.base - line.base < 3.2 * max(line.size, above.size):
            break
        if len(found) < 2:
            inside = end + 1 < len(lines) and len(cells(lines[end + 1])) > 1 and len(found[0].text) < 80
            if not inside or line.bold or len(rows[-1]) < 2:
                break
        rows.append(found)
        end += 1
    while len(rows[-1]) < 2:
        rows.pop()
        end -= 1
    most = max(len(row) for row in rows)
    rich = [i for i, row in enumerate(rows) if len(row) >= max(2, 0.6 * most)]
    columns = _columns([word for i in rich for word in lines[start + i].words], lines[start].size)
    if len(columns) < 2 or len(rich) < (3 if len(columns) == 2 else 2) or _is_running(rows):
        return start, ""
    if rich[0] > 0 and len(rows) - rich[0] >= 2:  # what stands above the first full row heads it, it is no row
        return start, ""
    grid = [_row(row, lines[start + i], columns, i in rich) for i, row in enumerate(rows)]
    return end, markdown.table(grid)


def _columns(words: Sequence[Word], size: float) -> list[tuple[float, float]]:
    """Ranges from left to right that the words of all rows cover, with white between them on every row."""
    out: list[tuple[float, float]] = []
    for word in sorted(words, key=lambda w: w.left):
        if out and word.left <= out[-1][1] + 0.45 * size:
            out[-1] = (out[-1][0], max(out[-1][1], word.right))
        else:
            out.append((word.left, word.right))
    return out


def _row(found: Sequence[Word], line: Line, columns: Sequence[tuple[float, float]], full: bool) -> list[str]:
    """A row's texts by column. In a full row each word goes to its own; otherwise a cell goes where it begins."""
    out = [""] * len(columns)
    for piece in line.words if full else found:
        middle = (piece.left + piece.right) / 2 if full else piece.left
        at = min(range(len(columns)), key=lambda i: max(columns[i][0] - middle, middle - columns[i][1], 0))
        out[at] = f"{out[at]} {piece.text}".strip()
    return out


def _is_running(rows: Sequence[Sequence[Word]]) -> bool:
    """Two columns of running text drawn line by line are no table."""
    return sum(len(cell.text) > _LONGEST for row in rows for cell in row) > 0.5 * sum(map(len, rows))
