"""What was planned, made and kept of each attribute, and how much of the documents the samples rest on."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import Any

from datagen.core.hashing import fraction
from datagen.core.record import Chunk, Sample, Task

DISTINCT_AT_MOST = 10_000
"""Kept samples of which distinct-n is counted, drawn by id where there are more."""
NGRAMS = (1, 2, 3)
_WORD = re.compile(r"\w+")
_PLANNED, _MADE, _KEPT = 0, 1, 2

Key = tuple[str, str, str]  # recipe, attribute, value


class Coverage:
    """Feed it with chunks, tasks and samples in the order of the run, then :meth:`finish`.

    Memory: three small numbers a chunk, and the n-grams of at most 10,000 instructions.
    """

    def __init__(self) -> None:
        self._counts: dict[Key, list[int]] = defaultdict(lambda: [0, 0, 0])
        self._owed: Counter[str] = Counter()
        self._made: Counter[str] = Counter()
        self._kept: Counter[str] = Counter()
        self._chunks: dict[str, tuple[str, int]] = {}
        self._stage: dict[str, int] = {}
        self._instructions: list[tuple[float, str]] = []

    def chunk(self, chunk: Chunk) -> None:
        """A chunk, screened."""
        if chunk.verdict is None:
            self._chunks[chunk.id] = (chunk.path, chunk.end - chunk.start)

    def task(self, task: Task) -> None:
        """Something that was asked for."""
        self._owed[task.recipe] += task.samples
        for slot in task.slots:
            for name, value in slot.items():
                self._counts[task.recipe, name, value][_PLANNED] += 1
        self._reached(task.chunk.id, _PLANNED)

    def sample(self, sample: Sample) -> None:
        """A sample after the last stage."""
        kept = sample.verdict is None
        self._made[sample.recipe] += 1
        self._kept[sample.recipe] += kept
        for name, value in sample.attributes.items():
            found = self._counts[sample.recipe, name, value]
            found[_MADE] += 1
            found[_KEPT] += kept
        for chunk in (sample.lineage.chunk, *(related[1] for related in sample.lineage.related)):
            self._reached(chunk, _KEPT if kept else _MADE)
        if kept and sample.rejected is None:
            told = next((m.content for m in sample.messages if m.role == "user"), "")
            self._instructions.append((fraction(sample.id), told[:1_000]))
            if len(self._instructions) >= 2 * DISTINCT_AT_MOST:
                self._thin()

    def _thin(self) -> None:
        self._instructions.sort()
        del self._instructions[DISTINCT_AT_MOST:]

    def _reached(self, chunk: str, stage: int) -> None:
        self._stage[chunk] = max(self._stage.get(chunk, -1), stage)

    def used(self) -> Counter[str]:
        """Characters of each document that lie in a chunk on which a kept sample rests."""
        found: Counter[str] = Counter()
        for chunk, (path, characters) in self._chunks.items():
            if self._stage.get(chunk) == _KEPT:
                found[path] += characters
        return found

    def finish(self) -> dict[str, Any]:
        """The figures as plain values.

        Returns:
            ``recipes``: ``[{"recipe", "planned", "made", "kept"}]``; ``attributes``: ``[{"recipe", "name", "values":
            [{"value", "planned", "made", "kept"}]}]``; ``chunks``: how many were asked about, and what became of
            them; ``distinct``: distinct-n of the kept instructions (J. Li et al. 2016: different n-grams over all).
        """
        stages = Counter(self._stage.get(chunk, -1) for chunk in self._chunks)
        return {
            "recipes": [
                {"recipe": name, "planned": self._owed[name], "made": self._made[name], "kept": self._kept[name]}
                for name in sorted({*self._owed, *self._made})
            ],
            "attributes": self._attributes(),
            "chunks": {
                "all": len(self._chunks),
                "used": stages[_KEPT],
                "nothing_kept": stages[_MADE],
                "nothing_made": stages[_PLANNED],
                "not_planned": stages[-1],
            },
            "distinct": self._distinct(),
        }

    def _attributes(self) -> list[dict[str, Any]]:
        grouped: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        for (recipe, name, value), (planned, made, kept) in sorted(self._counts.items()):
            grouped[recipe, name].append({"value": value, "planned": planned, "made": made, "kept": kept})
        return [
            {"recipe": recipe, "name": name, "values": values}
            for (recipe, name), values in grouped.items()
            if any(value["planned"] for value in values)  # others are notes of a recipe, not of the plan
        ]

    def _distinct(self) -> dict[str, Any]:
        self._thin()
        different: dict[int, set[tuple[str, ...]]] = {n: set() for n in NGRAMS}
        total: Counter[int] = Counter()
        for _, text in self._instructions:
            words = _WORD.findall(text.casefold())
            for n in NGRAMS:
                grams = list(zip(*(words[i:] for i in range(n)), strict=False))
                different[n].update(grams)
                total[n] += len(grams)
        shares = {str(n): round(len(different[n]) / total[n], 4) for n in NGRAMS if total[n]}
        return {"samples": len(self._instructions), **shares}
