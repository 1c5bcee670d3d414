"""A run under review: its samples, what was decided so far, and the acts of its reviewers."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from datagen.core.record import Sample
from datagen.finished import Finished
from datagen.review import index as indexes
from datagen.review.agreement import BULK, agreement
from datagen.review.queue import Columns, Filter, Mask, Order, decided
from datagen.review.rule import settle
from datagen.review.search import query
from datagen.review.store import COUNTING, Decision, Line, Log, State
from datagen.review.view import view

OVERALL = "overall"
"""The criterion that people score where the run has none."""


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
        self.log = Log(folder)
        self._lock = threading.RLock()
        self._seq = 0
        self._reviews: dict[int, dict[str, Line]] = {}
        self._apart: set[int] = set()
        self._strangers: set[str] = set()
        self._agreement: tuple[int, dict[str, Any]] = (-1, {})
        self.refresh()

    def close(self) -> None:
        """Close the files."""
        self.log.close()
        self.index.close()

    def refresh(self) -> None:
        """Take in what was appended to the log since, by anybody."""
        with self._lock:
            for line in self.log.since(self._seq):
                self._seq = line.seq
                number = self.columns.number.get(line.sample)
                if number is None:
                    self._strangers.add(line.sample)  # of samples that a later run of the same folder made no more
                    continue
                by = self._reviews.setdefault(number, {})
                by[line.reviewer] = line
                settled = settle(by.values())
                (self._apart.add if settled and settled.conflict else self._apart.discard)(number)

    def select(self, wanted: Filter, reviewer: str, *, blind: bool) -> Mask:
        """Which samples pass a filter."""
        if blind:
            wanted = wanted.unblinded()
        mask = self.columns.passing(wanted)
        if wanted.text.strip():
            typed = query(wanted.text)
            found = self.columns.kept & False
            if typed:
                found[self.index.matching(typed)] = True
            mask &= found
        if not wanted.reviewed:
            return mask
        self.refresh()
        with self._lock:
            mine = {
                n: by[reviewer].state.decision
                for n, by in self._reviews.items()
                if reviewer in by and by[reviewer].state.decision
            }
            anybody = [n for n, by in self._reviews.items() if any(x.state.decision in COUNTING for x in by.values())]
            return decided(mask, wanted.reviewed, mine, anybody, self._apart)

    def queue(self, wanted: Filter, order: Order, seed: int, reviewer: str, *, blind: bool) -> list[int]:
        """Numbers of the samples of a filter, in an order."""
        mask = self.select(wanted, reviewer, blind=blind)
        with self._lock:
            return self.columns.ordered(mask, order, seed, self._apart)

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
        self.refresh()
        with self._lock:
            return self._reviews.get(number, {}).get(reviewer)

    def decide(self, reviewer: str, sample: str, state: State, act: str, seen: int | None) -> Line:
        """Append one decision. Raises Overtaken, or DatagenError where it cannot be written."""
        line = self.log.append(reviewer, [(sample, state)], act, seen=seen)[0]
        self.refresh()
        return line

    def bulk(self, reviewer: str, numbers: Iterable[int], decision: Decision, act: str) -> int:
        """Append one decision for many samples, as one act; scores and notes that stand there stay.

        Returns:
            How many lines were written.
        """
        self.refresh()
        entries = []
        with self._lock:
            for n in numbers:
                own = self._reviews.get(n, {}).get(reviewer)
                scores, note = (own.state.scores, own.state.note) if own else ((), "")
                entries.append((self.columns.ids[n], State(decision, scores, None, note)))
        lines = self.log.append(reviewer, entries, BULK + act)
        self.refresh()
        return len(lines)

    def undo(self, reviewer: str, act: str) -> list[Line]:
        """Take back the reviewer's last act; the lines that say so."""
        lines = self.log.undo(reviewer, act)
        self.refresh()
        return lines

    def progress(self) -> dict[str, Any]:
        """How far the reviewers are, and how far they agree."""
        self.refresh()
        with self._lock:
            people: dict[str, Counter[str]] = {}
            settled: Counter[str] = Counter()
            for by in self._reviews.values():
                for name, line in by.items():
                    if line.state.decision:
                        people.setdefault(name, Counter())[line.state.decision] += 1
                outcome = settle(by.values())
                if outcome:
                    settled[outcome.decision] += 1
            if self._agreement[0] != self._seq:
                self._agreement = self._seq, agreement(self._reviews, self.columns)
            return {
                "seq": self._seq,
                "total": self.columns.size,
                "people": {name: dict(counts) for name, counts in sorted(people.items())},
                "settled": dict(settled),
                "conflicts": len(self._apart),
                "strangers": len(self._strangers),
                "agreement": self._agreement[1],
            }

    def reviews(self) -> list[tuple[int, list[Line]]]:
        """All current lines, by the number of their sample, ascending."""
        self.refresh()
        with self._lock:
            return [(n, sorted(by.values(), key=lambda x: x.reviewer)) for n, by in sorted(self._reviews.items())]
