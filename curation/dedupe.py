"""Drops what says the same as something before it: equal texts and near-copies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from curation.config import DedupeConfig
from curation.index import Index, Match
from curation.minhash import sketch_all
from curation.profiles import FAMILIES, profile_of
from datagen.core.hashing import digest
from datagen.core.record import AnyRecord, Chunk, Sample, Verdict
from datagen.core.stage import Fold, Shard

MAX_GROUPS = 64  # groups with an index, and so a temporary file, of their own
_BATCH = 2000  # texts whose sketches are held at once
_PROTECTED = "\0"  # begins the names of protected texts in an index; no id has it


class DropDuplicates(Fold):
    """Keeps the first of each group of near-copies, in input order.

    A record is dropped if one that was kept before it is like it; chains (a like b, b like c, a
    unlike c) do not drop more. How the input is cut into shards makes no difference.

    Samples are compared within their task family alone: two tasks over one passage share the passage and are no
    duplicates. Translations, summaries and rewritten texts are compared within their form too.

    Args:
        threshold: least Jaccard index of the sketches' shingles, in (0, 1].
        num_perm: permutations of the sketches.
        guard: texts that differ in a number, a negation or a comparison are no duplicates.
        name: of the stage, as in ``"screen"`` for chunks.
        ngram: words in a shingle of the sketches; used for ``protected`` alone.
        protected: name → text (:func:`curation.sketch.compared_text`) of what was there first, gold samples and
            k-shot examples: what is like one of them was copied.
    """

    name = "dedupe"
    version = 2

    def __init__(
        self,
        threshold: float,
        num_perm: int = 128,
        guard: bool = False,
        name: str = "dedupe",
        *,
        ngram: int = 3,
        protected: Mapping[str, str] = {},
    ) -> None:
        self.name = name  # the same work at two places in a run
        self.threshold = threshold
        self.num_perm = num_perm
        self.guard = guard
        self.ngram = ngram
        self.protected = dict(protected)
        self.begin()

    def fingerprint(self) -> dict[str, Any]:
        """All arguments, the protected texts as a digest."""
        return {
            "threshold": self.threshold,
            "num_perm": self.num_perm,
            "guard": self.guard,
            "protected": digest([self.ngram, self.protected]) if self.protected else "",
        }

    def begin(self) -> None:
        """Forget every text but the protected ones."""
        self._groups: dict[tuple[str, str], Index] = {}
        self._names = list(self.protected)
        self._sketches: list[bytes] | None = None

    def emit(self, shard: Shard) -> list[AnyRecord]:
        """The shard with verdicts on duplicates; sketches, which no later stage needs, are taken off."""
        groups: defaultdict[tuple[str, str], list[tuple[int, bytes, str]]] = defaultdict(list)
        for i, record in enumerate(shard):
            if isinstance(record, Chunk | Sample) and record.verdict is None and record.sketch is not None:
                groups[_group(record)].append((i, record.sketch, record.id))
        out = list(shard)
        for group, texts in groups.items():
            found = self._index(group).add([sketch for _, sketch, _ in texts], [name for _, _, name in texts])
            for (i, _, _), matches in zip(texts, found, strict=True):
                update: dict[str, Any] = {"sketch": None}
                if matches:
                    update["verdict"] = self._verdict(matches[0])
                out[i] = out[i].model_copy(update=update)
        return out

    def _index(self, group: tuple[str, str]) -> Index:
        """The index of a group; beyond :data:`MAX_GROUPS` that of its family, whatever the form."""
        if group not in self._groups and len(self._groups) >= MAX_GROUPS:
            group = (group[0], "")
        if group not in self._groups:
            index = self._groups[group] = Index(self.threshold, self.num_perm, guard=self.guard)
            if self._sketches is None:
                self._sketches = sketch_all(list(self.protected.values()), self.ngram, self.num_perm)
            index.add(self._sketches, [f"{_PROTECTED}{place}" for place in range(len(self._sketches))])
        return self._groups[group]

    def _verdict(self, match: Match) -> Verdict:
        if match.name.startswith(_PROTECTED):
            name = self._names[int(match.name.removeprefix(_PROTECTED))]
            evidence = f"like {name}, which the model was shown or the user gave (similarity {match.similarity:.2f})"
            return Verdict(stage=self.name, reason="copied_example", evidence=evidence)
        if match.method == "exact":
            return Verdict(stage=self.name, reason="duplicate", evidence=f"the same text as {match.name}")
        evidence = f"near-copy of {match.name} (similarity {match.similarity:.2f}, {match.method})"
        return Verdict(stage=self.name, reason="near_duplicate", evidence=evidence)


def _group(record: Chunk | Sample) -> tuple[str, str]:
    """Family and form within which a record is compared."""
    if isinstance(record, Chunk) or record.family not in FAMILIES:
        return "", ""
    return record.family, record.attributes.get("form", "") if profile_of(record).by_form else ""


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
