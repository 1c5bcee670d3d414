"""Which k-shot examples a prompt shows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Literal

import numpy as np

from datagen.core.hashing import fraction
from datagen.core.record import Chunk, Sample
from datagen.generate.tfidf import Index

Selection = Literal["fixed", "random", "diverse", "nearest"]


class Shots:
    """Chooses examples for a passage.

    Args:
        pool: all there are.
        selection: ``fixed``: the first; ``random``: drawn for each passage by the seed; ``diverse``: unlike each
            other, the same for all passages; ``nearest``: those whose words are most like the passage's.
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
        if self.selection == "random":
            return self._drawn(chunk)
        if self.selection == "diverse":
            return self._diverse
        if self.selection == "nearest" and self.k:
            return self._nearest(chunk)
        return tuple(range(self.k))

    def _drawn(self, chunk: Chunk) -> tuple[int, ...]:
        """The first k places of a seeded Fisher-Yates shuffle, at the cost of k draws."""
        moved: dict[int, int] = {}
        drawn: list[int] = []
        for i in range(self.k):
            j = i + int(fraction([self.seed, chunk.id, i]) * (len(self.pool) - i))
            drawn.append(moved.get(j, j))
            moved[j] = moved.get(i, i)
        return tuple(drawn)

    @cached_property
    def _texts(self) -> list[str]:
        return ["\n".join([s.source, *(m.content for m in s.messages if m.role != "system")]) for s in self.pool]

    @cached_property
    def _index(self) -> Index:
        return Index(self._texts)

    @cached_property
    def _diverse(self) -> tuple[int, ...]:
        """Farthest-point traversal (T. Gonzalez, "Clustering to minimize the maximum intercluster distance", 1985)
        from the first example on; of equally far ones the earlier."""
        chosen: list[int] = []
        closest = np.zeros(len(self.pool))
        while len(chosen) < self.k:
            closest[chosen] = np.inf
            chosen.append(int(np.argmin(closest)))
            closest = np.maximum(closest, self._index.cosines(self._texts[chosen[-1]]).round(9))
        return tuple(chosen)

    def _nearest(self, chunk: Chunk) -> tuple[int, ...]:
        """The likest last, next to what it is like (J. Liu et al., "What makes good in-context examples for GPT-3?",
        2022); of equally like ones the earlier is the liker."""
        cosines = self._index.cosines("\n".join([*chunk.heading, chunk.text])).round(9)
        best = np.argsort(-cosines, kind="stable")[: self.k]
        return tuple(int(i) for i in best[::-1])


def shown(pool: Sequence[Sample]) -> list[str]:
    """Every instruction that prompts may show, each once, in order: a sample that repeats one was copied."""
    return list(dict.fromkeys("\n".join(m.content for m in s.messages if m.role == "user") for s in pool))
