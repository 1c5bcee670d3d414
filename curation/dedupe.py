"""Drops what says the same as something before it: equal texts and near-copies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from curation.config import DedupeConfig
from curation.index import Index, Match
from curation.minhash import sketch_all
from datagen.core.record import AnyRecord, Chunk, Sample, Verdict
from datagen.core.stage import Fold, Shard

_BATCH = 2000  # texts whose sketches are held at once


class DropDuplicates(Fold):
    """Keeps the first of each group of near-copies, in input order.

    A record is dropped if one that was kept before it is like it; chains (a like b, b like c, a
    unlike c) do not drop more. How the input is cut into shards makes no difference.

    Args:
        threshold: least Jaccard index of the sketches' shingles, in (0, 1].
        num_perm: permutations of the sketches.
        guard: texts that differ in a number, a negation or a comparison are no duplicates.
        name: of the stage, as in ``"screen"`` for chunks.
    """

    name = "dedupe"
    version = 1

    def __init__(self, threshold: float, num_perm: int = 128, guard: bool = False, name: str = "dedupe") -> None:
        self.name = name  # the same work at two places in a run
        self.threshold = threshold
        self.num_perm = num_perm
        self.guard = guard
        self.begin()

    def fingerprint(self) -> dict[str, Any]:
        """All arguments."""
        return {"threshold": self.threshold, "num_perm": self.num_perm, "guard": self.guard}

    def begin(self) -> None:
        """Forget every text."""
        self._index = Index(self.threshold, self.num_perm, guard=self.guard)

    def emit(self, shard: Shard) -> list[AnyRecord]:
        """The shard with verdicts on duplicates; sketches, which no later stage needs, are taken off."""
        places = {i: sketch for i, record in enumerate(shard) if (sketch := _sketch(record)) is not None}
        names = [record.id for i in places if isinstance(record := shard[i], Chunk | Sample)]
        out = list(shard)
        for i, matches in zip(places, self._index.add(list(places.values()), names), strict=True):
            update: dict[str, Any] = {"sketch": None}
            if matches:
                update["verdict"] = self._verdict(matches[0])
            out[i] = out[i].model_copy(update=update)
        return out

    def _verdict(self, match: Match) -> Verdict:
        if match.method == "exact":
            return Verdict(stage=self.name, reason="duplicate", evidence=f"the same text as {match.name}")
        evidence = f"near-copy of {match.name} (similarity {match.similarity:.2f}, {match.method})"
        return Verdict(stage=self.name, reason="near_duplicate", evidence=evidence)


def _sketch(record: AnyRecord) -> bytes | None:
    """The sketch of a record that is still in the race."""
    return record.sketch if isinstance(record, Chunk | Sample) and record.verdict is None else None


@dataclass(frozen=True, slots=True)
class Clusters:
    """Groups of near-copies among n texts.

    Attributes:
        labels: (n,) number of each text's cluster, counted from 0 by first appearance.
        kept: (n,) whether the text is the first of its cluster.
        pairs: (i, j, similarity, method), i < j, ascending: each pair of near-copies found; of equal
            texts each is paired with the first alone (and that one with their near-copies).
    """

    labels: npt.NDArray[np.int64]
    kept: npt.NDArray[np.bool_]
    pairs: list[tuple[int, int, float, Literal["exact", "minhash"]]]


def cluster(texts: Sequence[str], config: DedupeConfig = DedupeConfig()) -> Clusters:
    """Find near-copies among texts and join them into clusters, of which the first text is kept.

    Clusters are chained: a like b and b like c put a and c in one, so a little more is dropped than by
    :class:`DropDuplicates`.
    """
    index = Index(config.threshold, config.num_perm, guard=config.guard, every=True)
    pairs: list[tuple[int, int, float, Literal["exact", "minhash"]]] = []
    parent = list(range(len(texts)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for begun in range(0, len(texts), _BATCH):
        batch = texts[begun : begun + _BATCH]
        names = [str(begun + i) for i in range(len(batch))]
        found = index.add(sketch_all(batch, config.ngram, config.num_perm), names)
        for j, matches in enumerate(found, begun):
            for match in matches:
                i = int(match.name)
                pairs.append((i, j, match.similarity, match.method))
                a, b = sorted((root(i), root(j)))
                parent[b] = a
    roots = np.array([root(i) for i in range(len(texts))], np.int64)
    kept = roots == np.arange(len(texts))
    labels = (np.cumsum(kept) - 1)[roots] if len(texts) else roots
    return Clusters(labels, kept, sorted(pairs))
