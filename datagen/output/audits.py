"""Counts what stages found in records: by kind, with one masked example, never in clear."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from datagen.core.record import Audit


class Audits:
    """Feed it with the audits of records, then :meth:`rows`."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str, str], tuple[int, str]] = {}

    def add(self, unit: str, audits: Iterable[Audit]) -> None:
        """The audits of one record; ``unit`` is its kind, as in ``"documents"``."""
        for audit in audits:
            key = (unit, audit.stage, audit.kind, audit.action)
            count, example = self._found.get(key, (0, ""))
            self._found[key] = (count + audit.count, example or audit.example)

    def rows(self) -> list[dict[str, Any]]:
        """``unit``, ``stage``, ``kind``, ``action``, ``count``, ``example`` of each, in their order."""
        return [
            {"unit": unit, "stage": stage, "kind": kind, "action": action, "count": count, "example": example}
            for (unit, stage, kind, action), (count, example) in sorted(self._found.items())
        ]
