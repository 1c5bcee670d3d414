"""Markdown: kept as it is, but for front matter and comments."""

from __future__ import annotations

import re

from datagen.sources.encoding import decode
from datagen.sources.parsed import Options, Parsed

_FRONT = re.compile(r"\A(---|\+\+\+)[ \t]*\n(.*?)\n\1[ \t]*(?:\n|\Z)", re.DOTALL)
_TITLE = re.compile(r"""^title\s*[:=]\s*["']?(.*?)["']?\s*$""", re.MULTILINE | re.IGNORECASE)
_COMMENT = re.compile(r"^<!--.*?-->[ \t]*$\n?", re.DOTALL | re.MULTILINE)
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})[^\n]*\n.*?(?:^ {0,3}\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#\s+(.+?)\s*#*\s*$|^(\S.*)\n=+\s*$", re.MULTILINE)


def read(data: bytes, options: Options) -> Parsed:
    """The Markdown itself. Front matter and comments between blocks go; a title in the front matter,
    else the first top heading, is the document's."""
    text = decode(data).replace("\r\n", "\n").replace("\r", "\n")
    title = ""
    front = _FRONT.match(text)
    if front:
        found = _TITLE.search(front[2])
        title = found[1] if found else ""
        text = text[front.end() :]
    text = _outside_fences(text)
    if not title:
        found = _HEADING.search(text)
        title = (found[1] or found[2]) if found else ""
    return Parsed(text, "markdown", title=title)


def _outside_fences(text: str) -> str:
    """Remove comments, except within fenced code."""
    if "<!--" not in text:
        return text
    out: list[str] = []
    end = 0
    for fence in _FENCE.finditer(text):
        out += [_COMMENT.sub("", text[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*out, _COMMENT.sub("", text[end:])])
