"""Which kind of file is it? By its name, else by its first bytes."""

from __future__ import annotations

import codecs

from datagen.sources.encoding import looks_binary
from datagen.sources.readers import kind_of_name

HEAD = 8192  # bytes looked at

_IMAGES = (".svg", ".eps", ".ai", ".dxf", ".drawio", ".excalidraw")  # text, but the text of a picture
_ZIPPED = ((b"word/", "docx"), (b"ppt/", "pptx"), (b"xl/", "xlsx"), (b"application/epub+zip", "epub"))
_SCRIPTS = (b"#!",)
_HTML = (b"<!doctype html", b"<html", b"<head", b"<body")


def kind_of(name: str, head: bytes) -> str | None:
    """The reader's name for a file, or None where there is none.

    Args:
        name: the file's name or path.
        head: its first :data:`HEAD` bytes.

    A suffix of a text kind on bytes that are no text (a ``.ts`` that is a video) counts for nothing.
    """
    kind = kind_of_name(name)
    if kind is not None:
        return None if kind == "code" and looks_binary(head) else kind
    if name.lower().endswith(_IMAGES):
        return None
    return _by_content(head)


def _by_content(head: bytes) -> str | None:
    start = head.lstrip()[:1024]
    if b"%PDF-" in head[:1024]:
        return "pdf"
    if head.startswith(b"PK\x03\x04"):
        return next((kind for mark, kind in _ZIPPED if mark in head), None)
    if start[:64].lower().startswith(_HTML):
        return "html"
    if start.startswith(_SCRIPTS):
        return "code"
    return "text" if _is_text(head) else None


def _is_text(head: bytes) -> bool:
    """UTF-8, or text with a byte-order mark; other encodings need a suffix that says text."""
    if looks_binary(head):
        return False
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return True
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, final=False)
    except UnicodeDecodeError:
        return False
    return True
