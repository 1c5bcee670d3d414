"""The schedule: shards flow through segments and folds, later work first, in a bounded window."""

from __future__ import annotations

import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from datagen.core.errors import DatagenError, StoppedEarly
from datagen.core.record import AnyRecord
from datagen.engine.config import EngineConfig
from datagen.engine.events import Events
from datagen.engine.executors import InlineExecutor, cores, processes
from datagen.engine.segment import Done, Node, Unit, rejected, run_unit
from datagen.engine.store import Store

PROGRESS_EVERY_S = 2.0


@dataclass(frozen=True)
class Source:
    """A first shard: its name (a hash of its content) and its records."""

    name: str
    records: tuple[AnyRecord, ...]


@dataclass
class Lane:
    """How far one node is.

    Attributes:
        ready: shards whose input is there and that have not begun, ascending.
        out: name of each shard's output, None until done.
        contiguous: shards done without a gap from the first.
        seen: for a fold, shards it has seen.
    """

    node: Node
    out: list[str | None]
    ready: deque[int] = field(default_factory=deque)
    done: int = 0
    contiguous: int = 0
    seen: int = 0
    records: int = 0
    reused: int = 0
    rejected: Counter[str] = field(default_factory=Counter)

    def finish(self, shard: int, name: str) -> None:
        """Note that a shard's output is on disk."""
        self.out[shard] = name
        self.done += 1
        while self.contiguous < len(self.out) and self.out[self.contiguous] is not None:
            self.contiguous += 1


class Runner:
    """Takes shards through a line of nodes.

    Args:
        store: the run folder, locked by the caller.
        nodes: from :func:`datagen.engine.segment.plan`.
        sources: the first shards, in order.
        config: executor, workers, window.
        events: where progress goes.
        meters: called now and then for more counters to log (tokens, cost); its values are JSON.
    """

    def __init__(
        self,
        store: Store,
        nodes: Sequence[Node],
        sources: Sequence[Source],
        config: EngineConfig,
        events: Events,
        meters: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        self._store = store
        self._sources = sources
        self._config = config
        self._events = events
        self._meters = meters
        self.lanes = [Lane(node, [None] * len(sources)) for node in nodes]
        self._total = len(sources)  # shards, those of further rounds included
        self._begins, self._decides = _rounds(nodes)
        self._running: dict[Future[Done], tuple[int, int]] = {}
        self._busy: Counter[bool] = Counter()
        self._last_progress = 0.0

    def run(self) -> list[list[str]]:
        """Do all that is not done yet.

        Returns:
            For each node the names of its output shards, in input order; those of further rounds last, and
            only from the fold on that made them.

        Raises:
            DatagenError: the run cannot go on; finished units stay done.
        """
        if not self.lanes or not self._sources:
            return [[] for _ in self.lanes]
        for lane in self.lanes:
            if lane.node.fold:
                lane.node.fold.begin()
        self.lanes[0].ready.extend(range(len(self._sources)))
        computing = self._computing()
        waiting = ThreadPoolExecutor(self._config.window, thread_name_prefix="stage")
        slots = {False: self._slots(computing), True: self._config.window}
        try:
            while self.lanes[-1].done < self._total:
                submitted = self._submit(computing, waiting, slots)
                folded = self._fold()
                self._collect(block=not (submitted or folded))
                self._progress()
        except BaseException:
            for future in self._running:
                future.cancel()
            computing.shutdown(wait=False, cancel_futures=True)
            waiting.shutdown(wait=False, cancel_futures=True)
            raise
        computing.shutdown()
        waiting.shutdown()
        self._progress(force=True)
        return [[name for name in lane.out[: self._own(lane)] if name is not None] for lane in self.lanes]

    def _own(self, lane: Lane) -> int:
        """Shards of a lane that are its own: before the fold that lays out rounds, those of the first."""
        return self._total if lane.node.index >= self._begins else len(self._sources)

    def _computing(self) -> Executor:
        workers = self._config.workers or cores()
        if self._config.executor == "processes":
            return processes(workers)
        return InlineExecutor()

    def _slots(self, computing: Executor) -> int:
        if isinstance(computing, InlineExecutor):
            return 1
        return (self._config.workers or cores()) + 1  # one waits at hand, so that no worker idles

    def _admitted(self, index: int) -> int:
        """Shards below this number may enter node ``index``: the window, counted from the slowest."""
        if index > 0 and not self._barrier(index - 1):
            return self._total  # only where a stretch begins is there a gate
        for lane in self.lanes[index:]:
            if self._barrier(lane.node.index):
                return lane.seen + self._config.window
        return self.lanes[-1].contiguous + self._config.window

    def _barrier(self, index: int) -> bool:
        fold = self.lanes[index].node.fold
        return fold is not None and fold.barrier

    def _submit(self, computing: Executor, waiting: Executor, slots: Mapping[bool, int]) -> bool:
        """Start what can start, later nodes first; True if anything began or was found done."""
        moved = False
        for lane in reversed(self.lanes):
            if lane.node.fold:
                continue
            waits = lane.node.waits
            admitted = self._admitted(lane.node.index)
            while lane.ready and lane.ready[0] < admitted:
                shard = lane.ready[0]
                name = self._input(lane.node.index, shard)
                if self._store.has(lane.node.folder, name):
                    lane.ready.popleft()
                    lane.reused += 1
                    self._finish(lane, shard, name)
                    moved = True
                    continue
                if self._busy[waits] >= slots[waits]:
                    break
                lane.ready.popleft()
                unit = self._unit(lane.node, shard, name)
                self._events.emit("start", stage=lane.node.name, shard=shard, work=True)
                future = (waiting if waits else computing).submit(run_unit, unit)
                self._running[future] = (lane.node.index, shard)
                self._busy[waits] += 1
                moved = True
                if isinstance(computing, InlineExecutor) and not waits:
                    return True  # it has run already: see first what it made possible
        return moved

    def _input(self, index: int, shard: int) -> str:
        if index == 0:
            return self._sources[shard].name
        name = self.lanes[index - 1].out[shard]
        assert name is not None
        return name

    def _unit(self, node: Node, shard: int, name: str) -> Unit:
        if node.index == 0:
            return Unit(self._store.root, node.folder, name, node.maps, records=self._sources[shard].records)
        before = self.lanes[node.index - 1].node
        source = (before.folder, name, before.produces)
        return Unit(self._store.root, node.folder, name, node.maps, source=source)

    def _finish(self, lane: Lane, shard: int, name: str) -> None:
        lane.finish(shard, name)
        after = lane.node.index + 1
        if after < len(self.lanes):
            ready = self.lanes[after].ready
            # Shards finish nearly in order, so this walks one or two places.
            place = len(ready)
            while place and ready[place - 1] > shard:
                place -= 1
            ready.insert(place, shard)

    def _fold(self) -> bool:
        """Take one step in the last fold that can take one."""
        for lane in reversed(self.lanes):
            fold = lane.node.fold
            if fold is None:
                continue
            total = self._total
            may_see = bool(lane.ready) and lane.ready[0] == lane.seen
            if fold.barrier and lane.seen == total and lane.done < total:
                if lane.node.index == self._decides and lane.done == 0 and self._again():
                    return True
                self._emit(lane, lane.done, self._load(lane, lane.done))
                return True
            if may_see:
                shard = lane.ready.popleft()
                records = self._load(lane, shard)
                fold.see(records)
                lane.seen += 1
                if not fold.barrier:
                    self._emit(lane, shard, records)
                return True
        return False

    def _again(self) -> bool:
        """Lay out another round; True if that added shards."""
        lane, before = self.lanes[self._begins], self._total
        if lane.node.fold is None or not lane.node.fold.again():
            return False
        for shard in range(len(self._sources)):
            self._add(lane, shard)
        self._events.emit("round", stage=lane.node.name, shards=self._total - before)
        return self._total > before

    def _add(self, lane: Lane, shard: int) -> None:
        """Put what a fold makes of a first-round shard in another round at the end of the line."""
        out = lane.node.fold.emit(self._load(lane, shard)) if lane.node.fold else []
        if not out:
            return
        added = self._total
        self._total += 1
        for other in self.lanes:
            other.out.append(None)
            if other.node.index < lane.node.index:
                other.finish(added, str(other.out[shard]))
            if other.node.fold is not None and other.node.index <= lane.node.index:
                other.seen += 1
        self._put(lane, added, out)

    def _load(self, lane: Lane, shard: int) -> list[AnyRecord]:
        before = self.lanes[lane.node.index - 1].node
        return self._store.read(before.folder, self._input(lane.node.index, shard), before.produces)

    def _emit(self, lane: Lane, shard: int, records: list[AnyRecord]) -> None:
        assert lane.node.fold is not None
        self._put(lane, shard, lane.node.fold.emit(records), records)

    def _put(self, lane: Lane, shard: int, out: list[AnyRecord], records: Sequence[AnyRecord] = ()) -> None:
        """Write what a fold gave for a shard."""
        from datagen.engine.codec import content_name

        name = content_name(out)
        if self._store.has(lane.node.folder, name):
            lane.reused += 1
        else:
            self._store.write(lane.node.folder, name, out)
            self._log_shard(lane, shard, Done(len(out), rejected(records, out)))
        self._finish(lane, shard, name)

    def _collect(self, block: bool) -> None:
        """Take in what has finished."""
        if not self._running:
            return
        finished, _ = wait(self._running, timeout=0.5 if block else 0, return_when=FIRST_COMPLETED)
        for future in finished:
            index, shard = self._running.pop(future)
            lane = self.lanes[index]
            self._busy[lane.node.waits] -= 1
            try:
                done = future.result()
            except DatagenError:
                raise
            except BrokenExecutor as error:
                raise StoppedEarly(
                    "A worker process died.",
                    f"It was killed from outside or ran out of memory in the stage {lane.node.name!r}.",
                    "Run the same command again, with fewer workers (--set engine.workers=1) if memory is short.",
                ) from error
            except Exception as error:
                self._events.emit(
                    "error", stage=lane.node.name, shard=shard, traceback=traceback.format_exc(), work=True
                )
                raise DatagenError(
                    f"The stage {lane.node.name!r} failed on shard {shard}.",
                    f"{type(error).__name__}: {error}",
                    "This is a fault of datagen: please report it with the traceback in events.jsonl. Nothing is lost.",
                ) from error
            self._log_shard(lane, shard, done)
            self._finish(lane, shard, self._input(index, shard))

    def _log_shard(self, lane: Lane, shard: int, done: Done) -> None:
        lane.records += done.records
        lane.rejected.update(done.rejected)
        self._events.emit(
            "shard",
            work=True,
            stage=lane.node.name,
            shard=shard,
            records=done.records,
            rejected=dict(done.rejected),
            seconds=round(done.seconds, 3),
        )

    def _progress(self, force: bool = False) -> None:
        now = time.monotonic()
        if not force and now - self._last_progress < PROGRESS_EVERY_S:
            return
        self._last_progress = now
        self._events.emit("progress", stages=self.state(), **self._meters())

    def state(self) -> list[dict[str, Any]]:
        """How far each node is: stage, the stages in it, shards, done, reused, records and rejected of this session."""
        return [
            {
                "stage": lane.node.name,
                "stages": list(lane.node.stages),
                "shards": len(lane.out),
                "done": lane.done,
                "reused": lane.reused,
                "records": lane.records,
                "rejected": dict(lane.rejected),
            }
            for lane in self.lanes
        ]


def _rounds(nodes: Sequence[Node]) -> tuple[int, int]:
    """The fold that lays out rounds, and the one after it that asks for them; (0, -1) without."""
    for node in nodes:
        if node.fold is not None and node.fold.may_repeat:
            later = (n.index for n in nodes[node.index + 1 :] if n.fold is not None and n.fold.asks_again)
            return node.index, next(later, -1)
    return 0, -1
