"""XLSX: a page a sheet; what stands together as Markdown tables, values as the sheet shows them."""

from __future__ import annotations

from typing import Any

from datagen.sources import markdown, ooxml
from datagen.sources.archive import Archive
from datagen.sources.ooxml import R
from datagen.sources.parsed import Options, Parsed, Unreadable
from datagen.sources.readers.tables import MOST_CELLS, sheet_blocks
from datagen.sources.readers.xlsx_values import Formats

S = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_MAIN = "xl/workbook.xml"
_WIDEST = 1000  # columns taken


def read(data: bytes, options: Options) -> Parsed:
    """All sheets that are not hidden. Formulas give the value last computed, dates are written in ISO form."""
    archive = Archive(data)
    try:
        workbook = ooxml.parse(archive.read(_MAIN))
    except KeyError as error:
        raise Unreadable("damaged", "It has no workbook part: it is not an Excel file.") from error
    targets = ooxml.relations(archive, _MAIN)
    strings = _strings(archive)
    formats = Formats(archive, workbook)
    text, pages = "", []
    left = MOST_CELLS
    for sheet in workbook.iterfind(f"{S}sheets/{S}sheet"):
        name = targets.get(sheet.get(f"{R}id") or "", "")
        if name not in archive.names or sheet.get("state") in ("hidden", "veryHidden") or "worksheets" not in name:
            continue
        rows, complete = _rows(archive.read(name), strings, formats, left)
        left -= sum(map(len, rows))
        blocks = sheet_blocks(rows)
        if not blocks:
            continue
        if not complete:
            blocks.append(f"(The sheet has more rows; the first {len(rows):,} are shown.)")
        text += "\n\n" if text else ""
        pages.append(len(text))
        text += markdown.join([markdown.heading(2, sheet.get("name") or "Sheet"), *blocks])
    return Parsed(text, "markdown", tuple(pages), ooxml.title(archive))


def _strings(archive: Archive) -> list[str]:
    """The shared strings, without the readings (furigana) that may stand beside them."""
    part = "xl/sharedStrings.xml"
    if part not in archive.names:
        return []
    return [_rich(item) for item in ooxml.each(archive.read(part), f"{S}si")]


def _rich(item: Any) -> str:
    runs = [item, *item.iterfind(f"{S}r")]
    return "".join(text.text or "" for run in runs for text in run.iterfind(f"{S}t"))


def _rows(sheet: bytes, strings: list[str], formats: Formats, most: int) -> tuple[list[list[str]], bool]:
    """Rows of texts, at their places, empty rows kept as such; and whether that is all of them."""
    rows: list[list[str]] = []
    cells = 0
    for row in ooxml.each(sheet, f"{S}row"):
        number = row.get("r") or ""
        if number.isdecimal() and len(rows) < int(number) - 1 and rows and rows[-1]:
            rows.append([])  # rows that are left out are empty: one tells as much as many
        texts: list[str] = []
        for cell in row.iterfind(f"{S}c"):
            text = _cell(cell, strings, formats)
            column = _column(cell.get("r") or "", len(texts))
            if not text or column >= _WIDEST:
                continue
            texts += [""] * (column - len(texts))
            texts.append(text)
        cells += len(texts)
        if cells > most:
            return rows, False
        if texts or (rows and rows[-1]):
            rows.append(texts)
    return rows, True


def _column(reference: str, following: int) -> int:
    """Column number from 0 of a reference such as ``AB12``; the next one where there is none."""
    number = 0
    for character in reference[:4]:
        if not "A" <= character <= "Z":
            break
        number = number * 26 + ord(character) - 64
    return number - 1 if number else following


def _cell(cell: Any, strings: list[str], formats: Formats) -> str:
    kind = cell.get("t") or "n"
    if kind == "inlineStr":
        inline = cell.find(f"{S}is")
        return markdown.line(_rich(inline)) if inline is not None else ""
    value = cell.findtext(f"{S}v") or ""
    if kind == "s":
        at = int(value) if value.isdecimal() else -1
        return markdown.line(strings[at]) if 0 <= at < len(strings) else ""
    if kind == "b":
        return "TRUE" if value == "1" else "FALSE"
    if kind == "n" and value:
        return formats.shown(value, cell.get("s") or "0")
    return markdown.line(value)
