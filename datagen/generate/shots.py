"""Which k-shot examples a prompt shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from datagen.core.hashing import fraction
from datagen.core.record import Chunk, Sample

Selection = Literal["fixed", "random", "diverse", "nearest"]


class Shots:
    """Chooses examples for a passage.

    Args:
        pool: all there are.
        selection: how.
        k: how many, at most.
        seed: of random draws.
    """

    def __init__(self, pool: Sequence[Sample], selection: Selection, k: int, seed: int) -> None:
        self.pool = pool
        self.selection = selection
        self.k = min(k, len(pool))
        self.seed = seed

    def choose(self, chunk: Chunk) -> tuple[int, ...]:
        """Positions in the pool, in the order in which they are shown."""
        places = range(len(self.pool))
        if self.selection == "random":
            return tuple(sorted(places, key=lambda i: fraction([self.seed, chunk.id, i]))[: self.k])
        return tuple(places[: self.k])
