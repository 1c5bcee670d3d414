"""The account of a run: every requested sample is kept, rejected or failed, each counted by its reason."""

from __future__ import annotations

from collections import Counter
from typing import Any

from datagen.core.record import Failure, Sample


class Ledger:
    """Counts samples and failures; memory is one counter a reason.

    Args:
        requested: how many samples were asked for, counted where they were asked for, so that the
            sum can be wrong. None counts what is added instead, and then it adds up by construction.
    """

    def __init__(self, requested: int | None = None) -> None:
        self._requested = requested
        self._kept = 0
        self._rejected: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()

    def add(self, record: Sample | Failure) -> None:
        """Count one record. A failure counts as many samples as it cost; one that cost none (a judgement
        that could not be read) leaves the account as it is."""
        if isinstance(record, Failure):
            if record.samples:
                self._failed[record.reason] += record.samples
        elif record.verdict is None:
            self._kept += 1
        else:
            self._rejected[record.verdict.reason] += 1

    @property
    def accounted(self) -> int:
        """Samples that were added, whatever became of them."""
        return self._kept + self._rejected.total() + self._failed.total()

    def adds_up(self) -> bool:
        """Is ``requested = kept + rejected + failed``?"""
        return self._requested is None or self._requested == self.accounted

    def as_dict(self) -> dict[str, Any]:
        """``{"requested": n, "kept": n, "rejected": {reason: n}, "failed": {reason: n}}``, reasons sorted."""
        return {
            "requested": self.accounted if self._requested is None else self._requested,
            "kept": self._kept,
            "rejected": dict(sorted(self._rejected.items())),
            "failed": dict(sorted(self._failed.items())),
        }

    def to_bytes(self) -> bytes:
        """The content of ``ledger.json``: the same counts give the same bytes."""
        from datagen.output.text import pretty_json

        return pretty_json(self.as_dict())
