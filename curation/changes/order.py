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
_PREPOSITIONS = frozenset("in to with via across about".split())
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
    cores: list[set[Words]] = []
    ties: Counter[tuple[Words, str, Words]] = Counter()
    tied: list[tuple[str, set[Words]]] = []
    for sentence in parts:
        anchor: Words | None = None
        waiting: list[tuple[str, Words]] = []
        owner = ""  # the preposition that a list goes on under; "" for none
        under: Words | None = None
        chunks = _chunks(sentence, same)
        for place, (marker, words) in enumerate(chunks):
            if marker == "and" and not _leads(chunks, place):
                if owner:
                    tied[-1][1].add(words)
                    _tie(ties, waiting, under, owner, words)
                elif anchor is not None:
                    cores[-1].add(words)
                else:
                    cores.append({words})
                anchor = words
            elif marker in ("", "and"):
                cores.append({words})
                for link, held in waiting:
                    ties[words, link, held] += 1
                waiting, anchor, owner = [], words, ""
            else:
                hung = tuple(chunks[place - 1][1]) if marker == "of" else anchor
                tied.append((marker, {words}))
                _tie(ties, waiting, hung, marker, words)
                owner, under = marker, hung
        for link, held in waiting:
            ties[(), link, held] += 1
    return Roles(tuple(map(frozenset, cores)), ties, [(link, frozenset(held)) for link, held in tied])


def _leads(chunks: Sequence[tuple[str, Words]], place: int) -> bool:
    """Whether a preposition follows this member of a list or a later one: it is then a part of its own, as in
    "and died in Rome"."""
    while place < len(chunks) and chunks[place][0] == "and":
        place += 1
    return place < len(chunks) and chunks[place][0] != ""


def _tie(
    ties: Counter[tuple[Words, str, Words]],
    waiting: list[tuple[str, Words]],
    anchor: Words | None,
    link: str,
    words: Words,
) -> None:
    if anchor is None:
        waiting.append((link, words))
    else:
        ties[anchor, link, words] += 1


def _chunks(sentence: Sequence[Item], same: Mapping[str, str]) -> list[tuple[str, Words]]:
    """(what introduces it, its words) of each part: a preposition, ``and`` in a list, or "" for a new part."""
    out: list[tuple[str, Words]] = []
    marker = ""
    held: list[str] = []
    for item in sentence:
        if item.kind in CONTENT:
            if key := same.get(item.key, item.key):
                held.append(key)
        elif item.text.casefold() == "of":
            if held:
                held.append("")
        elif item.kind == "link" or item.key in _PREPOSITIONS:
            out += _closed(marker, held)
            marker, held = item.key, []
        elif (item.key in _AUXILIARY and item.text != "'s") or item.key in _CLAUSE:
            out += _closed(marker, held)
            marker, held = "", []
        elif (item.key in ("and", "or") or item.kind == "comma") and held:
            opens = len(out) == 0 and marker not in ("", "and")  # "In 1972, …": the main part comes after it
            out += _closed(marker, held, lists=not opens)
            marker, held = "" if opens else "and", []
    return out + _closed(marker, held)


def _closed(marker: str, held: list[str], lists: bool = False) -> list[tuple[str, Words]]:
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
        return [*_closed(marker, held[: -len(parts[-1]) - 1]), ("of", tuple(parts[-1]))]
    return [(marker, tuple(word for part in reversed(parts) for word in part))]


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
