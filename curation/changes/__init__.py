"""What differs between two texts: a fact, the wording, or nothing that matters.

Two samples that differ in a number, a date, a unit, a name, a negation or in who did what to whom are no duplicates,
however similar they are. The rules are those of English; numbers, signs, names in code and negations are seen in other
languages too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from curation.changes.compare import difference
from curation.changes.lexicon import known
from curation.changes.order import content, same_roles
from curation.changes.reading import read

Kind = Literal["same", "trivial", "rewording", "fact"]


class Change(NamedTuple):
    """What became of a text.

    Attributes:
        kind: ``same`` (but for how it is written: case, punctuation, formats of a value), ``trivial`` (a typo, an
            ending, function words), ``rewording`` (other words, or their order where it changes no role), ``fact``.
        fact: the fact that differs, as in ``"number: 3 → 4"``; "" where none does.
        lost, gained: content words of one text alone, in order.
        moved: whether words stand in another order.
        links: whether prepositions differ.
    """

    kind: Kind
    fact: str = ""
    lost: tuple[str, ...] = ()
    gained: tuple[str, ...] = ()
    moved: bool = False
    links: bool = False


_SAME = Change("same")


def change(a: str, b: str, common: Callable[[str], bool] = known) -> Change:
    """What differs between two texts.

    Args:
        common: whether a lower-case word is known as one: two known words are never a typo of each other. The
            default knows function words and the words of opposites alone.
    """
    if a == b:
        return _SAME
    if min(len(a), len(b)) > _LONG:
        a, b = _middle(a, b)
    first, second = read(a), read(b)
    if [i.key for i in first if i.kind not in _SILENT] == [i.key for i in second if i.kind not in _SILENT]:
        return _SAME
    found = difference(first, second, common)
    if found.fact:
        return Change("fact", found.fact)
    lost, gained = tuple(i.text for i in found.lost), tuple(i.text for i in found.gained)
    same = dict(found.same)
    alone: set[str] = set()
    if len(lost) == len(gained):  # a word for a word: each stands for the other
        same |= {there.key: here.key for here, there in zip(found.lost, found.gained, strict=True)}
    else:
        alone = {i.key for i in (*found.lost, *found.gained)}
    here = [key for key in content(first, same) if key not in alone]
    there = [key for key in content(second, same) if key not in alone]
    moved = here != there
    if moved:
        rest_a = [i for i in first if i.key not in alone] if alone else first
        rest_b = [i for i in second if i.key not in alone] if alone else second
        if not same_roles(rest_a, rest_b, same):
            return Change("fact", _order(here, there), lost, gained, moved, found.links)
    kind: Kind = "rewording" if moved or lost or gained or found.links else "trivial"
    return Change(kind, "", lost, gained, moved, found.links)


def fact_change(a: str, b: str) -> str:
    """The fact in which two texts differ, in a few plain words, as in ``"number: 3 → 4"``; "" where none does."""
    return change(a, b).fact


def kind_of_change(a: str, b: str) -> Kind:
    """``same``, ``trivial``, ``rewording`` or ``fact``: see :class:`Change`."""
    return change(a, b).kind


_LONG = 600  # characters from which it pays to leave out what two texts begin and end with


def _middle(a: str, b: str) -> tuple[str, str]:
    """The two texts without the whole lines and sentences that both begin or end with."""
    begin = _shared(a, b)
    while begin and not _ends(a, begin):
        begin = max(a.rfind("\n", 0, begin - 1), a.rfind(". ", 0, begin - 1)) + 1
    a, b = a[begin:], b[begin:]
    end = _shared(a[::-1], b[::-1])
    if end:
        found = [p for mark in ("\n", ". ") if (p := a.find(mark, len(a) - end)) >= 0]
        end = len(a) - min(found) - 1 if found else 0
    return (a[:-end], b[:-end]) if end else (a, b)


def _ends(text: str, place: int) -> bool:
    return text[place - 1] == "\n" or (text[place - 1] == "." and text[place : place + 1] in (" ", ""))


def _shared(a: str, b: str) -> int:
    """How many characters two texts begin with alike, by halving."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        half = (low + high + 1) // 2
        if a[low:half] == b[low:half]:
            low = half
        else:
            high = half - 1
    return low


_SILENT = frozenset(("comma", "end"))


def _order(here: list[str], there: list[str]) -> str:
    """The words around the first place at which the order differs."""
    place = next((i for i, (a, b) in enumerate(zip(here, there, strict=False)) if a != b), min(len(here), len(there)))
    shown = (" ".join(side[max(0, place - 1) : place + 3])[:60] for side in (here, there))
    return "order of roles: " + " → ".join(shown)
