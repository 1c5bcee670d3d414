"""A conversation as plain text, for a model that reads about it."""

from __future__ import annotations

from collections.abc import Sequence

from datagen.core.record import Message

_SPEAKERS = {"system": "System", "user": "User", "assistant": "Assistant", "tool": "Tool"}


def transcript(messages: Sequence[Message]) -> str:
    """The messages, each after its speaker; a single user message stands alone."""
    if len(messages) == 1 and messages[0].role == "user":
        return messages[0].content
    return "\n\n".join(f"{_SPEAKERS[m.role]}: {m.content}" for m in messages)
