"""HTML: the page's main content as Markdown, without what surrounds it."""

from __future__ import annotations

import re
from typing import Any

from datagen.sources.encoding import decode
from datagen.sources.markdown import line
from datagen.sources.parsed import Options, Parsed
from datagen.sources.readers import html_blocks, html_clean

_DECLARED = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w-]{2,40})""", re.IGNORECASE)
_XML_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")


def read(data: bytes, options: Options) -> Parsed:
    """The main content; navigation, page headers and footers, scripts and hidden elements go."""
    declared = _DECLARED.search(data[:4096])
    text, title = convert(decode(data, declared[1].decode("ascii") if declared else ""))
    return Parsed(text, "markdown", title=title)


def convert(markup: str, *, whole: bool = False) -> tuple[str, str]:
    """Markdown and title of an HTML page.

    Args:
        markup: the page.
        whole: it is all content (a book's chapter, an e-mail): only scripts and hidden elements go.

    Deep nesting is cut off by the parser (libxml2: 255 levels), entities and network are never used.
    """
    root = _parse(markup)
    if root is None:
        return "", ""
    found = root.find(".//title")
    title = line("".join(found.itertext())) if found is not None else ""
    content = html_clean.clean(root, whole=whole)
    blocks = html_blocks.blocks(content)
    first = next((e for e in content.iter("h1")), None)
    if first is not None and (heading := line("".join(first.itertext()))):
        title = heading if not title or heading in title else title
    return "\n\n".join(html_blocks.without_empty_sections(blocks)), title


def _parse(markup: str) -> Any:
    import lxml.etree

    # A string with an XML declaration is refused by lxml, and NUL ends the text for libxml2.
    markup = _XML_DECLARATION.sub("", markup).replace("\0", "")
    parser = lxml.etree.HTMLParser(encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True)
    try:
        return lxml.etree.fromstring(markup.encode("utf-8", "replace"), parser)
    except lxml.etree.XMLSyntaxError:  # nothing in it
        return None
