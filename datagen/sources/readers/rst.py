"""reStructuredText: parsed by docutils, with Sphinx's directives and roles understood or passed through."""

from __future__ import annotations

import re
from typing import Any

from datagen.sources import markdown
from datagen.sources.encoding import decode
from datagen.sources.parsed import Options, Parsed
from datagen.sources.readers import rst_blocks, rst_sphinx

# The header that Python Enhancement Proposals and their like begin with (PEP 12).
_FIELDS = re.compile(r"\A\s*((?:[A-Z][\w-]{1,30}:[^\n]*\n(?:[ \t]+\S[^\n]*\n)*){3,})\s*\n")
_FIELD = re.compile(r"^([A-Z][\w-]{1,30}):[ \t]*(.*(?:\n[ \t]+\S.*)*)$", re.MULTILINE)
_ROLE = re.compile(r":[\w:+-]+:`([^`<]+?)(?:\s*<[^>]*>)?`")
_NOT_SHOWN = frozenset(["Content-Type", "Version", "Last-Modified"])


def read(data: bytes, options: Options) -> Parsed:
    """Headings, lists, tables and code as Markdown. Includes, raw HTML and outside files are never used."""
    text = decode(data).replace("\r\n", "\n").replace("\r", "\n")
    front, title, top = "", "", 1
    header = _FIELDS.match(text)
    if header:
        front, title = _header(header[1])
        top = 2 if title else 1
        text = text[header.end() :]
    document = _parse(text)
    found = rst_blocks.blocks(document, top)
    if not title and found and found[0].startswith("# "):
        title = found[0][2:]
    return Parsed(markdown.join([front, *found]), "markdown", title=title)


def _header(fields: str) -> tuple[str, str]:
    """A heading and a list of a proposal's fields, and its title."""
    pairs = {name: _ROLE.sub(r"\1", markdown.line(value)) for name, value in _FIELD.findall(fields)}
    title = pairs.pop("Title", "")
    if title and pairs.get("PEP"):
        title = f"PEP {pairs.pop('PEP')}: {title}"
    items = [f"- **{name}**: {value}" for name, value in pairs.items() if value and name not in _NOT_SHOWN]
    return markdown.join([markdown.heading(1, title), "\n".join(items)]), title


def _parse(text: str) -> rst_blocks.Node:
    from docutils.parsers.rst import Parser
    from docutils.transforms import references
    from docutils.utils import new_document

    rst_sphinx.register(text)
    document = new_document("", _settings())
    Parser().parse(text, document)
    # Of all that docutils does after parsing, only this shapes the text; resolving links takes as long as the rest.
    document.transformer.add_transforms([references.Substitutions, references.Footnotes])
    document.transformer.apply_transforms()
    return document


def _settings() -> Any:
    import docutils.frontend
    from docutils.parsers.rst import Parser

    settings = docutils.frontend.get_default_settings(Parser)
    settings.file_insertion_enabled = False
    settings.raw_enabled = False
    settings.report_level = 5
    settings.halt_level = 5
    settings.warning_stream = False
    settings.syntax_highlight = "none"
    settings.line_length_limit = 10_000_000
    settings.smart_quotes = False
    return settings
