"""EPUB: the chapters in reading order, each through the HTML reader."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from datagen.sources import markdown, ooxml
from datagen.sources.archive import Archive
from datagen.sources.encoding import decode
from datagen.sources.parsed import Options, Parsed, Unreadable
from datagen.sources.readers import html

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_PAGES = ("application/xhtml+xml", "text/html", "application/xml", "")


def read(data: bytes, options: Options) -> Parsed:
    """The chapters that the book's spine names; its table of contents and cover pages go."""
    archive = Archive(data)
    name = _package(archive)
    try:
        package = _parse(archive.read(name))
    except KeyError as error:
        raise Unreadable("damaged", "Its package file is missing.") from error
    folder = name.rpartition("/")[0]
    items = {item.get("id") or "": item for item in _all(package, "item")}
    chapters = []
    for reference in _all(package, "itemref"):
        item = items.get(reference.get("idref") or "")
        if item is None or "nav" in (item.get("properties") or "").split() or reference.get("linear") == "no":
            continue
        if (item.get("media-type") or "") not in _PAGES:
            continue
        part = ooxml.resolve(folder, unquote((item.get("href") or "").partition("#")[0]))
        if part in archive.names:
            chapters.append(html.convert(decode(archive.read(part)), whole=True)[0])
    if not any(chapters) and _ENCRYPTION in archive.names:
        raise Unreadable("password", "It is protected (DRM): its chapters are encrypted.")
    title = next((markdown.line(e.text or "") for e in _all(package, "title")), "")
    return Parsed(markdown.join(chapters), "markdown", title=title)


def _package(archive: Archive) -> str:
    if _CONTAINER in archive.names:
        for root in _all(_parse(archive.read(_CONTAINER)), "rootfile"):
            return root.get("full-path") or ""
    return next((name for name in sorted(archive.names) if name.endswith(".opf")), "")


def _parse(data: bytes) -> Any:
    """Package files may carry a document type; it is neither loaded nor its entities used."""
    import lxml.etree

    parser = lxml.etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    try:
        return lxml.etree.fromstring(data, parser)
    except lxml.etree.XMLSyntaxError as error:
        raise Unreadable("damaged", f"Its package file is broken: {str(error)[:150]}") from error


def _all(root: Any, name: str) -> Any:
    return root.iter(f"{{*}}{name}")
