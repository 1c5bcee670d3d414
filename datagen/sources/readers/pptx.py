"""PPTX: a page a slide, its title a heading, then its text, tables and the speaker's notes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from datagen.sources import markdown, ooxml
from datagen.sources.archive import Archive
from datagen.sources.ooxml import A, R
from datagen.sources.parsed import Options, Parsed, Unreadable

P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_TITLES = ("title", "ctrTitle")
_NOT_CONTENT = ("dt", "ftr", "sldNum", "hdr")
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_MAIN = "ppt/presentation.xml"


def read(data: bytes, options: Options) -> Parsed:
    """The slides in the order in which they are shown; hidden ones are left out."""
    archive = Archive(data)
    try:
        presentation = ooxml.parse(archive.read(_MAIN))
    except KeyError as error:
        raise Unreadable("damaged", "It has no presentation part: it is not a PowerPoint file.") from error
    targets = ooxml.relations(archive, _MAIN)
    names = [targets.get(slide.get(f"{R}id") or "", "") for slide in presentation.iterfind(f"{P}sldIdLst/{P}sldId")]
    text, pages, title = "", [], ooxml.title(archive)
    for number, name in enumerate(names, 1):
        if name not in archive.names:
            continue
        slide = ooxml.parse(archive.read(name))
        if slide.get("show") == "0":
            continue
        heading, blocks = _slide(slide, archive, ooxml.relations(archive, name))
        title = title if title and title.lower() != "powerpoint presentation" else heading
        blocks += _notes(archive, name)
        if not blocks and not heading:
            continue
        body = markdown.join([markdown.heading(2, heading or f"Slide {number}"), *blocks])
        text += "\n\n" if text else ""
        pages.append(len(text))
        text += body
    return Parsed(text, "markdown", tuple(pages), title)


def _slide(slide: Any, archive: Archive, targets: dict[str, str]) -> tuple[str, list[str]]:
    """A slide's title and its blocks."""
    title = ""
    blocks: list[str] = []
    for shape in _shapes(slide.find(f"{P}cSld/{P}spTree")):
        kind = _placeholder(shape)
        if kind in _NOT_CONTENT:
            continue
        table = shape.find(f".//{A}tbl")
        if table is not None:
            blocks.append(_table(table))
            continue
        chart = shape.find(f".//{C}chart")
        if chart is not None:
            blocks.append(_chart(archive, targets.get(chart.get(f"{R}id") or "", "")))
            continue
        body = shape.find(f"{P}txBody")
        if body is None:
            continue
        if kind in _TITLES and not title:
            title = markdown.line(" ".join(_text(p) for p in body.iterfind(f"{A}p")))
        else:
            blocks += _paragraphs(body, bullets=kind is not None and kind != "subTitle")
    return title, [block for block in blocks if block]


def _shapes(tree: Any) -> Iterator[Any]:
    """Shapes in drawing order, those in groups included."""
    if tree is None:
        return
    for element in tree.iter(f"{P}sp", f"{P}graphicFrame"):
        if next(element.iterancestors(_FALLBACK), None) is None:
            yield element


def _placeholder(shape: Any) -> str | None:
    """The kind of placeholder a shape is (``body`` where it does not say), None for any other shape."""
    found = shape.find(f"{P}nvSpPr/{P}nvPr/{P}ph")
    return None if found is None else found.get("type") or "body"


def _paragraphs(body: Any, *, bullets: bool) -> list[str]:
    """A body's paragraphs: items by their level where the shape has bullets."""
    out: list[str] = []
    items: list[str] = []
    for paragraph in body.iterfind(f"{A}p"):
        text = _text(paragraph)
        if not text:
            continue
        properties = paragraph.find(f"{A}pPr")
        level = (
            int(properties.get("lvl") or 0)
            if properties is not None and (properties.get("lvl") or "0").isdecimal()
            else 0
        )
        plain = properties is not None and properties.find(f"{A}buNone") is not None
        marked = properties is not None and any(
            properties.find(f"{A}{n}") is not None for n in ("buChar", "buAutoNum", "buBlip")
        )
        if (bullets and not plain) or marked:
            items.append("  " * min(level, 8) + markdown.item(text.replace("\n", " ")))
            continue
        if items:
            out.append("\n".join(items))
            items = []
        out.append(markdown.paragraph(text))
    if items:
        lone = len(items) == 1 and items[0].startswith("- ")
        out.append(markdown.paragraph(items[0][2:]) if lone else "\n".join(items))
    return out


def _text(paragraph: Any) -> str:
    parts = []
    for element in paragraph.iter(f"{A}t", f"{A}br"):
        parts.append("\n" if element.tag == f"{A}br" else element.text or "")
    return "\n".join(markdown.line(row) for row in "".join(parts).replace("\x0b", "\n").split("\n")).strip()


def _table(table: Any) -> str:
    rows: list[list[str]] = []
    for row in table.iterfind(f"{A}tr"):
        texts: list[str] = []
        for cell in row.iterfind(f"{A}tc"):
            covered = cell.get("hMerge") in ("1", "true")
            text = "" if covered else " ".join(filter(None, (_text(p) for p in cell.iter(f"{A}p"))))
            if cell.get("vMerge") in ("1", "true") and rows and len(texts) < len(rows[-1]):
                text = rows[-1][len(texts)]
            texts.append(text)
        rows.append(texts)
    return markdown.table(rows)


def _chart(archive: Archive, name: str) -> str:
    """A chart's title and its numbers, one row a category."""
    if name not in archive.names:
        return ""
    root = ooxml.parse(archive.read(name))
    title = "".join(t.text or "" for t in root.iterfind(f"{C}chart/{C}title//{A}t"))
    header, columns = [""], []
    categories: dict[str, str] = {}
    for series in root.iter(f"{C}ser"):
        header.append(" ".join(v.text or "" for v in series.iterfind(f"{C}tx//{C}v")))
        categories.update(_points(series, "cat") or _points(series, "xVal"))
        columns.append(_points(series, "val") or _points(series, "yVal"))
    keys = sorted(categories or {k for column in columns for k in column}, key=lambda k: (len(k), k))
    rows = [[categories.get(k, ""), *(column.get(k, "") for column in columns)] for k in keys]
    return markdown.join([markdown.paragraph(markdown.line(title)), markdown.table([header, *rows]) if rows else ""])


def _points(series: Any, kind: str) -> dict[str, str]:
    points = series.iterfind(f"{C}{kind}//{C}pt")
    return {point.get("idx") or "0": point.findtext(f"{C}v") or "" for point in points}


def _notes(archive: Archive, slide: str) -> list[str]:
    """What the speaker has noted below a slide."""
    for name in ooxml.relations(archive, slide).values():
        if "notesSlide" in name and name in archive.names:
            root = ooxml.parse(archive.read(name))
            bodies = [
                s.find(f"{P}txBody") for s in _shapes(root.find(f"{P}cSld/{P}spTree")) if _placeholder(s) == "body"
            ]
            found = [block for body in bodies if body is not None for block in _paragraphs(body, bullets=False)]
            return [f"Notes: {found[0]}", *found[1:]] if found else []
    return []
