"""Finds, for a passage, another one that a question can join to it."""

from __future__ import annotations

from collections.abc import Sequence

from datagen.core.record import Chunk


class Related:
    """Passages among which partners are looked for.

    Args:
        chunks: a shard's, in document order.
    """

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self.chunks = chunks

    def of(self, chunk: Chunk) -> Chunk | None:
        """The passage most related to ``chunk`` and not itself, or None where none has anything to do with it."""
        others = [c for c in self.chunks if c.id != chunk.id and c.path == chunk.path]
        return others[0] if others else None
