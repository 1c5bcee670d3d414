"""From an HTML tree to blocks of Markdown."""

from __future__ import annotations

import re
from typing import Any

from datagen.sources import markdown
from datagen.sources.readers import html_table

_BLOCKS = (
    "address article aside blockquote body caption center dd details div dl dt fieldset figcaption figure footer form "
    "h1 h2 h3 h4 h5 h6 header hr html legend li main menu nav ol p pre section summary table tbody td tfoot th thead "
    "tr ul"
)
BLOCK = frozenset(_BLOCKS.split())
_HEADING = re.compile(r"h[1-6]")
_LANGUAGE = re.compile(r"(?:^|\s)(?:language|lang|highlight(?:-source)?|brush:?|sourceCode|src)[-\s:]+([\w+#.-]+)")
_SUFFIXES = frozenset(["st", "nd", "rd", "th", "tm", "®", "™", "er", "e", "re"])
_MARKER = re.compile(r"^\s*(?:[-#>]+|\d+\.)\s+")
_SPACE = re.compile(r"[ \t\r\f\v\n]+")
_DEEPEST = 100  # levels of nesting below which only the text is taken


def blocks(root: Any) -> list[str]:
    """Blocks of Markdown below an element (lxml), in order."""
    return _Writer(root).blocks(root, 0)


def without_empty_sections(found: list[str]) -> list[str]:
    """Drop headings under which nothing is left."""
    out: list[str] = []
    below = 9  # level of the heading that follows with nothing between; 0 where content follows, 9 at the end
    for block in reversed(found):
        level = _level(block)
        if not level:
            below = 0
        elif below and (below == 9 or below <= level):
            continue
        else:
            below = level
        out.append(block)
    return out[::-1] or found


def _level(block: str) -> int:
    if "\n" in block or not block.startswith("#"):
        return 0
    marks = len(block) - len(block.lstrip("#"))
    return marks if marks <= 6 and block[marks : marks + 1] == " " else 0


class _Writer:
    def __init__(self, root: Any) -> None:
        self._alive = list(root.iter())  # keeps lxml's proxies, so that they can be members of a set
        self._holds: set[Any] = set()  # elements with a block somewhere below
        for element in self._alive:
            if element.tag in BLOCK:
                above = element.getparent()
                while above is not None and above not in self._holds:
                    self._holds.add(above)
                    above = above.getparent()

    def blocks(self, element: Any, depth: int) -> list[str]:
        """The blocks of a container: its runs of inline content as paragraphs, its block children as what they are."""
        if depth > _DEEPEST:
            return [markdown.paragraph(markdown.line("".join(element.itertext())))]
        out: list[str] = []
        run: list[str] = [element.text or ""]

        def flush() -> None:
            text = tidy("".join(run))
            run.clear()
            if text:
                out.append(markdown.paragraph(text))

        for child in element:
            if not isinstance(child.tag, str):
                run.append(child.tail or "")
                continue
            if child.tag in BLOCK or child in self._holds:
                flush()
                out += self._block(child, depth + 1)
            else:
                run.append(self.inline(child, depth + 1))
            run.append(child.tail or "")
        flush()
        return [block for block in out if block]

    def _block(self, element: Any, depth: int) -> list[str]:
        tag = element.tag
        if _HEADING.fullmatch(tag):
            text = markdown.line(self.inline(element, depth)).strip("§¶ ").removesuffix(" #")
            return [markdown.heading(int(tag[1]), text)]
        if tag == "pre":
            return [self._pre(element)]
        if tag in ("ul", "ol", "menu"):
            return [self._list(element, depth)]
        if tag == "dl":
            return [self._definitions(element, depth)]
        if tag == "table":
            return self._table(element, depth)
        if tag == "blockquote":
            inner = "\n\n".join(self.blocks(element, depth))
            return ["\n".join(f"> {row}".rstrip() for row in inner.split("\n"))] if inner else []
        if tag == "hr":
            return []
        return self.blocks(element, depth)

    def inline(self, element: Any, depth: int = 0, *, code: bool = False) -> str:
        """Text of an inline element: code in backticks, superscripts told from what they stand on."""
        tag = element.tag
        if tag == "br":
            return "\n\0" if not code else "\n"
        if tag == "img":
            return self._image(element)
        if depth > _DEEPEST:
            return "".join(element.itertext())
        inner_code = code or tag in ("code", "kbd", "samp", "tt")
        pieces = [element.text or ""]
        for child in element:
            if isinstance(child.tag, str):
                piece = self.inline(child, depth + 1, code=inner_code)
                pieces.append(f" {piece} " if child.tag in BLOCK else piece)
            pieces.append(child.tail or "")
        text = "".join(pieces)
        if inner_code and not code:
            plain = markdown.line(text.replace("\0", ""))
            if not plain:
                return ""
            mark = "``" if "`" in plain else "`"
            return f"{mark}{plain}{mark}"
        if tag == "sup" and not code:
            plain = text.strip()
            if not plain or plain.lower() in _SUFFIXES:
                return plain
            return f"^{plain}" if len(plain) < 4 else f"^({plain})"
        if tag == "q":
            return f"“{text}”"
        return text

    def _image(self, element: Any) -> str:
        """Nothing, but for a picture of a formula."""
        names = element.get("class") or ""
        alt = (element.get("alt") or "").strip()
        return f"${alt}$" if alt and re.search(r"\b(?:tex|latex|math)\b", names) else ""

    def _pre(self, element: Any) -> str:
        names = [element.get("class") or "", *(c.get("class") or "" for c in element.iter("code"))]
        parent = element.getparent()
        while parent is not None and parent.tag == "div" and len(names) < 5:
            names.append(parent.get("class") or "")
            parent = parent.getparent()
        found = next((m[1] for name in names if (m := _LANGUAGE.search(name))), "")
        language = "" if found.lower() in ("default", "none", "text", "plaintext", "notranslate") else found.lower()
        for br in element.iter("br"):
            br.tail = "\n" + (br.tail or "")
        code = "".join(element.itertext()).strip("\n")
        return markdown.fence(code, language) if code.strip() else ""

    def _list(self, element: Any, depth: int) -> str:
        items: list[str] = []
        number = int(start) if (start := element.get("start") or "").isdecimal() and len(start) < 7 else 1
        for child in element:
            if not isinstance(child.tag, str):
                continue
            if child.tag in ("ul", "ol") and items:  # a list put beside its item instead of within it
                nested = self._list(child, depth + 1)
                items[-1] += "\n" + "\n".join("  " + row for row in nested.split("\n"))
                continue
            found = self.blocks(child, depth + 1) if child.tag in BLOCK else [tidy(self.inline(child, depth + 1))]
            marker = f"{number}." if element.tag == "ol" else "-"
            text = _tight(found)
            if text:
                items.append(markdown.item(text, marker))
                number += 1
        return "\n".join(items)

    def _definitions(self, element: Any, depth: int) -> str:
        items: list[str] = []
        terms: list[str] = []
        for child in element.iter("dt", "dd"):
            if next(child.iterancestors("dl"), None) is not element:
                continue
            if child.tag == "dt":
                terms.append(markdown.line(self.inline(child, depth + 1)))
                continue
            text = _tight(self.blocks(child, depth + 1))
            head = ", ".join(filter(None, terms))
            terms = []
            if text:
                items.append(markdown.item(f"**{head}**: {text}" if head else text))
        if any(terms):
            items += [f"- **{term}**" for term in terms if term]
        return "\n".join(items)

    def _table(self, element: Any, depth: int) -> list[str]:
        table = html_table.Table(element)
        if table.is_layout():
            out: list[str] = []
            for cell in table.cells():
                out += self.blocks(cell, depth + 1)
            return out
        return table.blocks(lambda cell: self._cell(cell, depth + 1))

    def _cell(self, element: Any, depth: int) -> str:
        """A cell in one line: list items and paragraphs are put in a row."""
        if element not in self._holds:
            return markdown.line(self.inline(element, depth).replace("\0", ""))
        out = ""
        for row in "\n".join(self.blocks(element, depth)).split("\n"):
            part = markdown.line(_MARKER.sub("", row))
            if part:
                open_end = not out or out[-1] in ",;:(" or part[0] in ",;:)("
                out += part if not out or part[0] in ",;:)" else f" {part}" if open_end else f"; {part}"
        return out


def _tight(found: list[str]) -> str:
    """An item's blocks: a list directly under its first line, anything else a paragraph of its own."""
    out = ""
    for block in found:
        is_list = re.match(r"(?:-|\d+\.) ", block) is not None
        out += block if not out else f"\n{block}" if is_list else f"\n\n{block}"
    return out


def tidy(text: str) -> str:
    """Collapse white space; only ``br`` (marked ``\\n\\0``) breaks a line."""
    if "\0" not in text:
        return _SPACE.sub(" ", text).strip()
    rows = [_SPACE.sub(" ", row).strip() for row in text.split("\n\0")]
    return "\n".join(rows).strip()
