"""From a docutils document tree to blocks of Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from docutils import nodes

from datagen.sources import markdown

Node = nodes.Node

_DROPPED = (
    nodes.comment,
    nodes.substitution_definition,
    nodes.target,
    nodes.system_message,
    nodes.pending,
    nodes.raw,
    nodes.image,
    nodes.docinfo,
    nodes.decoration,
    nodes.meta,
    nodes.problematic,
)
_NUMBERS: dict[str, Callable[[int], str]] = {
    "loweralpha": lambda n: chr(96 + n) if n <= 26 else str(n),
    "upperalpha": lambda n: chr(64 + n) if n <= 26 else str(n),
}


def blocks(document: Node, top: int) -> list[str]:
    """Blocks of Markdown of a document (or any body element); ``top`` is the level of its first headings."""
    return [block for block in _children(document, top) if block.strip()]


def _children(node: Node, level: int) -> list[str]:
    out: list[str] = []
    for child in node.children:
        if not isinstance(child, _DROPPED):
            out += _block(child, level)
    return out


def _block(node: Any, level: int) -> list[str]:
    if isinstance(node, nodes.section):
        return _children(node, level + 1)
    if isinstance(node, nodes.title):
        return [markdown.heading(level - 1, inline(node))]
    if isinstance(node, nodes.paragraph):
        return [markdown.paragraph(inline(node))]
    if isinstance(node, nodes.literal_block):
        return [_code(node)]
    if isinstance(node, nodes.doctest_block):
        return [markdown.fence(node.astext(), "pycon")]
    if isinstance(node, nodes.math_block):
        return [f"$$\n{node.astext().strip()}\n$$"]
    if isinstance(node, nodes.bullet_list):
        return [_items(node, level, lambda i: "-")]
    if isinstance(node, nodes.enumerated_list):
        start = int(node.get("start", 1))
        number = _NUMBERS.get(node.get("enumtype", ""), str)
        return [_items(node, level, lambda i: f"{number(start + i)}.")]
    if isinstance(node, nodes.definition_list):
        return ["\n".join(_definition(item, level) for item in node.children if isinstance(item, nodes.Element))]
    if isinstance(node, nodes.field_list):
        return ["\n".join(_pair(inline(f.children[0]), _children(f.children[1], level)) for f in node.children)]
    if isinstance(node, nodes.option_list):
        return ["\n".join(_option(item, level) for item in node.children)]
    if isinstance(node, nodes.table):
        return _table(node, level)
    if isinstance(node, nodes.block_quote):
        inner = "\n\n".join(_children(node, level))
        # Indented lists and code are written so for looks; only running text is a quotation.
        if all(isinstance(c, nodes.paragraph | nodes.attribution) for c in node.children):
            return ["\n".join(f"> {row}".rstrip() for row in inner.split("\n"))]
        return [inner]
    if isinstance(node, nodes.footnote | nodes.citation):
        label = next((c.astext() for c in node.children if isinstance(c, nodes.label)), "")
        rest = [b for c in node.children if not isinstance(c, nodes.label) for b in _block(c, level)]
        return [f"[{label}] " + " ".join(rest)] if rest else []
    if isinstance(node, nodes.line_block):
        return ["\n".join(_lines(node))]
    if isinstance(node, nodes.Admonition) and not isinstance(node, nodes.system_message):
        return _admonition(node, level)
    if isinstance(node, nodes.attribution):
        return [f"— {inline(node)}"]
    if isinstance(node, nodes.rubric | nodes.caption | nodes.subtitle):
        return [inline(node)]
    if isinstance(node, nodes.transition):
        return []
    if isinstance(node, nodes.Text | nodes.Inline):
        return [markdown.paragraph(inline(node))]
    return _children(node, level)


def inline(node: Any) -> str:
    """Text of an element: literals in backticks, formulas in dollars, links as their text."""
    if isinstance(node, nodes.Text):
        return re.sub(r"\s+", " ", node.astext())
    if isinstance(node, nodes.literal):
        text = markdown.line(node.astext())
        mark = "``" if "`" in text else "`"
        return f"{mark}{text}{mark}" if text else ""
    if isinstance(node, nodes.math):
        return f"${node.astext()}$"
    if isinstance(node, nodes.footnote_reference | nodes.citation_reference):
        return f"[{node.astext()}]"
    if isinstance(node, nodes.problematic):  # a reference that leads nowhere is still a word of its sentence
        return re.sub(r"^[`|]+|[`|_]+$", "", node.astext())
    if isinstance(node, nodes.superscript):
        return f"^{node.astext()}"
    if isinstance(node, nodes.image | nodes.raw | nodes.target | nodes.system_message) and not node.astext():
        return ""
    return "".join(inline(child) for child in node.children).strip("\n")


def _code(node: Any) -> str:
    language = node.get("language") or next((c for c in node.get("classes", []) if c not in ("code", "literal")), "")
    language = "" if language in ("none", "text", "default", "rest") else language
    return markdown.fence(node.astext(), language)


def _items(node: Any, level: int, marker: Callable[[int], str]) -> str:
    items = [_tight(_children(item, level)) for item in node.children]
    return "\n".join(markdown.item(text, marker(i)) for i, text in enumerate(items) if text)


def _definition(item: Any, level: int) -> str:
    terms = [inline(c) for c in item.children if isinstance(c, nodes.term)]
    kinds = [inline(c) for c in item.children if isinstance(c, nodes.classifier)]
    body = [b for c in item.children if isinstance(c, nodes.definition) for b in _children(c, level)]
    head = ", ".join(terms) + (f" ({', '.join(kinds)})" if kinds else "")
    return _pair(head, body)


def _option(item: Any, level: int) -> str:
    return _pair(f"`{item.children[0].astext()}`", _children(item.children[1], level), "")


def _pair(head: str, body: list[str], mark: str = "**") -> str:
    """``- **head**: body``; a body that begins with a block of its own goes below."""
    head = f"{mark}{head}{mark}" if head else ""
    if not body:
        return f"- {head}"
    starts_text = re.match(r"(?:-|\d+\.|```|\||>) ?", body[0]) is None
    return markdown.item(f"{head}: {_tight(body)}" if starts_text else f"{head}:\n{_tight(['', *body])}".strip("\n"))


def _tight(found: list[str]) -> str:
    """An item's blocks: a list directly under its first line, anything else a paragraph of its own."""
    out = ""
    for block in found:
        is_list = re.match(r"(?:-|\w+\.) ", block) is not None
        out += block if not out else f"\n{block}" if is_list else f"\n\n{block}"
    return out


def _lines(node: Any) -> list[str]:
    out: list[str] = []
    for child in node.children:
        out += _lines(child) if isinstance(child, nodes.line_block) else [inline(child)]
    return out


def _admonition(node: Any, level: int) -> list[str]:
    name = type(node).__name__.capitalize()
    body = list(node.children)
    if isinstance(node, nodes.admonition) and body and isinstance(body[0], nodes.title):
        name = inline(body.pop(0))
    found = [b for child in body if not isinstance(child, _DROPPED) for b in _block(child, level)]
    if found and isinstance(body[0], nodes.paragraph):
        return [f"{name}: {found[0]}", *found[1:]]
    return [f"{name}:", *found] if found else []


def _table(node: Any, level: int) -> list[str]:
    caption = [inline(c) for c in node.children if isinstance(c, nodes.title)]
    rows: list[list[str]] = []
    pending: dict[int, tuple[int, str]] = {}  # column → rows still covered by a cell above, and its text
    for row in node.findall(nodes.row):
        cells: list[str] = []
        for entry in row.children:
            _covered(cells, pending)
            text = " ".join(_cell(entry, level))
            down = int(entry.get("morerows", 0))
            for i in range(int(entry.get("morecols", 0)) + 1):
                if down:
                    pending[len(cells)] = (down, text if i == 0 else "")
                cells.append(text if i == 0 else "")
        _covered(cells, pending)
        rows.append(cells)
    return [*caption, markdown.table(rows)]


def _cell(entry: Any, level: int) -> list[str]:
    rows = "\n".join(_children(entry, level)).split("\n")
    found = [re.sub(r"^(?:```\w*|[-#>]|\d+\.)(?:\s+|$)", "", row) for row in rows]
    return [row for row in found if row.strip()]


def _covered(cells: list[str], pending: dict[int, tuple[int, str]]) -> None:
    while len(cells) in pending:
        left, text = pending.pop(len(cells))
        if left > 1:
            pending[len(cells)] = (left - 1, text)
        cells.append(text)
