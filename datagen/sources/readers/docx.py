"""DOCX: the body in order, with headings, lists, tables, text boxes, formulas and footnotes."""

from __future__ import annotations

import re
from typing import Any

from datagen.sources import markdown, ooxml
from datagen.sources.archive import Archive
from datagen.sources.ooxml import M, W
from datagen.sources.parsed import Options, Parsed, Unreadable
from datagen.sources.readers.docx_math import linear
from datagen.sources.readers.docx_styles import TITLE, Styles

_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_SKIPPED = frozenset([_FALLBACK, f"{W}del", f"{W}moveFrom", f"{W}pPr", f"{W}rPr", f"{W}instrText", f"{W}delText"])
_DEEPEST = 40  # levels of tables and boxes within each other
_WIDEST = 100  # columns that one cell may span


def read(data: bytes, options: Options) -> Parsed:
    """The text a reader of the document sees; comments, deleted text, page headers and footers are left out."""
    archive = Archive(data)
    main = next((n for n in ooxml.relations(archive, "").values() if n.endswith(".xml") and "document" in n), "")
    try:
        body = ooxml.parse(archive.read(main or "word/document.xml")).find(f"{W}body")
    except KeyError as error:
        raise Unreadable("damaged", "It has no document part: it is not a Word document.") from error
    if body is None:
        raise Unreadable("damaged", "Its document part has no body.")
    writer = _Writer(Styles(archive), _notes(archive))
    blocks = writer.blocks(body)
    title = ooxml.title(archive) or writer.title
    return Parsed(markdown.join([*blocks, *writer.notes()]), "markdown", title=title)


def _notes(archive: Archive) -> dict[str, Any]:
    """Footnotes and endnotes by their mark."""
    found: dict[str, Any] = {}
    for part, kind in (("word/footnotes.xml", "footnote"), ("word/endnotes.xml", "endnote")):
        if part in archive.names:
            for note in ooxml.parse(archive.read(part)).iterfind(f"{W}{kind}"):
                if note.get(f"{W}type") is None:
                    found[f"{kind}{note.get(f'{W}id')}"] = note
    return found


class _Writer:
    def __init__(self, styles: Styles, notes: dict[str, Any]) -> None:
        self._styles = styles
        self._notes = notes
        self._used: list[str] = []
        self._below = 0  # levels that headings stand lower for the title above them
        self.title = ""

    def notes(self) -> list[str]:
        """The notes referred to so far, numbered in the order of their first mention."""
        return [
            f"[^{i}]: {markdown.line(' '.join(self.blocks(self._notes[mark])))}"
            for i, mark in enumerate(list(self._used), 1)
            if mark in self._notes
        ]

    def blocks(self, container: Any, depth: int = 0) -> list[str]:
        """Blocks of Markdown of what a body, cell, box or note holds."""
        out: list[str] = []
        items: list[str] = []
        code: list[str] = []

        def flush() -> None:
            if items:
                out.append("\n".join(items))
                items.clear()
            if code:
                out.append(markdown.fence("\n".join(code)))
                code.clear()

        if depth > _DEEPEST:
            return ["".join(container.itertext(f"{W}t"))]
        for element in self._flat(container):
            if element.tag == f"{W}tbl":
                flush()
                out += self._table(element, depth)
                continue
            boxes: list[Any] = []
            text = self._text(element, boxes).strip("\n")
            style = self._styles.of(element)
            if style.code and text.strip():
                if items:
                    flush()
                code.append(text)
            elif style.list_level is not None and text.strip() and not style.heading:
                if code:
                    flush()
                marker = "1." if style.ordered else "-"
                if style.ordered:
                    marker = f"{self._count(items, style.list_level)}."
                indent = "  " * style.list_level if not style.ordered else "   " * style.list_level
                items.append("\n".join(indent + row for row in markdown.item(_tidy(text), marker).split("\n")))
            elif text.strip():
                flush()
                out.append(self._paragraph(element, _tidy(text), style.heading))
            for box in boxes:
                flush()
                out += self.blocks(box, depth + 1)
        flush()
        return [block for block in out if block]

    def _paragraph(self, element: Any, text: str, level: int) -> str:
        if level:
            if not self.title:
                self.title = markdown.line(text)
            if level == TITLE:
                self._below = 1
                return markdown.heading(1, text)
            return markdown.heading(level + self._below, text)
        if element.find(f"{M}oMathPara") is not None and text.startswith("$") and text.count("$") == 2:
            return f"$${text}$$".replace("$$$", "$$")
        return markdown.paragraph(text)

    @staticmethod
    def _count(items: list[str], level: int) -> int:
        """The number of an item: one more than the last of its level in the list at hand."""
        for row in reversed(items):
            indent = (len(row) - len(row.lstrip())) // 3
            if indent < level:
                break
            number = re.match(r"(\d+)\.", row.lstrip())
            if indent == level and number:
                return int(number[1]) + 1
        return 1

    def _flat(self, container: Any) -> Any:
        """Paragraphs and tables, those within content controls and the like included."""
        for child in container:
            if child.tag in (f"{W}p", f"{W}tbl"):
                yield child
            elif child.tag in (f"{W}sdt", f"{W}sdtContent", f"{W}ins", f"{W}customXml", f"{W}smartTag", f"{W}moveTo"):
                yield from self._flat(child)

    def _text(self, element: Any, boxes: list[Any]) -> str:
        """Text of a paragraph; the text boxes anchored in it are put into ``boxes``."""
        out: list[str] = []
        for child in element:
            tag = child.tag
            if tag in _SKIPPED:
                continue
            if tag == f"{W}t":
                out.append(child.text or "")
            elif tag in (f"{W}br", f"{W}cr"):
                out.append("\n" if child.get(f"{W}type") in (None, "textWrapping") else "")
            elif tag == f"{W}tab":
                out.append("\t")
            elif tag == f"{W}noBreakHyphen":
                out.append("-")
            elif tag == f"{W}txbxContent":
                boxes.append(child)
            elif tag in (f"{M}oMath", f"{M}oMathPara"):
                formulas = [child] if tag == f"{M}oMath" else child.findall(f"{M}oMath")
                out += [f"${text}$" for formula in formulas if (text := linear(formula))]
            elif tag in (f"{W}footnoteReference", f"{W}endnoteReference"):
                out.append(self._mark(child))
            elif tag == f"{W}r" and child.find(f"{W}rPr/{W}vanish") is not None:
                continue
            else:
                out.append(self._text(child, boxes))
        return "".join(out)

    def _mark(self, reference: Any) -> str:
        mark = f"{'footnote' if 'footnote' in reference.tag else 'endnote'}{reference.get(f'{W}id')}"
        if mark not in self._notes:
            return ""
        if mark not in self._used:
            self._used.append(mark)
        return f"[^{self._used.index(mark) + 1}]"

    def _table(self, table: Any, depth: int) -> list[str]:
        grid: list[list[str]] = []
        found: list[list[str]] = []
        for row in table.iterfind(f"{W}tr"):
            texts: list[str] = []
            for cell in _cells(row):
                found.append(self.blocks(cell, depth + 1))
                text = " ".join(found[-1])
                merge = cell.find(f"{W}tcPr/{W}vMerge")
                if merge is not None and merge.get(f"{W}val") != "restart" and grid and len(texts) < len(grid[-1]):
                    text = grid[-1][len(texts)]
                span = cell.find(f"{W}tcPr/{W}gridSpan")
                width = span.get(f"{W}val") or "1" if span is not None else "1"
                columns = min(int(width), _WIDEST) if width.isdecimal() and len(width) < 7 else 1
                texts += [text, *[""] * (columns - 1)]
            grid.append(texts)
        if len(found) == 1:  # a frame around something
            return found[0]
        return [markdown.table(grid)]


def _cells(row: Any) -> Any:
    """A row's cells, those within content controls included."""
    for child in row:
        if child.tag == f"{W}tc":
            yield child
        elif child.tag in (f"{W}sdt", f"{W}sdtContent", f"{W}ins", f"{W}customXml"):
            yield from _cells(child)


def _tidy(text: str) -> str:
    """Spaces collapsed, line breaks kept."""
    rows = [markdown.line(row) for row in text.split("\n")]
    return "\n".join(rows).strip("\n")
