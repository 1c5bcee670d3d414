"""Drops what says the same as something else: equal texts and near-copies.

:func:`cluster` for texts in a notebook, :class:`DropDuplicates` for the shards of a run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from curation.clusters import METHODS, Clusters, Pairs, named, ranks, resolve
from curation.dedupe_config import DedupeConfig
from curation.groups import Drop, Group
from curation.index import differs
from curation.lexical.engine import search
from curation.minhash import sketch_all
from curation.negations import distinct
from curation.profiles import FAMILIES, profile_of
from curation.semantic_config import SemanticConfig
from curation.sketch import Compare
from datagen.core.hashing import digest
from datagen.core.record import AnyRecord, Chunk, Sample, Verdict
from datagen.core.stage import Fold, Shard

MAX_GROUPS = 64  # groups with an index, and so a temporary file, of their own
_PROTECTED = "\0"  # begins the names of protected texts in an index; no id has it


def cluster(
    texts: Sequence[str],
    config: DedupeConfig = DedupeConfig(),
    scores: Sequence[float] | None = None,
    *,
    semantic: SemanticConfig | None = None,
    threads: int = 2,
) -> Clusters:
    """Find near-copies among texts, join them into clusters, and say which of each is kept.

    First texts that are equal after normalisation (case, white space, typographic characters), then near-copies by
    the Jaccard index of their word shingles, which is exact whatever ``config.method`` finds them with.

    Args:
        texts: any texts.
        config: see :class:`~curation.dedupe_config.DedupeConfig`; ``compare`` speaks of samples and has no part here.
        scores: of each text, where ``config.keep`` is ``score``: the highest is kept.
        semantic: then look among the kept ones for those that say the same in other words
            (:func:`curation.semantic.pairs`); None: not.
        threads: at work at once; they change nothing in the result.

    Raises:
        DatagenError: ``semantic`` is wanted and no embedding model can be loaded.
        ValueError: ``config.keep`` is ``score`` and there is not one score a text.
        UsageError: ``config.method`` is ``datasketch``, and that is not installed.
    """
    if config.keep == "score" and (scores is None or len(scores) != len(texts)):
        raise ValueError("keep: score needs one score a text")
    near = search(texts, config.threshold, config.ngram, config.num_perm, config.method, threads=threads)
    copies = np.flatnonzero(near.firsts != np.arange(len(texts)))
    equal = Pairs(
        near.firsts[copies].astype(np.int32),
        copies.astype(np.int32),
        np.ones(len(copies)),
        np.zeros(len(copies), np.uint8),
    )
    name = "datasketch" if config.method == "datasketch" else "minhash"
    if config.method == "exact":
        name = "shingles"
    alike = Pairs(near.left, near.right, near.similarity, np.full(len(near.left), METHODS.index(name), np.uint8))

    def differ(i: int, j: int) -> bool:
        return differs(texts[i], texts[j]) and bool(distinct(texts[i], texts[j]))

    values = [len(text) for text in texts] if config.keep == "longest" else scores or ()
    rank = ranks(len(texts), config.keep, values)
    found = resolve(rank, Pairs.joined([equal, alike]), config.clusters, differ if config.guard else None)
    return found if semantic is None else _by_meaning(texts, found, rank, config, semantic)


def _by_meaning(
    texts: Sequence[str],
    found: Clusters,
    rank: npt.NDArray[np.int32],
    config: DedupeConfig,
    semantic: SemanticConfig,
) -> Clusters:
    """Join clusters whose kept texts say the same in other words."""
    from curation.semantic import pairs

    more = Pairs.of(pairs(texts, semantic, skip=set(np.flatnonzero(~found.kept).tolist())))
    again = resolve(rank, more, config.clusters)
    return named(again.owners()[found.owners()], Pairs.joined([Pairs.of(found.pairs), more]))


class DropDuplicates(Fold):
    """Keeps one of each group of near-copies.

    With ``clusters="greedy"`` and ``keep="first"`` it streams: a record is dropped if one that was kept before it is
    like it, the shard goes on at once, and only what is kept is remembered. Every other choice depends on records to
    come: the stage is then a barrier, which sees all shards before it lets the first one go, and remembers all.
    How the input is cut into shards makes no difference.

    Samples are compared within their task family alone: two tasks over one passage share the passage and are no
    duplicates. Translations, summaries and rewritten texts are compared within their form too.

    Memory: see :class:`~curation.index.Index`; a barrier adds about 200 bytes a record.

    Args:
        threshold: least Jaccard index of the sketches' shingles, in (0, 1].
        num_perm: permutations of the sketches.
        guard: texts that differ in a fact are no duplicates (:func:`curation.negations.distinct`).
        name: of the stage, as in ``"screen"`` for chunks.
        ngram: words in a shingle of the sketches; used for ``protected`` alone.
        protected: name → text (:func:`curation.sketch.compared_text`) of what was there first, gold samples and
            k-shot examples: what is like one of them was copied.
        clusters, keep: see :class:`~curation.dedupe_config.DedupeConfig`. A sample without a score comes last.
        compare: what the sketches were made of; for the guard.
    """

    name = "dedupe"
    version = 3

    def __init__(
        self,
        threshold: float,
        num_perm: int = 128,
        guard: bool = False,
        name: str = "dedupe",
        *,
        ngram: int = 3,
        protected: Mapping[str, str] = {},
        clusters: Literal["chained", "greedy"] = "greedy",
        keep: Literal["first", "longest", "score"] = "first",
        compare: Compare = "instruction",
    ) -> None:
        self.name = name  # the same work at two places in a run
        self.threshold = threshold
        self.num_perm = num_perm
        self.guard = guard
        self.ngram = ngram
        self.protected = dict(protected)
        self.clusters: Literal["chained", "greedy"] = clusters
        self.keep: Literal["first", "longest", "score"] = keep
        self.compare: Compare = compare
        self.barrier = clusters != "greedy" or keep != "first"
        self.begin()

    def fingerprint(self) -> dict[str, Any]:
        """All arguments, the protected texts as a digest."""
        return {
            "threshold": self.threshold,
            "num_perm": self.num_perm,
            "guard": self.guard,
            "protected": digest([self.ngram, self.protected]) if self.protected else "",
            "clusters": self.clusters,
            "keep": self.keep,
            "compare": self.compare,
        }

    def begin(self) -> None:
        """Forget every text but the protected ones."""
        self._groups: dict[tuple[str, str], Group] = {}
        self._names = list(self.protected)
        self._sketches: list[bytes] | None = None
        self._settled = False

    def see(self, shard: Shard) -> None:
        """Where the stage is a barrier: look the shard's texts up and remember them."""
        if self.barrier:
            self._settled = False
            for group, places in self._grouped(shard).items():
                self._group(group).see([shard[i] for i in places], self.keep, self.compare)

    def emit(self, shard: Shard) -> list[AnyRecord]:
        """The shard with verdicts on duplicates; sketches, which no later stage needs, are taken off."""
        if self.barrier and not self._settled:
            for settling in self._groups.values():
                settling.settle(self.keep, self.clusters)
            self._settled = True
        out = list(shard)
        for group, places in self._grouped(shard).items():
            held = self._group(group)
            records = [shard[i] for i in places]
            found = held.decided(len(records)) if self.barrier else held.look(records, self.compare)
            for i, drop in zip(places, found, strict=True):
                update: dict[str, Any] = {"sketch": None}
                if drop is not None:
                    update["verdict"] = self._verdict(drop)
                out[i] = out[i].model_copy(update=update)
        return out

    def _grouped(self, shard: Shard) -> dict[tuple[str, str], list[int]]:
        """Places of the records that are compared, by what they are compared within."""
        groups: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        for i, record in enumerate(shard):
            if isinstance(record, Chunk | Sample) and record.verdict is None and record.sketch is not None:
                groups[_group(record)].append(i)
        return groups

    def _group(self, group: tuple[str, str]) -> Group:
        """What is remembered of a group; beyond :data:`MAX_GROUPS` of its family, whatever the form."""
        if group not in self._groups and len(self._groups) >= MAX_GROUPS:
            group = (group[0], "")
        if group not in self._groups:
            guard = distinct if self.guard else None
            held = self._groups[group] = Group(self.threshold, self.num_perm, guard, barrier=self.barrier)
            texts = list(self.protected.values())
            if self._sketches is None:
                self._sketches = sketch_all(texts, self.ngram, self.num_perm)
            held.protect(self._sketches, [f"{_PROTECTED}{i}" for i in range(len(texts))], texts, barrier=self.barrier)
        return self._groups[group]

    def _verdict(self, drop: Drop) -> Verdict:
        match = drop.match
        if drop.kept.startswith(_PROTECTED):
            name = self._names[int(drop.kept.removeprefix(_PROTECTED))]
            evidence = f"like {name}, which the model was shown or the user gave (similarity {match.similarity:.2f})"
            return Verdict(stage=self.name, reason="copied_example", evidence=evidence)
        reason, evidence = (
            "near_duplicate",
            f"near-copy of {match.name} (similarity {match.similarity:.2f}, {match.method})",
        )
        if match.method == "exact":
            reason, evidence = "duplicate", f"the same text as {match.name}"
        if drop.kept != match.name:
            evidence += f"; of their cluster {drop.kept} is kept"
        return Verdict(stage=self.name, reason=reason, evidence=evidence)


def _group(record: Chunk | Sample) -> tuple[str, str]:
    """Family and form within which a record is compared."""
    if isinstance(record, Chunk) or record.family not in FAMILIES:
        return "", ""
    return record.family, record.attributes.get("form", "") if profile_of(record).by_form else ""
