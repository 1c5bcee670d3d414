"""What was changed between two rows of items, and of what kind it is."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from curation.changes.lexicon import opposed, stem, strong
from curation.changes.reading import Item

MOST = 60  # words of a side that are compared one by one with those of the other
VALUES = {
    "number": "number",
    "date": "date",
    "unit": "unit",
    "negation": "negation",
    "marker": "number or negation",
    "code": "name",
    "sign": "sign",
}


class Difference(NamedTuple):
    """What one text has that the other has not, once what says the same is paired off.

    Attributes:
        fact: the fact that differs, in words; "" where none does.
        lost, gained: words of the first and of the second text alone, other than function words.
        links: whether prepositions differ.
        bent: words that differ in their ending alone.
        typos: words that differ in one letter.
        small: whether function words differ.
        same: key → the key that says the same (typos and inflected forms), "" for one of a mere function word.
    """

    fact: str
    lost: list[Item]
    gained: list[Item]
    links: bool
    bent: int
    typos: int
    small: bool
    same: dict[str, str]


def difference(a: Sequence[Item], b: Sequence[Item], common: Callable[[str], bool]) -> Difference:
    """Compare two rows of items whatever their order.

    Args:
        common: whether a lower-case word is known as one; two known words are never a typo of each other.
    """
    first, second = Counter(i.key for i in a), Counter(i.key for i in b)
    over, under = first - second, second - first
    lost, gained = _left(a, over, b), _left(b, under, a)
    same: dict[str, str] = {}
    typos = bent = 0
    typos += _drop_joined(lost, gained, same)
    for here in list(lost[:MOST]):
        for there in gained[:MOST]:
            kind = _alike(here, there, common)
            if kind:
                typos += kind == "typo"
                bent += kind == "bent"
                if here.kind in _SMALL or there.kind in _SMALL:
                    same[there.key if here.kind in _SMALL else here.key] = ""
                else:
                    same[there.key] = here.key
                for taken in (_take(lost, here), _take(gained, there)):
                    if taken:
                        same[taken] = ""
                break
    if _only_one(lost) and _only_one(gained):  # "one" for "a", or as a pronoun
        lost, gained = ([i for i in side if i.kind != "number"] for side in (lost, gained))
        same["1"] = ""
    fact = _value(lost, gained) or _opposite(lost, gained) or _claim(lost, gained)
    words = [[i for i in side if i.kind == "word"] for side in (lost, gained)]
    if not fact:
        fact = _name(words[0], words[1], a, b)
    links = any(i.kind == "link" for i in (*lost, *gained))
    small = any(i.kind == "stop" for i in (*lost, *gained))
    return Difference(fact, words[0], words[1], links, bent, typos, small, same)


def _take(items: list[Item], item: Item) -> str:
    """Remove an item, and the negation that was written in one word with it, whose key is returned."""
    items.remove(item)
    for other in items:
        if other.text == item.text and other.kind == "negation":
            items.remove(other)
            return other.key
    return ""


def _left(items: Sequence[Item], counts: Counter[str], other: Sequence[Item]) -> list[Item]:
    """The items that the other side has not; of several with one key those that are written as none there."""
    found = [(place, item) for place, item in enumerate(items) if counts.get(item.key) and item.kind not in _SILENT]
    written = {item.text.casefold() for item in other} if found else set()
    found.sort(key=lambda one: one[1].text.casefold() in written)
    left = dict(counts)
    out = []
    for place, item in found:
        if left[item.key]:
            left[item.key] -= 1
            out.append((place, item))
    return [item for _, item in sorted(out)]


_SILENT = frozenset(("comma", "end"))
_SMALL = frozenset(("stop", "link"))


def _drop_joined(lost: list[Item], gained: list[Item], same: dict[str, str]) -> int:
    """Take out words written together on one side and apart on the other; how many there were."""
    found = 0
    for one, two in ((lost, gained), (gained, lost)):
        joined = {a.key + b.key: (a, b) for a, b in itertools.pairwise(two) if {a.kind, b.kind} <= _LETTERS}
        for item in list(one[:MOST]) if joined else ():
            a, b = joined.get(item.key, (item, item))
            if a is not item and item.kind in _LETTERS and a in two and b in two:
                one.remove(item)
                two.remove(a)
                two.remove(b)
                found += 1
                same[a.key], same[b.key] = item.key, ""
    return found


_LETTERS = frozenset(("word", "stop", "link", "code"))


def _alike(a: Item, b: Item, common: Callable[[str], bool]) -> str:
    """``typo``, ``bent`` or "" for two items of which each stands on one side alone."""
    first, second = a.text.casefold(), b.text.casefold()
    if a.kind == b.kind == "word" and stem(a.key) == stem(b.key) and not opposed(a.key, b.key):
        return "bent"
    if not {a.kind, b.kind} & _FREE or (a.key.isdigit() and b.key.isdigit()):
        return ""
    plain = _letters(first)
    if plain == _letters(second) and len(plain) > 2:
        return "typo"
    if not (first.isalpha() and second.isalpha()) or min(len(first), len(second)) < 3 or not one_apart(first, second):
        return ""
    if opposed(a.key, b.key) or (common(first) and common(second)):
        return ""
    return "typo"


_FREE = frozenset(("word", "code"))


def _letters(text: str) -> str:
    return "" if any(c.isdigit() for c in text) else "".join(c for c in text if c.isalnum())


def one_apart(a: str, b: str) -> bool:
    """Whether one insertion, deletion, substitution or swap of neighbours makes b of a (F. Damerau, 1964)."""
    if abs(len(a) - len(b)) > 1:
        return False
    begin = 0
    while begin < min(len(a), len(b)) and a[begin] == b[begin]:
        begin += 1
    if len(a) == len(b):
        rest = slice(begin + 1, None)
        return a[rest] == b[rest] or (
            a[begin : begin + 2] == b[begin : begin + 2][::-1] and a[begin + 2 :] == b[begin + 2 :]
        )
    return a[begin + 1 :] == b[begin:] if len(a) > len(b) else a[begin:] == b[begin + 1 :]


def _value(lost: list[Item], gained: list[Item]) -> str:
    for kind, name in VALUES.items():
        here, there = ([i for i in side if i.kind == kind] for side in (lost, gained))
        if kind == "unit":  # "a minute" and "5 minutes" are words too: a unit counts beside a word of the same name
            there_words, here_words = ({i.text.casefold() for i in side} for side in (gained, lost))
            here = [i for i in here if i.text.casefold() not in there_words]
            there = [i for i in there if i.text.casefold() not in here_words]
        if here or there:
            return f"{name}: {_shown(here)} → {_shown(there)}"
    return ""


def _only_one(items: list[Item]) -> bool:
    return all(i.text.casefold() == "one" for i in items if i.kind == "number")


def _opposite(lost: list[Item], gained: list[Item]) -> str:
    for here in lost[:MOST]:
        for there in gained[:MOST]:
            if opposed(here.key, there.key) or opposed(here.text.casefold(), there.text.casefold()):
                return f"opposites: {_shown([here])} → {_shown([there])}"
    return ""


def _claim(lost: list[Item], gained: list[Item]) -> str:
    here, there = ([i for i in side if strong(i.text.casefold())] for side in (lost, gained))
    return f"quantity: {_shown(here)} → {_shown(there)}" if here or there else ""


def _name(lost: list[Item], gained: list[Item], a: Sequence[Item], b: Sequence[Item]) -> str:
    here, there = _names(lost, a), _names(gained, b)
    return f"name: {_shown(here)} → {_shown(there)}" if here or there else ""


def _names(words: list[Item], items: Sequence[Item]) -> list[Item]:
    """Those of the words that are written as names: with a capital, where no sentence begins.

    Where most words have one, as in a title, capitals say nothing.
    """
    capital = [w for w in words if w.text[:1].isupper()]
    if not capital:
        return []
    every = [i for i in items if i.kind == "word"]
    if len(every) > 3 and sum(i.text[:1].isupper() for i in every) > 0.8 * len(every):
        return []
    first = {id(items[i]) for i in range(len(items)) if i == 0 or items[i - 1].kind == "end"}
    return [w for w in capital if id(w) not in first]


def _shown(items: list[Item]) -> str:
    return " ".join(i.text for i in items[:6])[:80] or "nothing"
