"""XML of Office files, parsed without entities, network or outside files, and what is alike in all of them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from datagen.sources.archive import Archive
from datagen.sources.parsed import Unreadable

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_CORE = "docProps/core.xml"


def parse(data: bytes) -> Any:
    """The root element (lxml) of a part.

    Raises:
        Unreadable: ``damaged`` for what is not well formed or declares entities.
    """
    import lxml.etree

    # huge_tree stays off: it is libxml2's own guard against depth, text size and entity expansion.
    parser = lxml.etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )
    try:
        root = lxml.etree.fromstring(data, parser)
    except lxml.etree.XMLSyntaxError as error:
        raise _broken(error) from error
    if root.getroottree().docinfo.doctype:
        raise Unreadable("damaged", "Its XML declares a document type, which files of this kind never do.")
    return root


def each(data: bytes, tag: str) -> Iterator[Any]:
    """The elements of one name in a part that may be long, one at a time, each gone when the next is taken.

    Raises:
        Unreadable: as :func:`parse`.
    """
    import lxml.etree

    events = lxml.etree.iterparse(
        io.BytesIO(data),
        tag=tag,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        for _, element in events:
            yield element
            parent = element.getparent()
            element.clear()
            while element.getprevious() is not None:
                del parent[0]
    except lxml.etree.XMLSyntaxError as error:
        raise _broken(error) from error


def _broken(error: Exception) -> Unreadable:
    return Unreadable("damaged", f"Its XML is broken: {str(error)[:150]}.")


def title(archive: Archive) -> str:
    """The title in the document's properties, or ""."""
    try:
        root = parse(archive.read(_CORE))
    except (KeyError, Unreadable):
        return ""
    return (root.findtext("{http://purl.org/dc/elements/1.1/}title") or "").strip()


def relations(archive: Archive, part: str) -> dict[str, str]:
    """Targets of a part's internal relations by id, as names in the archive."""
    folder, _, name = part.rpartition("/")
    try:
        root = parse(archive.read(f"{folder}/_rels/{name}.rels" if folder else f"_rels/{name}.rels"))
    except KeyError:
        return {}
    found = {}
    for relation in root:
        target = relation.get("Target") or ""
        if relation.get("TargetMode") != "External" and target:
            found[relation.get("Id") or ""] = resolve(folder, target)
    return found


def resolve(folder: str, target: str) -> str:
    """A relative name within an archive, made absolute; it cannot leave the archive, which has no outside."""
    parts: list[str] = [] if target.startswith("/") else [p for p in folder.split("/") if p]
    for part in target.split("/"):
        if part == "..":
            if parts:
                parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
