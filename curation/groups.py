"""What one group of records that are compared with each other remembers."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from curation.clusters import METHODS, Clusters, Pairs, ranks, resolve
from curation.index import Guard, Index, Match, differs
from curation.sketch import Compare, text_of
from datagen.core.record import AnyRecord, Chunk, Sample


@dataclass(frozen=True, slots=True)
class Drop:
    """Why a record is dropped: it is like ``match``, and ``kept`` is kept of the cluster."""

    match: Match
    kept: str


class Group:
    """Looks records up and remembers them; either decides at once, or sees all before it does.

    Args:
        threshold, num_perm: of the search.
        guard: see :class:`~curation.index.Index`.
        barrier: see all records before deciding.
    """

    def __init__(self, threshold: float, num_perm: int, guard: Guard | None, *, barrier: bool) -> None:
        self._index = Index(threshold, num_perm, guard=guard, every=barrier)
        self._guard = guard
        # Of a barrier: what is known of each record, in order of seeing; equal ones have no number in the index.
        self._names: list[str] = []
        self._worth = array("d")
        self._number = array("i")
        self._left, self._right, self._similarity, self._method = array("i"), array("i"), array("d"), array("B")
        self._place = array("i")  # record of each number
        self._drops: dict[int, Drop] = {}
        self._told = 0

    def protect(self, sketches: Sequence[bytes], names: Sequence[str], texts: Sequence[str], *, barrier: bool) -> None:
        """Remember texts that come before all records."""
        found = self._index.add(sketches, names, texts)
        if barrier:
            self._note(names, [float("inf")] * len(names), found)
            self._told = len(names)

    def look(self, records: Sequence[AnyRecord], compare: Compare) -> list[Drop | None]:
        """Decide at once: a record is dropped for an earlier one that was kept."""
        found = self._index.add(*_parts(records, compare, texts=self._guard is not None))
        return [Drop(matches[0], matches[0].name) if matches else None for matches in found]

    def see(self, records: Sequence[AnyRecord], keep: Literal["first", "longest", "score"], compare: Compare) -> None:
        """Remember records, to decide when all are seen."""
        sketches, names, texts = _parts(records, compare, texts=self._guard is not None or keep == "longest")
        worth = [0.0] * len(names)
        if keep == "longest":
            worth = [float(len(text)) for text in texts]
        elif keep == "score":
            worth = [_score(record) for record in records]
        self._note(names, worth, self._index.add(sketches, names, texts if self._guard is not None else ()))

    def _note(self, names: Sequence[str], worth: Sequence[float], found: Sequence[Sequence[Match]]) -> None:
        for name, value, matches in zip(names, worth, found, strict=True):
            here = len(self._names)
            self._names.append(name)
            self._worth.append(value)
            copy = any(match.method == "exact" for match in matches)
            self._number.append(-1 if copy else len(self._place))
            if not copy:
                self._place.append(here)
            for match in matches:
                self._left.append(self._place[match.number])
                self._right.append(here)
                self._similarity.append(match.similarity)
                self._method.append(METHODS.index(match.method))

    def settle(self, keep: Literal["first", "longest", "score"], mode: Literal["chained", "greedy"]) -> None:
        """Decide on all records seen. What was told as kept before stays so, and comes first."""
        pairs = Pairs(
            np.array(self._left, np.int32),
            np.array(self._right, np.int32),
            np.array(self._similarity, np.float64),
            np.array(self._method, np.uint8),
        )

        def differ(i: int, j: int) -> bool:
            assert self._guard is not None
            if self._number[j] < 0 or self._number[i] < 0:  # the guard was asked when the equal text was seen
                return False
            a, b = self._index.text(self._number[i]), self._index.text(self._number[j])
            return differs(a, b) and bool(self._guard(a, b))

        for place in range(self._told):
            if place not in self._drops:
                self._worth[place] = float("inf")
        rank = ranks(len(self._names), keep, self._worth)
        found = resolve(rank, pairs, mode, differ if self._guard is not None else None)
        self._drops = self._explained(found)

    def _explained(self, found: Clusters) -> dict[int, Drop]:
        """For each dropped record the pair with the one that is kept, else its most similar one in the cluster."""
        owners = found.owners()
        best: dict[int, tuple[bool, float, int, int]] = {}
        for i, j, similarity, method in found.pairs:
            if method == "distinct_facts" or found.labels[i] != found.labels[j]:
                continue
            for mine, other in ((i, j), (j, i)):
                if not found.kept[mine]:
                    candidate = (bool(other == owners[mine]), similarity, -other, METHODS.index(method))
                    if mine not in best or candidate > best[mine]:
                        best[mine] = candidate
        drops: dict[int, Drop] = {}
        for mine, (_, similarity, other, method_at) in best.items():
            match = Match(-1, self._names[-other], similarity, METHODS[method_at])  # type: ignore[arg-type]
            drops[mine] = Drop(match, self._names[int(owners[mine])])
        return drops

    def decided(self, count: int) -> list[Drop | None]:
        """What becomes of the next ``count`` records, in the order in which they were seen."""
        begun, self._told = self._told, self._told + count
        return [self._drops.get(place) for place in range(begun, self._told)]


def _parts(records: Sequence[AnyRecord], compare: Compare, *, texts: bool) -> tuple[list[bytes], list[str], list[str]]:
    compared = [record for record in records if isinstance(record, Chunk | Sample)]
    sketches = [record.sketch for record in compared if record.sketch is not None]
    return sketches, [r.id for r in compared], [text_of(r, compare) for r in compared] if texts else []


def _score(record: AnyRecord) -> float:
    score = record.score if isinstance(record, Sample) else None
    return float("-inf") if score is None else score
