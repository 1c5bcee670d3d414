"""A comparison in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from training.bootstrap import Interval
from training.compare_figures import Change, Line
from training.evaluate_models import BASE, DPO, NAMES, SFT

if TYPE_CHECKING:
    from training.compare import Comparison, Wins

GROUPS = {
    "replies": "held-out replies",
    "documents": "held-out documents",
    "general": "general text",
    "style": "style",
}


def shown(value: float | None, *, sign: bool = False) -> str:
    """A figure with three digits that tell, as in ``0.0123`` or ``-1.23``; a real minus sign."""
    if value is None:
        return "–"
    size = abs(value)
    plain = f"{size:,.0f}" if size >= 1000 else f"{size:.4f}" if 0 < size < 1e-3 else f"{size:.3g}"
    if not plain.strip("0.,"):
        return "0"
    return ("−" if value < 0 else "+" if sign else "") + plain


def between(found: Interval, *, sign: bool = False) -> str:
    """An interval, as in ``0.1 to 0.3``; empty without one."""
    if found.low is None or found.high is None:
        return ""
    return f"{shown(found.low, sign=sign)} to {shown(found.high, sign=sign)}"


def headline(found: Comparison) -> str:
    """What it comes to."""
    last = found.models[-1]
    change = _change(found.lines, "replies", BASE, last)
    if change is None:
        return "The answers, side by side"
    name = NAMES[last]
    return {
        "better": f"{name} is closer to the held-out replies than its base",
        "worse": f"{name} is further from the held-out replies than its base",
        "unclear": f"Whether {name} is closer to the held-out replies than its base is unclear",
    }[change.verdict]


def sentences(found: Comparison) -> list[str]:
    """What the figures say, the most telling first."""
    told: list[str] = []
    for after, before in ((SFT, BASE), (DPO, SFT)):
        change = _change(found.lines, "replies", before, after)
        if change is not None:
            told.append(f"Loss on held-out replies, {NAMES[after]} against {NAMES[before]}: {_moved(change)}.")
    last = found.models[-1]
    change = _change(found.lines, "documents", BASE, last)
    if change is not None:
        told.append(f"Perplexity of held-out documents, {NAMES[last]} against base: {_moved(change)}.")
    told += [_tasks(found.lines, last)] if _tasks(found.lines, last) else []
    change = _change(found.lines, "style", BASE, last)
    if change is not None:
        told.append(f"Distance from the author's style, {NAMES[last]} against base: {_moved(change)}.")
    change = _change(found.lines, "general", BASE, last)
    if change is not None:
        told.append(_forgot(change, NAMES[last]))
    told += [_won(one) for one in found.wins]
    return told


def _moved(change: Change) -> str:
    by = change.by
    if by.value is None:
        return "not to be told"
    inside = f" ({between(by, sign=True)})" if between(by) else ""
    return f"{shown(by.value, sign=True)}{inside}, {change.verdict}"


def _tasks(lines: Sequence[Line], last: str) -> str:
    counted = {"better": 0, "worse": 0, "unclear": 0}
    for one in lines:
        if one.group.startswith("task: "):
            for change in one.changes:
                if (change.before, change.after) == (BASE, last):
                    counted[change.verdict] += 1
    if not any(counted.values()):
        return ""
    parts = ", ".join(f"{count} {name}" for name, count in counted.items() if count)
    return f"Answers against their references, {NAMES[last]} against base: of {sum(counted.values())} figures {parts}."


def _forgot(change: Change, name: str) -> str:
    if change.verdict == "worse":
        return f"Something was forgotten: on general text the loss of {name} rose, {_moved(change)}."
    if change.verdict == "better":
        return f"Nothing was forgotten: on general text the loss of {name} even fell, {_moved(change)}."
    return f"No sign that anything was forgotten: the loss of {name} on general text, {_moved(change)}."


def _won(one: Wins) -> str:
    whom = f"{NAMES[one.after]} against {NAMES[one.before]}"
    if one.rate.value is None:
        return f"The judge decided nothing on {whom}."
    inside = f" ({one.rate.low:.0%} to {one.rate.high:.0%})" if one.rate.low is not None else ""
    agreed = "" if one.consistent is None else f"; both orders agree in {one.consistent:.0%}"
    return f"The judge, {whom}: wins {one.rate.value:.0%}{inside}{agreed}."


def _change(lines: Sequence[Line], group: str, before: str, after: str) -> Change | None:
    for one in lines:
        if one.group == group:
            for change in one.changes:
                if (change.before, change.after) == (before, after):
                    return change
    return None
