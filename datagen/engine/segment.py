"""Segments, and the one function that does a unit of work, wherever it runs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datagen.core.hashing import digest
from datagen.core.record import AnyRecord
from datagen.core.stage import Fold, Map, Stage
from datagen.engine.store import Store


@dataclass(frozen=True)
class Node:
    """A segment (a maximal row of Maps that end in one kind of record) or a Fold, with its place.

    Attributes:
        index: position in the line, from 0.
        folder: name of its folder: position, first stage's name, and a hash of its stages, their
            versions and fingerprints, and of the node before it.
        maps: the Maps of a segment; empty for a Fold.
        fold: the Fold, or None.
        produces: kind of record it ends in.
    """

    index: int
    folder: str
    maps: tuple[Map, ...]
    fold: Fold | None
    produces: str

    @property
    def name(self) -> str:
        """The name people see: that of its first stage."""
        return self.fold.name if self.fold else self.maps[0].name

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of its stages, in order."""
        return (self.fold.name,) if self.fold else tuple(m.name for m in self.maps)

    @property
    def waits(self) -> bool:
        """Does it mostly wait (for a model, for child processes)?"""
        return any(m.waits for m in self.maps)


def identity(stage: Stage) -> list[Any]:
    """What a stage contributes to the name of its folder."""
    return [stage.name, stage.version, stage.fingerprint()]


def plan(stages: Sequence[Map | Fold]) -> list[Node]:
    """Cut a line of stages into segments and folds, and name their folders.

    A segment ends before a Fold, where the kind of record changes, and where waiting Maps meet
    computing ones (they run in different executors).
    """
    groups: list[list[Map | Fold]] = []
    for stage in stages:
        last = groups[-1][-1] if groups else None
        joins = (
            isinstance(stage, Map)
            and isinstance(last, Map)
            and stage.produces == last.produces
            and stage.waits == last.waits
        )
        if joins:
            groups[-1].append(stage)
        else:
            groups.append([stage])
    nodes: list[Node] = []
    before = ""
    produces = ""
    for index, group in enumerate(groups):
        before = digest([before, [identity(s) for s in group]])
        maps = tuple(s for s in group if isinstance(s, Map))
        fold = group[0] if isinstance(group[0], Fold) else None
        produces = maps[-1].produces if maps else (fold.produces if fold else "") or produces
        label = group[0].name
        nodes.append(Node(index, f"{index:02d}-{label}-{before[:12]}", maps, fold, produces))
    return nodes


@dataclass(frozen=True)
class Unit:
    """One piece of work: a segment on one shard.

    Attributes:
        root: the run folder.
        folder: the segment's.
        name: of the output shard.
        maps: the stages.
        records: the input, or None where it is to be read from ``source``.
        source: (folder, name, kind of record) of the input shard.
    """

    root: Path
    folder: str
    name: str
    maps: tuple[Map, ...]
    records: tuple[AnyRecord, ...] | None = None
    source: tuple[str, str, str] | None = None


@dataclass(frozen=True)
class Done:
    """What became of a unit: records out, rejected ones by reason, seconds it took."""

    records: int
    rejected: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0


def run_unit(unit: Unit) -> Done:
    """Do one unit and leave its shard on disk: the only entry of every worker.

    Raises:
        DatagenError: disk, damaged input, or a stage that cannot go on.
    """
    begun = time.monotonic()
    store = Store(unit.root)
    if unit.records is not None:
        shard: list[AnyRecord] = list(unit.records)
    else:
        assert unit.source is not None
        shard = store.read(*unit.source)
    before = shard
    for stage in unit.maps:
        shard = stage.run(shard)
    store.write(unit.folder, unit.name, shard)
    return Done(len(shard), rejected(before, shard), time.monotonic() - begun)


def rejected(before: Sequence[AnyRecord], after: Sequence[AnyRecord]) -> dict[str, int]:
    """Verdicts that were given between two states of a shard, counted by reason."""
    return dict(_verdicts(after) - _verdicts(before))


def _verdicts(shard: Sequence[AnyRecord]) -> Counter[str]:
    verdicts = (getattr(record, "verdict", None) for record in shard)
    return Counter(verdict.reason for verdict in verdicts if verdict is not None)
