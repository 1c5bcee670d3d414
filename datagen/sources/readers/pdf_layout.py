"""From the lines of a PDF page to blocks of Markdown: order, tables, headings, lists, paragraphs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from datagen.sources import markdown
from datagen.sources.readers.pdf_page import HYPHEN, Line
from datagen.sources.readers.pdf_table import cells, table

LARGER = 1.15  # times the size of the body's font from which a line may be a heading
_BULLET = re.compile(r"[•◦▪‣●○■□⁃∙·\uf0b7\uf0a7➢➤✓–—*-]\s+(?=\S)|[•●▪‣\uf0b7\uf0a7](?=\S)")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_LEADER = re.compile(r"(?:\.\s?){5,}\s*[\divxlc]*\s*$")
_ITEM = re.compile(r"(\(?\d{1,2}[.)]|\([a-z]\)|[a-z]\))\s+(?=\S)")


@dataclass(frozen=True, slots=True)
class Levels:
    """What tells a document's headings: the body's font size, larger sizes from the largest, bookmarks."""

    body: float
    larger: tuple[float, ...]
    outline: dict[str, int] = field(default_factory=dict)

    def of(self, line: Line) -> int:
        """Level of a line that may be a heading, else 0."""
        large = line.size in self.larger
        if not large and not line.bold and not self.outline:
            return 0
        text = line.text
        letters = sum(map(str.isalpha, text))
        if not 1 < len(text) <= 200 or letters < 2 or letters <= sum(map(str.isdigit, text)):
            return 0
        known = self.outline.get(plain(text))
        if known:
            return min(known, 6)
        if len(cells(line)) > 1 or text.endswith((",", ";")) or _BULLET.match(text) or text.endswith(HYPHEN):
            return 0
        if large:
            return min(self.larger.index(line.size) + 1, 4)
        if line.bold and line.size >= self.body * 0.95 and len(text) <= 90 and not text.endswith((".", ":")):
            return min(len(self.larger) + 1, 5)
        return 0


def plain(text: str) -> str:
    """A title for comparison: lower case, no numbering, letters and digits only."""
    text = re.sub(r"^\s*(?:(?:chapter|section|appendix)\s+)?(?:\d+(?:\.\d+)*|[ivx]+)[.:)]?\s+", "", text.lower())
    return " ".join(re.findall(r"\w+", text))


def vocabulary(pages: Sequence[Sequence[Line]]) -> frozenset[str]:
    """All words of a document, lower case, those cut at line ends left out: they tell how to join the cut ones."""
    if not any(line.text.endswith((HYPHEN, "\u00ad", "-")) for page in pages for line in page):
        return frozenset()
    found: set[str] = set()
    for page in pages:
        for line in page:
            text = line.text
            text = text.rpartition(" ")[0] if text.endswith((HYPHEN, "\u00ad", "-")) else text
            found.update(_WORD.findall(text.lower()))
    return frozenset(found)


def in_order(lines: list[Line]) -> list[Line]:
    """Lines in reading order.

    The order in which a page is drawn is nearly always the order in which it is read, columns included. Where
    it goes back up into what was drawn before, it is not: then lines are sorted from top to bottom, and what
    stands on one height becomes one line.
    """
    most = max(5, len(lines) // 5)
    below: list[Line] = []
    for line in lines:
        if sum(1 for x in below if x.base < line.base - x.size and x.left < line.right and x.right > line.left) >= most:
            return lines if _columns(lines) else _rows(lines)
        below.append(line)
    return lines


def _columns(lines: Sequence[Line]) -> bool:
    """Is there running text in two columns? Then sorting by height would mix them."""
    if len(lines) < 12:
        return False
    width = max(x.right for x in lines) - min(x.left for x in lines)
    middle = min(x.left for x in lines) + width / 2
    running = [x for x in lines if len(x.words) > 3 and len(cells(x)) == 1]
    beside = [x for x in running if x.right <= middle + width * 0.03 or x.left >= middle - width * 0.03]
    rights = sum(x.left >= middle - width * 0.03 for x in beside)
    return len(beside) > 0.6 * len(lines) and 0.2 < rights / max(len(beside), 1) < 0.8


def _rows(lines: Sequence[Line]) -> list[Line]:
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda x: -x.base):
        if rows and abs(rows[-1][0].base - line.base) <= 0.35 * min(line.size, rows[-1][0].size):
            rows[-1].append(line)
        else:
            rows.append([line])
    out = []
    for row in rows:
        words = tuple(sorted((w for line in row for w in line.words), key=lambda w: w.left))
        text = " ".join(word.text for word in words)
        out.append(Line(words, text, row[0].base, max(x.size for x in row), all(x.bold for x in row)))
    return out


def blocks(lines: Sequence[Line], levels: Levels, words: frozenset[str]) -> list[str]:
    """Blocks of Markdown of one page."""
    out: list[str] = []
    lines = _without_contents(lines)
    page = _Page(lines)
    i = 0
    while i < len(lines):
        end, rows = table(lines, i)
        if rows:
            out.append(rows)
            i = end
            continue
        level = levels.of(lines[i])
        end = i + 1
        if level:
            while end < len(lines) and end - i < 4 and page.same_heading(end, levels, level):
                end += 1
            out.append(markdown.heading(level, joined(lines[i:end], words)))
        elif not re.search(r"\w", lines[i].text):
            pass  # a rule drawn with dashes, stars and the like
        else:
            while end < len(lines) and not page.begins(i, end, levels) and not table(lines, end)[1]:
                end += 1
            out.append(_paragraph(lines[i:end], words, page.running))
        i = end
    return _lists_together([block for block in out if block])


def _without_contents(lines: Sequence[Line]) -> Sequence[Line]:
    """A page without its part of the table of contents: entries with dots that lead to page numbers."""
    entries = sum(_LEADER.search(line.text) is not None for line in lines)
    if entries < 3:
        return lines
    return [x for x in lines if not _LEADER.search(x.text) and plain(x.text) not in ("contents", "table of contents")]


class _Page:
    """Where the blocks of a page begin.

    Attributes:
        running: is most of it text that breaks only where a line is full? Otherwise (a receipt, a form, a
            poem) the ends of lines mean something and are kept.
    """

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = lines
        # How far a line may reach: to the right edge of those that begin at about the same place.
        edges: dict[int, float] = {}
        for line in lines:
            for place in (round(line.left / 40), round(line.left / 40) + 1):
                edges[place] = max(edges.get(place, 0.0), line.right)
        self._edges = edges
        pairs = [i for i in range(1, len(lines)) if 0 < lines[i - 1].base - lines[i].base < 2 * lines[i].size]
        ends = [i for i in pairs if self._fits(i) and lines[i - 1].text[-1:] not in ".!?:;"]
        self.running = len(ends) <= 0.3 * len(pairs)

    def _fits(self, i: int) -> bool:
        """Would the first word of line ``i`` have had room on the line above?"""
        above, word = self._lines[i - 1], self._lines[i].words[0]
        edge = self._edges[round(above.left / 40)]
        return above.right + 0.3 * above.size + (word.right - word.left) < edge - 0.02 * (edge - above.left)

    def same_heading(self, i: int, levels: Levels, level: int) -> bool:
        """Is line ``i`` the continuation of the heading above it?"""
        above, line = self._lines[i - 1], self._lines[i]
        close = 0 < above.base - line.base < 1.9 * above.size
        alike = line.size == above.size and line.bold == above.bold and levels.of(line) == level
        return close and alike and (not self._fits(i) or line.text[:1].islower())

    def begins(self, first: int, i: int, levels: Levels) -> bool:
        """Does line ``i`` begin a new block, where the one at hand began at ``first``?"""
        above, line = self._lines[i - 1], self._lines[i]
        if _BULLET.match(line.text) or levels.of(line) or not re.search(r"\w", line.text):
            return True
        ended = above.text.rstrip()[-1:] in '.!?:;)”"'
        step = above.base - line.base
        if step <= 0:  # the top of another column: the paragraph goes on if it is in the middle of a sentence
            return ended and not line.text[:1].islower()
        if step > 1.75 * max(line.size, above.size) or abs(line.size - above.size) > 0.25 * above.size:
            return True
        if i - first >= 2 and step > 1.25 * (self._lines[i - 2].base - above.base) > 0:
            return True
        shift = line.left - above.left
        if _ITEM.match(line.text) and (abs(shift) > 3 or self._fits(i)):
            return True
        if ended and (shift > 0.8 * line.size or (shift < -0.5 * line.size and i - first > 1)):
            return True
        return self.running and self._fits(i) and ended


def _paragraph(lines: Sequence[Line], words: frozenset[str], running: bool) -> str:
    bullet = _BULLET.match(lines[0].text)
    item = _ITEM.match(lines[0].text)
    text = joined(lines, words, " " if running or bullet or item else "\n")
    if bullet:
        return f"- {text[bullet.end() :]}"
    if item:
        number = item[1].strip("().")
        return f"{number}. {text[item.end() :]}" if number.isdecimal() else f"- {text}"
    return markdown.paragraph(text)


def _lists_together(found: list[str]) -> list[str]:
    """List items that follow each other become one list."""
    out: list[str] = []
    for block in found:
        is_item = re.match(r"(?:-|\d{1,2}\.) ", block) is not None
        if is_item and out and re.match(r"(?:-|\d{1,2}\.) ", out[-1].rpartition("\n")[2]):
            out[-1] += f"\n{block}"
        else:
            out.append(block)
    return out


def joined(lines: Sequence[Line], words: frozenset[str], between: str = " ") -> str:
    """Lines as one text; a word cut at a line end is made whole, with its hyphen where it has one."""
    out = ""
    for line in lines:
        text = line.text
        if out.endswith((HYPHEN, "\u00ad")) or (
            len(out) > 2 and out[-1] == "-" and out[-2].isalpha() and text[:1].islower()
        ):
            out = _mend(out[:-1], text, words)
        else:
            out = f"{out}{between}{text}" if out else text
    return re.sub(f"{HYPHEN}$", "-", out).replace(HYPHEN, "")


def _mend(before: str, after: str, words: frozenset[str]) -> str:
    first = re.search(r"[^\W\d_]*$", before)
    last = re.match(r"[^\W\d_]*", after)
    a, b = first[0].lower() if first else "", last[0].lower() if last else ""
    hyphen = ""
    if not a or not b or f"{a}-{b}" in words:
        hyphen = "-"
    elif a + b not in words and len(a) > 2 and len(b) > 2 and a in words and b in words:
        hyphen = "-"  # both halves are words of their own
    return f"{before}{hyphen}{after}"
