"""What the paragraphs of a Word document are: headings, list items, code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from datagen.sources import ooxml
from datagen.sources.archive import Archive
from datagen.sources.ooxml import W

_HEADING = re.compile(r"heading\s*([1-9])$", re.IGNORECASE)
_CODE = re.compile(r"\b(?:code|source|preformatted|verbatim|listing|macro text)\b", re.IGNORECASE)
TITLE = 10  # heading "level" of the document's own title: above all others
_LONGEST = 250  # characters a heading may have


@dataclass(frozen=True, slots=True)
class Style:
    """A paragraph's role: level of a heading (or :data:`TITLE`) or 0, level in a list or None, numbered, code."""

    heading: int = 0
    list_level: int | None = None
    ordered: bool = False
    code: bool = False


class Styles:
    """The styles and numberings of a document."""

    def __init__(self, archive: Archive) -> None:
        self._styles: dict[str, Any] = {}
        if "word/styles.xml" in archive.names:
            for style in ooxml.parse(archive.read("word/styles.xml")).iterfind(f"{W}style"):
                self._styles[style.get(f"{W}styleId") or ""] = style
        self._formats: dict[tuple[str, str], str] = {}
        if "word/numbering.xml" in archive.names:
            self._numberings(ooxml.parse(archive.read("word/numbering.xml")))
        self._roles: dict[str, tuple[int, bool, Any]] = {}

    def _numberings(self, root: Any) -> None:
        levels: dict[str, dict[str, str]] = {}
        for abstract in root.iterfind(f"{W}abstractNum"):
            formats = {lvl.get(f"{W}ilvl") or "0": _value(lvl, "numFmt") for lvl in abstract.iterfind(f"{W}lvl")}
            levels[abstract.get(f"{W}abstractNumId") or ""] = formats
        for number in root.iterfind(f"{W}num"):
            for level, name in levels.get(_value(number, "abstractNumId"), {}).items():
                self._formats[number.get(f"{W}numId") or "", level] = name

    def of(self, paragraph: Any) -> Style:
        """The role of a ``w:p`` element."""
        properties = paragraph.find(f"{W}pPr")
        name = _value(properties, "pStyle") if properties is not None else ""
        heading, code, numbering = self._role(name)
        if properties is not None:
            outline = _value(properties, "outlineLvl")
            if outline.isdecimal() and int(outline) < 9:
                heading = int(outline) + 1
            own = properties.find(f"{W}numPr")
            numbering = own if own is not None else numbering
        if heading and sum(len(t.text or "") for t in paragraph.iter(f"{W}t")) > _LONGEST:
            heading = 0
        level, ordered = self._numbered(numbering)
        return Style(heading, level, ordered, code)

    def _role(self, name: str) -> tuple[int, bool, Any]:
        """Heading level, code, and numbering of a style, its own or inherited."""
        if name in self._roles:
            return self._roles[name]
        heading, code, numbering = 0, False, None
        at: str = name
        for _ in range(12):  # styles may be based on each other in a circle
            style = self._styles.get(at)
            if style is None:
                break
            shown = _value(style, "name")
            found = _HEADING.match(shown)
            outline = _value(style.find(f"{W}pPr"), "outlineLvl")
            if not heading:
                if found:
                    heading = int(found[1])
                elif shown.lower() == "title":
                    heading = TITLE
                elif outline.isdecimal() and int(outline) < 9:
                    heading = int(outline) + 1
            code = code or _CODE.search(shown) is not None
            if numbering is None:
                numbering = style.find(f"{W}pPr/{W}numPr")
            at = _value(style, "basedOn")
        if not name:
            heading = 0
        self._roles[name] = (heading, code, numbering)
        return self._roles[name]

    def _numbered(self, numbering: Any) -> tuple[int | None, bool]:
        if numbering is None:
            return None, False
        number, level = _value(numbering, "numId"), _value(numbering, "ilvl") or "0"
        if number in ("", "0") or not level.isdecimal():
            return None, False
        shown = self._formats.get((number, level), "bullet")
        if shown == "none":
            return None, False
        return min(int(level), 8), shown != "bullet"


def _value(element: Any, name: str) -> str:
    child = element.find(f"{W}{name}") if element is not None else None
    return (child.get(f"{W}val") or "") if child is not None else ""
