"""Writes prove.html: one file without script, that asks for nothing from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training import compare_words, pages
from training import prove_words as words
from training.prove_contrast import Contrast

if TYPE_CHECKING:
    from training.prove import Proof

HTML = "prove.html"


def render(found: Proof) -> str:
    """The page as HTML."""
    groups: dict[str, list[Contrast]] = {}
    for one in found.contrasts:
        title = "Held-out replies" if one.group == "replies" else one.group.removeprefix("task: ")
        groups.setdefault(f"{title}: {one.figure}", []).append(one)
    most = {title: max((pages.reach(one.by) for one in each), default=0.0) for title, each in groups.items()}
    return pages.render(
        "prove.html.j2",
        filters={
            "shown": compare_words.shown,
            "between": compare_words.between,
            "tells": words.what_would_tell,
            "style": {"helped": "better", "hurt": "worse", "unclear": "unclear"}.get,
        },
        found=found,
        headline=words.headline(found),
        leading=words.sentence(words.leading(found)),
        groups=groups,
        mark=lambda one, title: pages.mark(one.by, most[title]),
        width=pages.WIDTH,
    )
