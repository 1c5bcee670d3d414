"""Further rounds: shards that a fold lays out when the fold that asks has seen everything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from datagen.core.hashing import digest
from datagen.core.record import AnyRecord, Chunk, Verdict
from datagen.core.stage import Fold, Map, Shard
from datagen.engine.config import EngineConfig
from datagen.engine.events import Events
from datagen.engine.run import Runner
from datagen.engine.segment import plan
from datagen.engine.store import Store
from tests.engine.stages import Count, MakeChunks, MakeDocuments, Mark
from tests.engine.test_run import go, sources


class Deal(Fold):
    """Gives each chunk of a shard once a round, as another record, until enough have been counted."""

    name = "deal"
    may_repeat = True

    def __init__(self, counter: Tally, wanted: int, barrier: bool) -> None:
        self.counter, self.wanted, self.barrier = counter, wanted, barrier

    def fingerprint(self) -> dict[str, Any]:
        return {}

    def begin(self) -> None:
        self.round = 1

    def emit(self, shard: Shard) -> list[AnyRecord]:
        return [r.model_copy(update={"id": digest([r.id, self.round])}) for r in shard if isinstance(r, Chunk)]

    def again(self) -> bool:
        self.round += 1
        return self.counter.passing < self.wanted and self.round < 20


class Tally(Fold):
    """A barrier that passes records whose id ends in an even digit, the first ``wanted`` of them."""

    name = "tally"
    barrier = True
    asks_again = True

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted

    def fingerprint(self) -> dict[str, Any]:
        return {}

    def begin(self) -> None:
        self.chosen: list[str] = []

    def see(self, shard: Shard) -> None:
        self.chosen += [
            r.id for r in shard if isinstance(r, Chunk) and r.verdict is None and int(r.id[-1], 16) % 2 == 0
        ]

    @property
    def passing(self) -> int:
        return len(self.chosen)

    def emit(self, shard: Shard) -> list[AnyRecord]:
        kept = set(self.chosen[: self.wanted])
        return [
            r if r.id in kept else r.model_copy(update={"verdict": Verdict(stage="tally", reason="odd")})  # type: ignore[union-attr]
            for r in shard
        ]


def dealt(wanted: int, barrier: bool, log: str = "", later: bool = False) -> list[Map | Fold]:
    tally = Tally(wanted)
    line: list[Map | Fold] = [MakeDocuments(log), MakeChunks(log), Count(), Deal(tally, wanted, barrier), Mark(log)]
    return [*line, tally, Mark(log)] if later else [*line, tally]


@pytest.mark.parametrize("barrier", [False, True])
@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("window", [1, 3])
def test_rounds_go_on_until_enough_pass_and_count_each_record_once(
    tmp_path: Path, barrier: bool, later: bool, window: int
) -> None:
    records, runner = go(tmp_path, dealt(37, barrier, later=later), sources(10), window=window)
    kept = [r for r in records if r.verdict is None]  # type: ignore[union-attr]
    assert len(kept) == 37
    assert len({r.id for r in records}) == len(records) >= 60  # type: ignore[union-attr]
    assert len(records) % 10 == 0
    assert runner.lanes[0].done == runner.lanes[-1].done == len(records) // 2


def test_lanes_before_the_rounds_name_their_shards_once(tmp_path: Path) -> None:
    store, nodes = Store(tmp_path), plan(dealt(37, True))
    names = Runner(store, nodes, sources(10), EngineConfig(executor="inline"), Events(None)).run()
    assert [len(n) for n in names[:3]] == [5, 5, 5]
    assert len(names[3]) == len(names[-1]) > 5


@pytest.mark.parametrize("executor", ["inline", "processes"])
def test_a_second_run_lays_out_the_same_rounds_and_does_nothing(tmp_path: Path, executor: str) -> None:
    log = str(tmp_path / "log")
    first, _ = go(tmp_path / "run", dealt(23, True, log), sources(6), executor)
    lines = Path(log).read_text()
    second, runner = go(tmp_path / "run", dealt(23, True, log), sources(6), executor)
    assert first == second
    assert Path(log).read_text() == lines
    assert all(lane.reused for lane in runner.lanes)


class First(Fold):
    """A barrier between: of each of the eight groups of ids it passes the smallest, and never another one later."""

    name = "first"
    barrier = True

    def fingerprint(self) -> dict[str, Any]:
        return {}

    def begin(self) -> None:
        self.smallest: dict[str, str] = {}
        self.settled: set[str] = set()
        self.epochs = 0
        self.fresh = False

    def see(self, shard: Shard) -> None:
        self.fresh = True
        for record in shard:
            if isinstance(record, Chunk) and record.id[0] not in self.settled:
                self.smallest[record.id[0]] = min(self.smallest.get(record.id[0], "z"), record.id)

    def emit(self, shard: Shard) -> list[AnyRecord]:
        self.settled = set(self.smallest)
        self.epochs, self.fresh = self.epochs + self.fresh, False
        kept = set(self.smallest.values())
        verdict = Verdict(stage="first", reason="later")
        return [
            r if not isinstance(r, Chunk) or r.id in kept else r.model_copy(update={"verdict": verdict}) for r in shard
        ]


def test_a_barrier_before_the_one_that_asks_goes_on_with_each_round(tmp_path: Path) -> None:
    tally, first = Tally(5), First()
    line = [MakeDocuments(""), MakeChunks(""), Count(), Deal(tally, 5, False), first, Mark(""), tally]
    records, _ = go(tmp_path, line, sources(10), window=2)
    kept = [r for r in records if r.verdict is None]  # type: ignore[union-attr]
    assert len(kept) == 5
    assert first.epochs == len(records) // 10 > 1
    again, runner = go(tmp_path, line, sources(10), window=2)
    assert again == records
    assert all(lane.reused for lane in runner.lanes)


def test_one_round_suffices_where_enough_pass(tmp_path: Path) -> None:
    records, _ = go(tmp_path, dealt(1, True), sources(10))
    assert len(records) == 10
