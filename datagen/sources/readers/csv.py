"""CSV and TSV as a Markdown table; encoding and delimiter are found out."""

from __future__ import annotations

import csv
import io
import sys

from datagen.sources.encoding import decode
from datagen.sources.markdown import line
from datagen.sources.parsed import Options, Parsed
from datagen.sources.readers.tables import MOST_CELLS, MOST_ROWS, sheet_blocks

_DELIMITERS = (",", "\t", ";", "|")
_SAMPLE = 200  # lines looked at


def read(data: bytes, options: Options) -> Parsed:
    """The table, whole up to a number of rows, its first row the header."""
    text = decode(data).replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    rows: list[list[str]] = []
    cells = 0
    more = False
    for row in csv.reader(io.StringIO(text), delimiter=_delimiter(text), skipinitialspace=True):
        cells += len(row)
        if cells > MOST_CELLS or len(rows) >= MOST_ROWS:
            more = True
            break
        rows.append([line(cell) for cell in row])
    blocks = sheet_blocks(rows)
    if more:
        blocks.append(f"(The file has more rows; the first {len(rows):,} are shown.)")
    return Parsed("\n\n".join(blocks), "markdown")


def _delimiter(text: str) -> str:
    """The delimiter that cuts most of the first lines into the same number of fields, more than one."""
    lines = [row for row in text.split("\n", _SAMPLE)[:_SAMPLE] if row.strip()]
    best, chosen = (0.0, 0), ","
    for delimiter in _DELIMITERS:
        widths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        if not widths:
            continue
        usual = max(set(widths), key=widths.count)
        score = (widths.count(usual) / len(widths), usual)
        if usual > 1 and score > best:
            best, chosen = score, delimiter
    return chosen
