"""Counts what stages found in records: by kind, with one masked example, never in clear."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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


_SUBJECTS = {
    "Personal data": "pii",
    "Contamination": "decontaminate",
    "Secrets, injections and other malicious content": "malicious",
    "Toxic language": "toxicity",
}  # what the names of the stages begin with
OTHER = "Other findings"


def by_subject(rows: Iterable[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """The rows under what they are about: personal data and contamination always, the others where there are any."""
    groups: dict[str, list[Mapping[str, Any]]] = {subject: [] for subject in (*_SUBJECTS, OTHER)}
    for row in rows:
        groups[next((s for s, name in _SUBJECTS.items() if row["stage"].startswith(name)), OTHER)].append(row)
    return [(subject, found) for i, (subject, found) in enumerate(groups.items()) if found or i < 2]
