"""How a task's passages are shown to a model: fenced, so that their text can neither end nor forge a fence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from datagen.core.record import Task
from datagen.llm.fence import fence

MOST_LINES = 60
LINE = 240  # characters


def passages(task: Task) -> list[dict[str, str]]:
    """What a prompt says of each passage: ``title``, ``heading``, ``text`` and its ``fence``."""
    chunks = (task.chunk, *task.related)
    together = "\n".join(chunk.text for chunk in chunks)
    return [
        {
            "title": line(chunk.title),
            "heading": line(" > ".join(chunk.heading)),
            "text": chunk.text,
            "fence": fence("passage" if place == 0 else f"passage_{place + 1}", together),
        }
        for place, chunk in enumerate(chunks)
    ]


def listed(texts: Sequence[str], name: str) -> dict[str, Any]:
    """A list of instructions, one a line, the last :data:`MOST_LINES`: ``lines`` and their ``fence``."""
    lines = [line(text) for text in texts[-MOST_LINES:]]
    return {"lines": lines, "fence": fence(name, "\n".join(lines))}


def line(text: str) -> str:
    """A text on one line, cut at :data:`LINE` characters."""
    joined = " ".join(text.split())
    return joined if len(joined) <= LINE else joined[: LINE - 1] + "…"
