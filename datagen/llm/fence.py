"""Fences around hostile text in a prompt."""

from __future__ import annotations

from datagen.core.hashing import digest


def fence(name: str, text: str) -> str:
    """A tag name that the text cannot close: ``name``, or ``name-HASH`` where the text holds that tag.

    The hash depends on the text, so whoever writes the text cannot know it without changing it.
    """
    tag = name
    lowered = text.lower()
    while f"<{tag}" in lowered or f"</{tag}" in lowered:
        tag = f"{name}-{digest([tag, text], 10)}"
    return tag
