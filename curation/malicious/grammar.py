"""The patterns of ``injection.toml``, found in a folded text by its words.

Each word is looked up once; an item of a pattern is then a list of places, and a pattern a walk from place to place
within its gaps and within a sentence. The work is linear in the text, whatever it holds.
"""

from __future__ import annotations

import functools
import hashlib
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from curation.malicious.config import Kind
from curation.malicious.finding import Signal
from curation.malicious.fold import fold

_FILE = Path(__file__).with_name("injection.toml")
_WORD = re.compile(r"\w+(?:['-]\w+)*")
_ITEM = re.compile(r"(\([^()]*\)|\S+?)(\?)?(?:\s+|$)")
_STEM = 4  # letters by which a word that may go on is looked up
_BREAKS = re.compile(r"[.!?;|]|\n\s*\n")
_PAUSES = 30  # characters between two words that no sentence goes over

Place = tuple[int, int]  # numbers of the first word and of the one after the last


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words of an item after the first; the last may be a beginning."""

    first: str
    rest: tuple[str, ...]
    open_end: bool
    item: int


@dataclass(frozen=True, slots=True)
class Pattern:
    """An order of items.

    Attributes:
        name: its rule.
        kind, weight: of the signal it gives.
        command: is it an order, which somebody else may give or describe?
        items: numbers of items, in order.
        gaps: words that may stand before each.
        needed: the same items as a set.
    """

    name: str
    kind: Kind
    weight: float
    command: bool
    items: tuple[int, ...]
    gaps: tuple[int, ...]
    needed: frozenset[int]


@dataclass(frozen=True, slots=True)
class Grammar:
    """The patterns, the phrases of their items by first word or two, and the single words of each class, folded."""

    phrases: dict[str, tuple[Phrase, ...]]
    stems: dict[str, tuple[Phrase, ...]]
    patterns: tuple[Pattern, ...]
    words: frozenset[str]
    classes: dict[str, tuple[str, ...]]
    sha256: str

    def signals(self, text: str) -> Iterator[Signal]:
        """What is found in a folded text; spans are of that text."""
        spans = [m.span() for m in _WORD.finditer(text)]
        words = [text[a:b] for a, b in spans]
        places: dict[int, list[Place]] = {}
        phrases, stems = self.phrases, self.stems
        for i, word in enumerate(words):
            for phrase in phrases.get(word, ()):
                end = i + 1 + len(phrase.rest)
                if not phrase.rest or _goes_on(phrase, words, i):
                    places.setdefault(phrase.item, []).append((i, end))
            for phrase in phrases.get(f"{word} {words[i + 1]}", ()) if i + 1 < len(words) else ():
                if _goes_on(phrase, words, i):
                    places.setdefault(phrase.item, []).append((i, i + 1 + len(phrase.rest)))
            for phrase in stems.get(word[:_STEM], ()):
                if word.startswith(phrase.first):
                    places.setdefault(phrase.item, []).append((i, i + 1))
        present = places.keys()
        sentence: list[int] = []
        for pattern in self.patterns:
            if pattern.needed <= present:
                sentence = sentence or _sentences(text, spans)
                for first, last in _walks(pattern, places, sentence):
                    start, end = spans[first][0], spans[last - 1][1]
                    share = reported(text, start) if pattern.command else 1
                    yield Signal(pattern.kind, start, end, pattern.weight * share, pattern.name, share <= 0.5)


def _goes_on(phrase: Phrase, words: Sequence[str], at: int) -> bool:
    found = words[at + 1 : at + 1 + len(phrase.rest)]
    if len(found) < len(phrase.rest):
        return False
    if phrase.open_end:
        return tuple(found[:-1]) == phrase.rest[:-1] and found[-1].startswith(phrase.rest[-1])
    return tuple(found) == phrase.rest


def _walks(pattern: Pattern, places: dict[int, list[Place]], sentence: Sequence[int]) -> Iterator[Place]:
    """Stretches of words that the pattern covers, one for each place of its first item."""
    gaps = pattern.gaps
    lists = [places[item] for item in pattern.items]
    low = [0] * len(lists)  # places come in order, so each list is read once
    for first, end in lists[0]:
        ends = {end}
        for depth in range(1, len(lists)):
            here = lists[depth]
            nearest, farthest = min(ends), max(ends) + gaps[depth]
            at = low[depth]
            while at < len(here) and here[at][0] < first:
                at += 1
            low[depth] = at
            reached = set()
            while at < len(here) and here[at][0] <= farthest:
                start, stop = here[at]
                if (
                    start >= nearest
                    and sentence[stop - 1] == sentence[first]
                    and any(before <= start <= before + gaps[depth] for before in ends)
                ):
                    reached.add(stop)
                at += 1
            ends = reached
            if not ends:
                break
        if ends:
            yield first, min(ends)


def _sentences(text: str, spans: Sequence[tuple[int, int]]) -> list[int]:
    """The number of the sentence that each word stands in."""
    out = [0] * len(spans)
    number, last = 0, 0
    for i, (start, end) in enumerate(spans):
        if start - last > 1 and (start - last > _PAUSES or _BREAKS.search(text, last, start)):
            number += 1
        out[i] = number
        last = end
    return out


@functools.cache
def grammar() -> Grammar:
    """The patterns of the file, read once in a process."""
    raw = _FILE.read_bytes()
    tree: dict[str, Any] = tomllib.loads(raw.decode())
    maker = _Maker(tree["class"])
    patterns = [pattern for entry in tree["pattern"] for pattern in maker.patterns(entry)]
    return Grammar(
        {first: tuple(found) for first, found in maker.phrases.items()},
        {first: tuple(found) for first, found in maker.stems.items()},
        tuple(patterns),
        frozenset(maker.words),
        {name: tuple(fold(w).text for w in words if w.isalpha()) for name, words in tree["class"].items()},
        hashlib.sha256(raw).hexdigest(),
    )


class _Maker:
    """Numbers items and collects their phrases."""

    def __init__(self, classes: dict[str, list[str]]) -> None:
        self._classes = classes
        self._numbers: dict[str, int] = {}
        self.phrases: dict[str, list[Phrase]] = {}
        self.stems: dict[str, list[Phrase]] = {}
        self.words: set[str] = set()

    def patterns(self, entry: dict[str, Any]) -> list[Pattern]:
        """A pattern of the file; two for each item that may be missing."""
        rows: list[list[tuple[int, int]]] = [[]]
        gap = 0
        literal: list[str] = []
        for found in [*_ITEM.finditer(entry["items"]), None]:
            item = found[1] if found else ""
            if found and item[0] not in "~(" and item not in self._classes:
                literal.append(item)  # words in a row are one item
                continue
            if literal:
                number = self._number(f"({' '.join(literal)})")
                rows = [[*row, (number, gap)] for row in rows]
                gap, literal = 0, []
            if not found:
                break
            if item[0] == "~":
                gap = int(item[1:])
                continue
            number = self._number(item)
            more = [[*row, (number, gap)] for row in rows]
            if found[2]:
                rows = [*rows, *more]
            else:
                rows, gap = more, 0
        kind = cast(Kind, entry.get("kind", "prompt_injection"))
        return [
            Pattern(
                entry["name"],
                kind,
                float(entry["weight"]),
                bool(entry.get("command", False)),
                tuple(number for number, _ in row),
                tuple(gap for _, gap in row),
                frozenset(number for number, _ in row),
            )
            for row in rows
        ]

    def _number(self, item: str) -> int:
        if item not in self._numbers:
            number = self._numbers[item] = len(self._numbers)
            inner = item[1:-1] if item[0] == "(" else item
            for words in {word for part in inner.split("|") for word in self._classes.get(part, [part])}:
                first, *rest = _WORD.findall(fold(words).text)
                open_end = words.endswith("*")
                self.words.update((first, *rest))
                phrase = Phrase(first, tuple(rest), open_end, number)
                if open_end and not rest:
                    self.stems.setdefault(first[:_STEM], []).append(phrase)
                else:
                    exact = rest and not (open_end and len(rest) == 1)
                    self.phrases.setdefault(f"{first} {rest[0]}" if exact else first, []).append(phrase)
        return self._numbers[item]


_SENTENCE = re.compile(r"[.!?;\n:]")
_NEGATED = frozenset("not never n't don't dont cannot can't won't avoid without nor no".split())
_GO_AHEAD = frozenset("please and now then just instead you also first must should or but".split())
_OTHERS = frozenset(
    "will would may might can could should must did does who that which they he she we it i models users people "
    "attackers attacker readers someone somebody developers engineers students employees by of often sometimes "
    "usually typically simply safely tried trying asks asked asking says said told tells attempts attempt".split()
)
_TO_YOU = re.compile(r"\b(?:you|need|must|have|want|order|command|instruct|required|time|like|going|is|are)\W+to$")


def reported(text: str, start: int) -> float:
    """How much an order at ``start`` counts, by the words before it in its sentence: all (1), where it begins the
    sentence or is put to "you"; little where somebody is told not to, or is said to do it."""
    before = text[max(0, start - 60) : start]
    cut = [m.end() for m in _SENTENCE.finditer(before)]
    before = before[cut[-1] if cut else 0 :].strip(" \"'`*>-#(),\t")
    words = before.split()
    if not words:
        return 1.0
    last, earlier = words[-1].strip("\"',*"), words[-2].strip("\"',*") if len(words) > 1 else ""
    if any(word.strip("\"',*") in _NEGATED or word.endswith("n't") for word in words[-3:]):
        return 0.3
    if last == "to":
        return 1.0 if _TO_YOU.search(before) else 0.45
    if last in _GO_AHEAD:
        return 0.4 if last in ("must", "should", "just", "also") and earlier in _OTHERS else 1.0
    if "you" in words[-3:]:
        return 1.0
    return 0.5 if last in _OTHERS else 0.9
