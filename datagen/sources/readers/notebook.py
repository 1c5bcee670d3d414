"""Jupyter notebooks: text cells as they are, code cells as fences, text outputs shortened."""

from __future__ import annotations

import re
from typing import Any

from datagen.sources import markdown
from datagen.sources.parsed import Options, Parsed, Unreadable
from datagen.sources.readers import html
from datagen.sources.readers.json import load

_MOST_OUTPUT = 2000  # characters of one output
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_HEADING = re.compile(r"^#\s+(.+?)\s*$", re.MULTILINE)


def read(data: bytes, options: Options) -> Parsed:
    """The cells in order. Pictures and errors' tracebacks are left out."""
    book = load(data)
    if not isinstance(book, dict):
        raise Unreadable("damaged", "It is JSON, but not a notebook.")
    cells = book.get("cells")
    if cells is None:  # notebook format 3
        cells = [cell for sheet in _list(book.get("worksheets")) for cell in _list(_get(sheet, "cells"))]
    if not isinstance(cells, list):
        raise Unreadable("damaged", "It is JSON, but has no cells: it is not a notebook.")
    meta = book.get("metadata")
    language = _get(_get(meta, "language_info"), "name") or _get(_get(meta, "kernelspec"), "language") or "python"
    blocks: list[str] = []
    for cell in cells:
        kind, source = _get(cell, "cell_type"), _joined(_get(cell, "source") or _get(cell, "input"))
        if kind == "markdown":
            blocks.append(source.strip("\n"))
        elif kind == "heading":
            level = _get(cell, "level")
            blocks.append(markdown.heading(level if isinstance(level, int) else 1, source))
        elif kind == "code" and source.strip():
            blocks.append(markdown.fence(source, str(language)))
            blocks += [_output(output) for output in _list(_get(cell, "outputs"))]
    text = markdown.join(blocks)
    stated = _get(meta, "title")
    first = _HEADING.search(text)
    return Parsed(text, "markdown", title=stated if isinstance(stated, str) else first[1] if first else "")


def _output(output: Any) -> str:
    data = _get(output, "data")
    if _get(output, "output_type") in ("error", "pyerr"):
        return ""
    if markup := _joined(_get(data, "text/markdown")):
        return markup[:_MOST_OUTPUT]
    page = _joined(_get(data, "text/html"))
    if "<table" in page:
        table = html.convert(page[: 50 * _MOST_OUTPUT], whole=True)[0]
        if table and len(table) <= 5 * _MOST_OUTPUT:
            return table
    text = _joined(_get(output, "text")) or _joined(_get(data, "text/plain"))
    text = _ESCAPES.sub("", text).strip("\n")
    if len(text) > _MOST_OUTPUT:
        text = f"{text[:_MOST_OUTPUT].rpartition(chr(10))[0] or text[:_MOST_OUTPUT]}\n…"
    return f"Output:\n\n{markdown.fence(text)}" if text.strip() else ""


def _get(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _joined(value: Any) -> str:
    """Notebooks hold text as a string or as a list of lines."""
    if isinstance(value, str):
        return value
    return "".join(line for line in _list(value) if isinstance(line, str))
