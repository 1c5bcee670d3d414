"""Writes compare.html: one file, that asks for nothing from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training import compare_words as words
from training import pages
from training.compare_figures import Line
from training.evaluate_models import NAMES

if TYPE_CHECKING:
    from training.compare import Comparison

HTML = "compare.html"
TITLES = {"replies": "Held-out replies", "documents": "Held-out documents", "general": "General text", "style": "Style"}


def render(found: Comparison) -> str:
    """The page as HTML."""
    groups: dict[str, list[Line]] = {}
    for one in found.lines:
        groups.setdefault(one.group, []).append(one)
    given = sum(not one.reference and not one.id for one in found.shown)
    return pages.render(
        "compare.html.j2",
        script="compare.js",
        filters={"shown": words.shown, "between": words.between},
        found=found,
        names=NAMES,
        headline=words.headline(found),
        sentences=words.sentences(found),
        groups={TITLES.get(name, name.removeprefix("task: ")): lines for name, lines in groups.items()},
        families=sorted({one.family for one in found.shown if one.family}),
        given=given,
        mark=lambda change, line: pages.mark(change.by, max((pages.reach(c.by) for c in line.changes), default=0.0)),
        width=pages.WIDTH,
    )
