"""What a PDF page says and where: lines of words with their places, as pdfium gives them."""

from __future__ import annotations

import ctypes
import math
import re
from dataclasses import dataclass
from typing import Any

HYPHEN = "\ufffe"  # pdfium's mark for a hyphen at the end of a line
_END = re.compile(f"(?<=[\n{HYPHEN}])")
_WORD = re.compile(r"\S+")
_BOLD = re.compile(r"bold|black|heavy|semibold|demi", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Word:
    """A word and its left and right edge, points."""

    text: str
    left: float
    right: float


@dataclass(frozen=True, slots=True)
class Line:
    """Words on one baseline, from left to right.

    Attributes:
        words: at least one.
        text: the words with single spaces between.
        base: height of the baseline above the page's lower edge, points.
        size: height of the font, points, rounded to halves.
        bold: is the whole line bold?
        turned: is it written upwards or downwards?
    """

    words: tuple[Word, ...]
    text: str
    base: float
    size: float
    bold: bool
    turned: bool = False

    @property
    def left(self) -> float:
        return self.words[0].left

    @property
    def right(self) -> float:
        return self.words[-1].right


def lines(page: Any) -> list[Line]:
    """The lines of a page (pypdfium2), in the order in which the page draws them."""
    text_page = page.get_textpage()
    try:
        return _Page(text_page).lines()
    finally:
        text_page.close()


def has_image(page: Any) -> bool:
    """Does the page hold a picture?"""
    import pypdfium2.raw as pdfium

    return next(iter(page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=5)), None) is not None


class _Page:
    def __init__(self, text_page: Any) -> None:
        import pypdfium2.raw as pdfium

        self._pdfium = pdfium
        self._page = text_page.raw
        self._text = text_page.get_text_range() if text_page.count_chars() else ""
        self._char_box = pdfium.FPDFText_GetCharBox  # asked twice a word: the hot spot of reading
        self._doubles = [ctypes.c_double() for _ in range(4)]
        self._left, self._right = self._doubles[:2]
        self._pointers = [ctypes.byref(d) for d in self._doubles]
        self._matrix = pdfium.FS_MATRIX()
        self._name = ctypes.create_string_buffer(128)
        self._flags = ctypes.c_int()

    def lines(self) -> list[Line]:
        found: list[Line] = []
        start = 0
        shift = 0  # pdfium counts UTF-16 units, Python characters
        for raw in _END.split(self._text):  # pdfium joins lines at a hyphen that ends one, and marks the place
            line = self._line(raw, start + shift)
            if line:
                found.append(line)
            start += len(raw)
            shift += sum(1 for c in raw if c > "\uffff") if not raw.isascii() else 0
        level = [line for line in found if not line.turned]
        return level or found  # what is written up the margin is a stamp

    def _line(self, row: str, start: int) -> Line | None:
        words: list[Word] = []
        before = 0.0
        for match in _WORD.finditer(row):
            first, end = match.span()
            at = self._box(start + first)
            to = self._box(start + end - 1) if end - first > 1 else at
            # Characters that pdfium made up (hyphens, spaces) have no place of their own. Right-to-left text
            # has its first character on the right.
            left = min(at[0], to[0]) if at and to else at[0] if at else before
            right = max(at[1], to[1]) if at and to else left
            before = right
            words.append(Word(match[0], left, right))
        if not words:
            return None
        index = start + len(row) - len(row.lstrip())
        self._pdfium.FPDFText_GetMatrix(self._page, index, self._matrix)
        matrix = self._matrix
        scale = math.hypot(matrix.c, matrix.d) or 1.0
        size = round(self._pdfium.FPDFText_GetFontSize(self._page, index) * scale * 2) / 2 or 0.5
        self._pdfium.FPDFText_GetCharOrigin(self._page, index, *self._pointers[:2])
        base = self._doubles[1].value
        bold = self._bold(index) and (len(row) < 2 or self._bold(start + len(row.rstrip()) - 1))
        return Line(tuple(words), " ".join(row.split()), base, size, bold, abs(matrix.b) > abs(matrix.a))

    def _box(self, index: int) -> tuple[float, float] | None:
        if not self._char_box(self._page, index, *self._pointers):
            return None
        left, right = self._left.value, self._right.value
        return (left, right) if right > left else None

    def _bold(self, index: int) -> bool:
        if self._pdfium.FPDFText_GetFontWeight(self._page, index) >= 600:
            return True
        self._pdfium.FPDFText_GetFontInfo(self._page, index, self._name, len(self._name), self._flags)
        return _BOLD.search(self._name.value.decode("utf-8", "replace")) is not None
