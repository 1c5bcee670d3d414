"""PDF, by pdfium: text in reading order, with headings, tables and paragraphs as the page's geometry shows them."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from datagen.sources import markdown
from datagen.sources.parsed import Options, Parsed, Unreadable
from datagen.sources.readers import pdf_layout, pdf_page
from datagen.sources.readers.pdf_page import Line

_PASSWORD = 4  # FPDF_ERR_PASSWORD of fpdfview.h
_EDGE = 3  # lines at the top and at the bottom of a page that may be its header or footer
_NUMBER = r"(?:\d{1,4}|[ivxl]{1,6})"
_PAGE_NUMBER = re.compile(
    rf"\W*(?:(?:page|seite|p\.)\s*)?{_NUMBER}(?:\s*(?:of|/|von|–|-)\s*\d{{1,4}})?\W*", re.IGNORECASE
)
_MADE_BY = r"^\W?(?:microsoft|untitled|powerpoint|anonymous)"
_NO_TITLE = re.compile(rf"\.(?:docx?|pdf|tex|dvi|indd|pptx?|xlsx?|odt|rtf)\b|{_MADE_BY}|[\\/]", re.IGNORECASE)
_FEW = 30  # characters: a page with a picture and less text than this was scanned
_MOST_HEADING = 200  # characters


def read(data: bytes, options: Options) -> Parsed:
    """The text of each page; running headers, footers and page numbers go, words cut at line ends are joined."""
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == _PASSWORD or "password" in str(error).lower():
            raise Unreadable("password", "It is protected by a password.") from error
        raise Unreadable("damaged", "It is not a complete PDF: pdfium finds no document in it.") from error
    try:
        return _read(document, options)
    finally:
        document.close()


def _read(document: Any, options: Options) -> Parsed:
    pages: list[list[Line]] = []
    images = failed = length = 0
    for index in range(len(document)):
        try:
            page = document[index]
        except Exception:  # one broken page of many
            failed += 1
            pages.append([])
            continue
        found = pdf_page.lines(page)
        size = sum(len(line.text) for line in found)
        length += size
        images += size < _FEW and pdf_page.has_image(page)
        page.close()
        pages.append(pdf_layout.in_order(found))
        if length > options.max_text:
            raise Unreadable("too_large", f"Its text has more than the {options.max_text:,} characters allowed.")
    if images and length < _FEW * len(pages) and 2 * images >= len(pages):
        shown = f"{len(pages)} page{'s' if len(pages) > 1 else ''}"
        raise Unreadable("image_only", f"It is pictures, {shown} with {length} characters of text; it needs OCR first.")
    if not any(pages):
        if not pages or failed:
            raise Unreadable("damaged", "None of its pages can be opened.")
        raise Unreadable("empty", "Its pages hold no text.")
    _remove_running(pages)
    levels = _levels(pages, _outline(document))
    words = pdf_layout.vocabulary(pages)
    texts = [pdf_layout.blocks(page, levels, words) for page in pages]
    text, offsets = _assemble(texts)
    return Parsed(text, "markdown", tuple(offsets), _title(document, text))


def _assemble(pages: list[list[str]]) -> tuple[str, list[int]]:
    """All pages in one text and where each begins; a paragraph cut by the end of its page goes on."""
    text = ""
    offsets: list[int] = []
    for blocks in pages:
        body = markdown.join(blocks)
        if text and body:
            goes_on = (
                body[0].islower() and text[-1] not in '.!?:;|`"”)' and not text.rpartition("\n")[2].startswith("#")
            )
            text += " " if goes_on else "\n\n"
        offsets.append(len(text))
        text += body
    return text, offsets


def _remove_running(pages: list[list[Line]]) -> None:
    """Take away, in place, page numbers and all but the first of lines that stand at the edge of many pages."""

    def shape(line: Line) -> str:
        return re.sub(r"\d+", "#", line.text.strip().lower())

    heights = [sorted(page, key=lambda line: line.base) for page in pages]
    edges = [{id(line) for line in [*page[:_EDGE], *page[-_EDGE:]]} for page in heights]
    counts: Counter[str] = Counter()
    for page, edge in zip(pages, edges, strict=True):
        counts.update({shape(line) for line in page if id(line) in edge})
    often = max(3, sum(map(bool, pages)) // 10)
    offset = _numbering(heights)
    seen: set[str] = set()
    for index, (page, edge, height) in enumerate(zip(pages, edges, heights, strict=True)):
        outermost = {id(line) for line in [*height[:1], *height[-1:]]}
        kept = []
        for line in page:
            if offset is not None and id(line) in outermost and index - offset in _numbers(line.text):
                continue
            number = _PAGE_NUMBER.fullmatch(line.text.strip()) and len(page) > 3
            if number and (id(line) in outermost or (id(line) in edge and not line.text[:1].isdigit())):
                continue
            key = shape(line)
            if id(line) in edge and counts[key] >= often:
                if key in seen:
                    continue
                seen.add(key)
            kept.append(line)
        page[:] = kept


def _numbers(text: str) -> tuple[int, ...]:
    """The numbers with which a line begins and ends."""
    found = re.match(r"(\d{1,4})\b", text), re.search(r"\b(\d{1,4})$", text)
    return tuple(int(match[1]) for match in found if match)


def _numbering(heights: list[list[Line]]) -> int | None:
    """By how much pages count from the first differ from the numbers printed on them, where at least three agree."""
    offsets: Counter[int] = Counter()
    for index, lines in enumerate(heights):
        outermost = {line.text for line in [*lines[:1], *lines[-1:]]}
        offsets.update({index - number for text in outermost for number in _numbers(text)})
    best = offsets.most_common(1)
    return best[0][0] if best and best[0][1] >= 3 else None


def _outline(document: Any) -> dict[str, int]:
    """Titles of the document's bookmarks and their levels, from 1."""
    found: dict[str, int] = {}
    try:
        for mark in document.get_toc(max_depth=4):
            title = pdf_layout.plain(mark.get_title() or "")
            if 2 < len(title) <= _MOST_HEADING and len(found) < 5000:
                found.setdefault(title, mark.level + 1)
    except Exception:  # a damaged outline is no reason to lose the text
        return {}
    return found


def _levels(pages: list[list[Line]], outline: dict[str, int]) -> pdf_layout.Levels:
    sizes: Counter[float] = Counter()
    for page in pages:
        for line in page:
            sizes[line.size] += len(line.text)
    body = sizes.most_common(1)[0][0]
    larger = sorted({size for size in sizes if size >= body * pdf_layout.LARGER}, reverse=True)
    titles = {pdf_layout.plain(line.text) for page in pages for line in page}
    known = {title: level for title, level in outline.items() if title in titles}
    return pdf_layout.Levels(body, tuple(larger), known if len(known) >= 3 else {})


def _title(document: Any, text: str) -> str:
    try:
        stated = markdown.line(document.get_metadata_value("Title") or "")
    except Exception:
        stated = ""
    if 3 < len(stated) <= _MOST_HEADING and not _NO_TITLE.search(stated):
        return stated
    first = re.search(r"^# (.+)$", text[:3000], re.MULTILINE)
    return first[1] if first else ""
