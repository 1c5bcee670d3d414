"""A run under review: its samples, what was decided so far, and the acts of its reviewers."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from datagen.core.record import Sample
from datagen.core.reviewed import Final
from datagen.finished import Finished
from datagen.review import index as indexes
from datagen.review.agreement import BULK, agreement
from datagen.review.queue import Columns, Filter, Mask, Order, decided
from datagen.review.rule import settle
from datagen.review.search import query
from datagen.review.store import COUNTING, DECISIONS, Decision, Line, Log, State
from datagen.review.view import view

OVERALL = "overall"
"""The criterion that people score where the run has none."""
CHUNK = 1_000
"""Lines that are taken in at once, while nobody else is served."""
SOON = 0.05
"""Seconds that somebody who only looks waits for what others have decided meanwhile."""


class Desk:
    """Everything the page asks for. Usable from several threads; several processes may review one run.

    Args:
        folder: a finished run.
        tell: called with lines of progress while the index is built.

    Raises:
        DatagenError: no finished run, no samples, or files that cannot be read or written.
    """

    def __init__(self, folder: Path, tell: Callable[[str], None] = lambda _: None) -> None:
        finished = Finished(folder)
        self.folder = folder
        self.threshold = float(finished.config.judge.threshold)
        self.seed = int(finished.config.seed)
        self.index = indexes.Index(indexes.build(finished, tell))
        self.columns = Columns(self.index.rows(), self.threshold)
        self.criteria = sorted(self.columns.scores) or [OVERALL]
        self.resting = self.index.resting(self.columns.size)
        self.log = Log(folder)
        self._lock = threading.Lock()
        self._seq = 0
        self._reviews: dict[int, dict[str, Line]] = {}
        self._outcome: dict[int, Final] = {}
        self._people: dict[str, Counter[str]] = {}
        self._apart: set[int] = set()
        self._strangers: set[str] = set()
        self._read: set[int] = set()
        self._changes = 0
        self._measuring = threading.Lock()
        self._agreement: tuple[int, dict[str, Any]] = (-1, {})
        self.refresh()

    def close(self) -> None:
        """Close the files."""
        self.log.close()
        self.index.close()

    def refresh(self, seconds: float = math.inf) -> None:
        """Take in what was appended to the log since, by anybody; after ``seconds`` the rest is left for the next."""
        end = time.monotonic() + seconds
        while True:
            seq = self._seq
            lines = self.log.since(seq, CHUNK)
            with self._lock:
                for line in lines:
                    self._take(line)
                if lines and self._seq == seq:  # else another thread was faster
                    self._seq = lines[-1].seq
            if len(lines) < CHUNK or time.monotonic() > end:
                return

    def _take(self, line: Line) -> None:
        number = self.columns.number.get(line.sample)
        if number is None:
            self._strangers.add(line.sample)  # of samples that a later run of the same folder made no more
            return
        by = self._reviews.setdefault(number, {})
        old = by.get(line.reviewer)
        if old is not None and old.seq >= line.seq:
            return
        by[line.reviewer] = line
        counts = self._people.setdefault(line.reviewer, Counter())
        if old is not None and old.state.decision:
            counts[old.state.decision] -= 1
        if line.state.decision:
            counts[line.state.decision] += 1
        settled = settle(by.values())
        if settled:
            self._outcome[number] = settled.decision
        else:
            self._outcome.pop(number, None)
        (self._apart.add if settled and settled.conflict else self._apart.discard)(number)
        read = any(not other.act.startswith(BULK) for other in by.values())
        if read or number in self._read:
            (self._read.add if read else self._read.discard)(number)
            self._changes += 1

    def select(self, wanted: Filter, reviewer: str, *, blind: bool) -> Mask:
        """Which samples pass a filter."""
        if blind:
            wanted = wanted.unblinded()
        mask = self.columns.passing(wanted)
        if wanted.text.strip():
            mask &= self.index.holding(query(wanted.text), wanted.where, self.resting)
        if not wanted.reviewed:
            return mask
        self.refresh(SOON)
        with self._lock:
            mine = {
                n: by[reviewer].state.decision
                for n, by in self._reviews.items()
                if reviewer in by and by[reviewer].state.decision
            }
            return decided(mask, wanted.reviewed, mine, self._outcome, self._apart)

    def queue(self, wanted: Filter, order: Order, seed: int, reviewer: str, *, blind: bool) -> list[int]:
        """Numbers of the samples of a filter, in an order."""
        mask = self.select(wanted, reviewer, blind=blind)
        with self._lock:
            apart = set(self._apart)
        return self.columns.ordered(mask, order, seed, apart)

    def sample(self, number: int) -> Sample | None:
        """The sample of a number, or None."""
        return self.index.sample(number)

    def view(self, number: int, reviewer: str, *, blind: bool) -> dict[str, Any] | None:
        """A sample for the page, or None where there is none of that number."""
        sample = self.index.sample(number)
        if sample is None:
            return None
        with self._lock:
            reviews = dict(self._reviews.get(number, {}))
        return view(sample, number, reviews, reviewer, blind=blind, criteria=self.criteria)

    def own(self, number: int, reviewer: str) -> Line | None:
        """The reviewer's current line about a sample."""
        self.refresh(SOON)
        with self._lock:
            return self._reviews.get(number, {}).get(reviewer)

    def decide(self, reviewer: str, sample: str, state: State, act: str, seen: int | None) -> Line:
        """Append one decision. Raises Overtaken, or DatagenError where it cannot be written."""
        line = self.log.append(reviewer, [(sample, state)], act, seen=seen)[0]
        with self._lock:
            self._take(line)
        return line

    def bulk(self, reviewer: str, numbers: Sequence[int], decision: Decision, act: str) -> int:
        """Append one decision for many samples, as one act; scores and notes that stand there stay.

        Returns:
            How many lines were written.
        """
        self.refresh()
        entries = []
        for i in range(0, len(numbers), CHUNK):
            with self._lock:
                for n in numbers[i : i + CHUNK]:
                    own = self._reviews.get(n, {}).get(reviewer)
                    scores, note = (own.state.scores, own.state.note) if own else ((), "")
                    entries.append((self.columns.ids[n], State(decision, scores, None, note)))
        entries.sort(key=lambda entry: entry[0])  # in the order of the log's own index, which is quicker written
        lines = self.log.append(reviewer, entries, BULK + act)
        self.refresh()
        return len(lines)

    def done(self, act: str) -> int:
        """How many samples a bulk act has decided about already; 0 where there was no such act."""
        return self.log.done(BULK + act)

    def undo(self, reviewer: str, act: str) -> list[Line]:
        """Take back the reviewer's last act; the lines that say so."""
        lines = self.log.undo(reviewer, act)
        self.refresh()
        return lines

    def progress(self) -> dict[str, Any]:
        """How far the reviewers are, and how far they agree."""
        self.refresh(SOON)
        with self._lock:
            settled: Counter[str] = Counter(self._outcome.values())
            told = {
                "seq": self._seq,
                "total": self.columns.size,
                "people": {
                    name: {what: counts[what] for what in DECISIONS if counts[what]}
                    for name, counts in sorted(self._people.items())
                    if counts.total()
                },
                "settled": {what: n for what in COUNTING if (n := settled[what])},
                "conflicts": len(self._apart),
                "strangers": len(self._strangers),
            }
        return {**told, "agreement": self._measured()}

    def _measured(self) -> dict[str, Any]:
        """The agreement; that of before while another thread is measuring it."""
        if self._agreement[0] != self._changes and self._measuring.acquire(blocking=not self._agreement[1]):
            try:
                with self._lock:
                    changes = self._changes
                    held = {n: dict(self._reviews[n]) for n in self._read}
                if self._agreement[0] != changes:
                    self._agreement = changes, agreement(held, self.columns)
            finally:
                self._measuring.release()
        return self._agreement[1]

    def reviews(self) -> list[tuple[int, list[Line]]]:
        """All current lines, by the number of their sample, ascending."""
        self.refresh()
        with self._lock:
            return [(n, sorted(by.values(), key=lambda x: x.reviewer)) for n, by in sorted(self._reviews.items())]
