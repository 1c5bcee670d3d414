"""Whether words that stand in another order still say the same: who did what to whom, when and where.

A sentence is cut at prepositions, auxiliary verbs, conjunctions and commas. What a preposition introduces hangs on the
part before it (on the one after it, where the sentence begins with it); what a list holds hangs where its first member
hangs. Two sentences whose parts hang together in the same way, with the parts that hang on nothing in the same order,
say the same, though a list was turned round, a date moved to the front or "the capital of France" became "France's
capital". Everything else counts as a change of roles: a rule this simple must not guess.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from curation.changes.reading import Item

CONTENT = frozenset(("word", "number", "date", "unit", "negation", "marker", "code", "sign"))
_AUXILIARY = frozenset("is has do can will may should".split())
_CLAUSE = frozenset("which while when where what if because though whereas why how but thus".split())
_PREPOSITIONS = frozenset("such in to with via across about".split())
MOST = 400  # parts of a text whose order is weighed

Words = tuple[str, ...]


class Roles(NamedTuple):
    """How the parts of a text hang together.

    Attributes:
        cores: parts that hang on nothing, in order, each a list whose members have no order.
        ties: (what it hangs on, preposition, part) of each other part, counted.
        tied: those parts in order, each run of a list as one.
    """

    cores: tuple[frozenset[Words], ...]
    ties: Counter[tuple[Words, str, Words]]
    tied: list[tuple[str, frozenset[Words]]]


def content(items: Sequence[Item], same: Mapping[str, str] = {}) -> list[str]:
    """The keys of the items that say something; ``same`` gives a key another form."""
    return [key for i in items if i.kind in CONTENT and (key := same.get(i.key, i.key))]


def sentences(items: Sequence[Item]) -> list[list[Item]]:
    """The items of each sentence."""
    out: list[list[Item]] = [[]]
    for item in items:
        if item.kind != "end":
            out[-1].append(item)
        elif out[-1]:
            out.append([])
    return out if out[-1] else out[:-1]


def same_roles(a: Sequence[Item], b: Sequence[Item], same: Mapping[str, str]) -> bool:
    """Whether two rows of items with the same content words, in another order, say the same."""
    first, second = sentences(a), sentences(b)
    here = Counter(tuple(content(s, same)) for s in first)
    there = Counter(tuple(content(s, same)) for s in second)
    if here == there:
        return True  # whole sentences moved
    rest_a = [s for s in first if not there[tuple(content(s, same))]]
    rest_b = [s for s in second if not here[tuple(content(s, same))]]
    one, two = roles(rest_a, same), roles(rest_b, same)
    if max(len(one.tied), len(one.cores)) > MOST:
        return False
    return one.cores == two.cores and one.ties == two.ties and one_moved(one.tied, two.tied)


def roles(parts: Sequence[Sequence[Item]], same: Mapping[str, str]) -> Roles:
    """How the parts of some sentences hang together."""
    found = _Roles()
    for sentence in parts:
        found.sentence(_chunks(sentence, same))
    tied = [(link, frozenset(held)) for link, held in found.tied]
    return Roles(tuple(map(frozenset, found.cores)), found.ties, tied)


class _Chunk(NamedTuple):
    """A part: what introduces it (a preposition, ``and`` in a list, ``(`` in brackets, "" for a new part), its words,
    and whether a comma or "and" stood before its preposition."""

    marker: str
    words: Words
    parted: bool = False


class _Roles:
    """Takes sentences in, part by part."""

    def __init__(self) -> None:
        self.cores: list[set[Words]] = []
        self.ties: Counter[tuple[Words, str, Words]] = Counter()
        self.tied: list[tuple[str, set[Words]]] = []

    def sentence(self, chunks: Sequence[_Chunk]) -> None:
        anchor: Words | None = None  # what the next preposition hangs on
        owner: tuple[Words | None, str] | None = None  # what a list hangs on, and by which preposition
        bracketed: Words = ()
        first: _Chunk | None = None  # begins the sentence with a preposition and hangs on what comes after it
        for place, chunk in enumerate(chunks):
            before = chunks[place - 1] if place else None
            if chunk.marker == "(":
                if before is not None and before.marker != "(":
                    bracketed = before.words
                self.ties[bracketed, "(", chunk.words] += 1
            elif chunk.marker == "and" and not _leads(chunks, place):
                if owner is not None:
                    self.tied[-1][1].add(chunk.words)
                    self.ties[owner[0] or (), owner[1], chunk.words] += 1
                elif anchor is not None:
                    self.cores[-1].add(chunk.words)
                else:
                    self.cores.append({chunk.words})
                anchor = chunk.words
            elif chunk.marker in ("", "and"):
                self.cores.append({chunk.words})
                if first is not None:
                    self.ties[chunk.words, first.marker, first.words] += 1
                first, anchor, owner = None, chunk.words, None
            else:
                if chunk.parted and before is not None and before.marker not in ("", "and"):
                    self.tied.append(("|", set()))  # in 1990 in Rome and in 1992 in Paris: a list of pairs
                hung = before.words if before is not None and (chunk.marker == "of" or anchor is None) else anchor
                self.tied.append((chunk.marker, {chunk.words}))
                if hung is None:
                    first = chunk
                else:
                    self.ties[hung, chunk.marker, chunk.words] += 1
                owner = (hung, chunk.marker)
        if first is not None:
            self.ties[(), first.marker, first.words] += 1


def _leads(chunks: Sequence[_Chunk], place: int) -> bool:
    """Whether a preposition follows this member of a list or a later one: it is then a part of its own, as in
    "and died in Rome"."""
    while place < len(chunks) and chunks[place].marker in ("and", "("):
        place += 1
    return place < len(chunks) and chunks[place].marker != "" and not chunks[place].parted


def _chunks(sentence: Sequence[Item], same: Mapping[str, str]) -> list[_Chunk]:
    """The parts of a sentence."""
    out: list[_Chunk] = []
    marker = ""
    held: list[str] = []
    inside = parted = False

    def close(lists: bool = False) -> None:
        out.extend(_closed(marker, held, parted, lists))
        held.clear()

    for item in sentence:
        if item.kind in CONTENT:
            if key := same.get(item.key, item.key):
                held.append(key)
        elif item.text.casefold() == "of":
            if held:
                held.append("")
        elif item.text == "(":
            close()
            marker, parted, inside = "(", False, True
        elif item.text == ")":
            close()
            marker, parted, inside = "and", False, False
        elif inside:
            if item.key in ("and", "or") or item.kind in ("comma", "link"):
                close()
        elif item.kind == "link" or item.key in _PREPOSITIONS:
            parts = bool(held)
            close()
            marker, parted = item.key, marker == "and" and not parts
        elif (item.key in _AUXILIARY and item.text != "'s") or item.key in _CLAUSE:
            close()
            marker, parted = "", False
        elif (item.key in ("and", "or") or item.kind == "comma") and held:
            opens = not out and marker not in ("", "and")  # "In 1972, …": the main part comes after it
            close(lists=not opens)
            marker, parted = "" if opens else "and", False
    close()
    return out


def _closed(marker: str, held: Sequence[str], parted: bool, lists: bool) -> list[_Chunk]:
    """The part, with "Y of X" turned into "X Y"; before a list, "of X" is a part of its own."""
    if not held:
        return []
    parts: list[list[str]] = [[]]
    for word in held:
        if word:
            parts[-1].append(word)
        else:
            parts.append([])
    if lists and marker != "and" and len(parts) > 1 and parts[-1]:
        return [*_closed(marker, held[: -len(parts[-1]) - 1], parted, False), _Chunk("of", tuple(parts[-1]))]
    return [_Chunk(marker, tuple(word for part in reversed(parts) for word in part), parted)]


def one_moved(a: list[tuple[str, frozenset[Words]]], b: list[tuple[str, frozenset[Words]]]) -> bool:
    """Whether b is a with at most one member somewhere else."""
    if len(a) != len(b):
        return False
    begin = 0
    while begin < len(a) and a[begin] == b[begin]:
        begin += 1
    end = len(a)
    while end > begin and a[end - 1] == b[end - 1]:
        end -= 1
    x, y = a[begin:end], b[begin:end]
    return x == y or x[1:] + x[:1] == y or x[-1:] + x[:-1] == y
