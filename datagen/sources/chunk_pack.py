"""Packs a document's blocks into chunks: whole sections first, then whole blocks, then pieces."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from datagen.sources.blocks import Block, Kind, parts
from datagen.sources.chunk_cut import cut
from datagen.sources.tokens import MAX_CHARACTERS, TokenCounter


@dataclass(slots=True)
class Unit:
    """The smallest thing that packing moves: a block or a piece of one, with the headings right above it.

    Attributes:
        start, end: code points; ``body`` is where the headings end and the block begins.
        path: the headings it stands under, outermost first, its own included.
        kind: of the block.
        tokens: of all of it, as far as parts add up.
    """

    start: int
    body: int
    end: int
    path: tuple[str, ...]
    kind: Kind
    tokens: int

    @property
    def headed(self) -> bool:
        """Whether it begins with a heading."""
        return self.start < self.body or self.kind == "heading"


@dataclass(slots=True)
class Section:
    """A heading's part of the document, as a range of units; level 0 is the whole document."""

    level: int
    first: int
    last: int = 0
    children: list[Section] = field(default_factory=list)


Span = tuple[int, int]  # a half-open range of units


@dataclass(frozen=True, slots=True)
class Piece:
    """The span of one chunk.

    Attributes:
        path: the headings above its first content.
        least: where its section's content begins; an overlap may not reach beyond.
        headed: whether it begins with a heading.
        tokens: of the span, exactly.
    """

    start: int
    end: int
    path: tuple[str, ...]
    least: int
    headed: bool
    tokens: int


class Packer:
    """Packs one document.

    Args:
        text: of the document.
        counter: counts tokens.
        budget: most tokens of a chunk.
        least: fewer tokens than this join a neighbour where one has room.
    """

    def __init__(self, text: str, counter: TokenCounter, budget: int, least: int) -> None:
        self._text = text
        self._counter = counter
        self._budget = budget
        self._least = least
        self._units: list[Unit] = []
        self._least_of: list[int] = []  # by unit: where the content of its section begins
        self._sums: list[int] = []  # tokens before each unit
        self._contents: list[int] = []  # units before each that are no headings

    def pack(self, blocks: Sequence[Block]) -> list[Piece]:
        """The spans that become chunks, in order."""
        root = self._flatten(blocks)
        if not self._units:
            return []
        self._sums = list(itertools.accumulate((unit.tokens for unit in self._units), initial=0))
        self._contents = list(itertools.accumulate((u.kind != "heading" for u in self._units), initial=0))
        spans = self._section(root, root.first)
        return [piece for span in spans for piece in self._pieces_of(span)]

    # -- units and sections -------------------------------------------------------------------

    def _flatten(self, blocks: Sequence[Block]) -> Section:
        root = Section(0, 0)
        open_sections = [root]
        titles: list[tuple[int, str]] = []
        path: tuple[str, ...] = ()
        chain: list[Block] = []  # headings that wait for what stands below them
        weight = 0  # tokens of the chain
        for block, tokens in zip(blocks, self._sizes(blocks, len(self._text)), strict=True):
            if block.kind != "heading":
                self._add(block, tokens, chain, weight, path)
                chain, weight = [], 0
                continue
            if chain and (block.level <= chain[-1].level or weight + tokens > self._budget // 2):
                self._orphans(chain, weight, path)  # nothing below, or too much above
                chain, weight = [], 0
            while titles and titles[-1][0] >= block.level:
                titles.pop()
            titles.append((block.level, block.title))
            path = tuple(title for _, title in titles)
            while open_sections[-1].level >= block.level:
                open_sections.pop().last = len(self._units)
            section = Section(block.level, len(self._units))
            open_sections[-1].children.append(section)
            open_sections.append(section)
            if tokens > self._budget // 2:  # as long as text: cut as text
                self._add(Block("prose", block.start, block.end), tokens, [], 0, path)
            else:
                chain.append(block)
                weight += tokens
        if chain:
            self._orphans(chain, weight, path)
        for section in open_sections:
            section.last = len(self._units)
        least = 0
        for unit in self._units:
            least = unit.body if unit.headed else least
            self._least_of.append(least)
        return root

    def _orphans(self, chain: Sequence[Block], tokens: int, path: tuple[str, ...]) -> None:
        start, end = chain[0].start, chain[-1].end
        self._units.append(Unit(start, end, end, path, "heading", tokens))

    def _add(self, block: Block, tokens: int, chain: Sequence[Block], above: int, path: tuple[str, ...]) -> None:
        """Append the units of a block, which has ``tokens`` tokens and ``above`` more in its headings."""
        start = chain[0].start if chain else block.start
        for a, b, kind, size in self._pieces(block, tokens, self._budget - above):
            self._units.append(Unit(min(a, start), a, b, path, kind, size + above))
            start, above = len(self._text), 0

    def _pieces(self, block: Block, tokens: int, first: int) -> Iterator[tuple[int, int, Kind, int]]:
        """Spans of a block with their tokens, none over the budget, the first not over ``first``."""
        if tokens <= first:
            yield block.start, block.end, block.kind, tokens
            return
        children = parts(block, self._text)
        if not children:
            for a, b in cut(self._counter, self._text, block.start, block.end, block.kind, self._budget, first):
                yield a, b, block.kind, self._counter.count(self._text[a:b])
            return
        for child, size in zip(children, self._sizes(children, block.end), strict=True):
            yield from self._pieces(child, size, first)
            first = self._budget

    def _sizes(self, blocks: Sequence[Block], end: int) -> list[int]:
        """Tokens of each block with the white space after it, so that sums hold for a row of blocks.

        One whose length alone puts it over the budget is not counted; its length stands for it.
        """
        spans = list(itertools.pairwise([*(block.start for block in blocks), end]))
        longest = self._budget * MAX_CHARACTERS
        texts = [self._text[a:b] if b - a <= longest else "" for a, b in spans]
        counts = self._counter.count_all(texts)
        return [n if text else b - a for n, text, (a, b) in zip(counts, texts, spans, strict=True)]

    # -- packing ------------------------------------------------------------------------------

    def _tokens(self, first: int, last: int) -> int:
        return self._sums[last] - self._sums[first]

    def _section(self, section: Section, first: int) -> list[Span]:
        """Chunks of a section; ``first`` is before its own where a small piece was put in front of it."""
        if self._room(first, section.last):
            return [(first, section.last)]
        runs: list[tuple[int, int, Section | None]] = []
        own = section.children[0].first if section.children else section.last
        if own > first:
            runs.append((first, own, None))
        runs += [(child.first, child.last, child) for child in section.children if child.last > child.first]
        out: list[Span] = []
        small: Span | None = None  # whole parts that fit one chunk together
        for a, b, child in runs:
            if small and self._room(small[0], b):
                small = (small[0], b)
                continue
            if self._room(a, b):
                self._close(out, small)
                small = (a, b)
                continue
            if small and self._small(small):
                a = small[0]
            else:
                self._close(out, small)
            small = None
            out += self._section(child, a) if child else self._run(a, b)
        self._close(out, small)
        return out

    def _close(self, out: list[Span], small: Span | None) -> None:
        """Add a finished chunk; one that is too small joins the one before it if there is room."""
        if small is None:
            return
        if out and self._small(small) and self._room(out[-1][0], small[1]):
            out[-1] = (out[-1][0], small[1])
        else:
            out.append(small)

    def _run(self, first: int, last: int) -> list[Span]:
        """Chunks of units that belong to one section: as full as they can be, the last two evened out."""
        out: list[Span] = []
        begun = first
        for i in range(first, last):
            if i > begun and not self._room(begun, i + 1):
                out.append((begun, i))
                begun = i
        out.append((begun, last))
        if len(out) > 1 and self._tokens(*out[-1]) < max(self._least, self._budget // 4):
            a, b = out[-2][0], out[-1][1]
            places = [i for i in range(a + 1, b) if self._room(a, i) and self._room(i, b)]
            if places:
                best = min(places, key=lambda i: abs(self._tokens(a, i) - self._tokens(i, b)))
                out[-2:] = [(a, best), (best, b)]
        return out

    def _small(self, span: Span) -> bool:
        """Whether a span would be too little by itself: few tokens, or headings alone."""
        return self._tokens(*span) < self._least or self._contents[span[0]] == self._contents[span[1]]

    def _room(self, first: int, last: int) -> bool:
        return self._tokens(first, last) <= self._budget

    # -- exact spans --------------------------------------------------------------------------

    def _pieces_of(self, span: Span) -> Iterator[Piece]:
        """The exact span, split further while it is over the budget: sums of parts can be a little low."""
        first, last = span
        unit, end = self._units[first], self._units[last - 1].end
        tokens = self._counter.count(self._text[unit.start : end])
        if tokens > self._budget and last - first > 1:
            middle = min(range(first + 1, last), key=lambda i: abs(self._tokens(first, i) - self._tokens(i, last)))
            yield from self._pieces_of((first, middle))
            yield from self._pieces_of((middle, last))
            return
        content = next((u for u in self._units[first:last] if u.kind != "heading"), unit)
        spans = [(unit.start, end)]
        if tokens > self._budget:
            spans = list(cut(self._counter, self._text, unit.start, end, unit.kind, self._budget, self._budget))
        least = self._least_of[first]
        for a, b in spans:
            count = tokens if len(spans) == 1 else self._counter.count(self._text[a:b])
            yield Piece(a, b, content.path, least, a == unit.start and unit.headed, count)
