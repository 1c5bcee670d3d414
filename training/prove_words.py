"""A proof in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.compare_words import between, shown
from training.prove_contrast import Contrast

if TYPE_CHECKING:
    from training.prove import Proof

WANTED = (("raw", "curated"), ("base", "curated"), ("gold", "curated"))
"""The contrasts that answer what is asked first, by their worth."""


def headline(found: Proof) -> str:
    """The one answer."""
    one = leading(found)
    told = {
        "helped": f"{one.after} helped, against {one.before}",
        "hurt": f"{one.after} hurt, against {one.before}",
        "unclear": f"Whether {one.after} helped, against {one.before}, is unclear",
    }[one.verdict]
    return told[0].upper() + told[1:]


def leading(found: Proof) -> Contrast:
    """The contrast that is named first: curated against raw, else the last arm against the one before it."""
    loss = {(one.before, one.after): one for one in found.contrasts if one.group == "replies"}
    for pair in WANTED[:1]:
        if pair in loss:
            return loss[pair]
    names = [arm.name for arm in found.arms]
    return loss[names[-2], names[-1]]


def sentences(found: Proof) -> list[str]:
    """Each contrast of the loss."""
    return [sentence(one) for one in found.contrasts if one.group == "replies"]


def sentence(one: Contrast) -> str:
    """One contrast, and where it is unclear what would tell."""
    inside = f" ({between(one.by, sign=True)})" if between(one.by) else ""
    told = f"{one.after} against {one.before}: {one.verdict}, {one.figure} {shown(one.by.value, sign=True)}{inside}."
    return f"{told} {what_would_tell(one)}".strip()


def what_would_tell(one: Contrast) -> str:
    """What it would take, for a contrast that is unclear."""
    if one.verdict != "unclear" or len(one.each_seed) < 2:
        return ""
    if one.by.value == 0:
        return "Both do exactly the same."
    if one.needed is None:
        return "A difference this small could not be told with 30 seeds and 100 times the rows."
    rows = f" and {one.needed.rows} test rows" if one.needed.rows > one.by.rows else ""
    return f"To tell a difference of this size in 4 of 5 tries takes about {one.needed.seeds} seeds{rows}."
