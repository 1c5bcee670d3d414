"""Groups of copies, each under the record that was kept, read from the verdicts that name it.

The verdicts of ``curation.dedupe`` and ``curation.semantic`` say which record another is like, how like, and which
one of their cluster is kept.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from datagen.core.record import Chunk, Sample
from datagen.core.text import scrub
from datagen.output.pick import Least
from datagen.output.text import clip

SHOWN, MEMBERS = 40, 8
"""Clusters that are shown, the largest first, and the dropped records of each."""
REMEMBERED = 50_000
"""Clusters of which members are remembered; of later ones only the number of records is counted."""
_PREVIEWS = 400_000  # records whose text can be shown as the one that was kept
_TEXT = 500  # characters of a record
_SAME = re.compile(r"the same text as (\S+?)(?:; of their cluster (\S+) is kept)?")
_NEAR = re.compile(r"near-copy of (\S+) \(similarity ([\d.]+), ([a-z_]{1,20})\)(?:; of their cluster (\S+) is kept)?")
_SAYS = re.compile(r"says what (\S+) says \(similarity ([\d.]+), ([a-z_ -]{1,40})\)")
_REASONS = frozenset({"duplicate", "near_duplicate", "semantic_duplicate"})


@dataclass(frozen=True)
class Likeness:
    """What a verdict says: ``like`` which record, how ``similar`` (0 to 1), by which ``method``, which is ``kept``."""

    like: str
    similar: float
    method: str
    kept: str


def read(evidence: str) -> Likeness | None:
    """A verdict's evidence, None where it names no other record."""
    if same := _SAME.fullmatch(evidence):
        return Likeness(same[1], 1.0, "exact", same[2] or same[1])
    if near := _NEAR.fullmatch(evidence):
        return Likeness(near[1], float(near[2]), near[3], near[4] or near[1])
    if says := _SAYS.fullmatch(evidence):
        return Likeness(says[1], float(says[2]), says[3], says[1])
    return None


@dataclass
class _Cluster:
    size: int = 0
    members: Least[dict[str, Any]] | None = None
    methods: Counter[str] = field(default_factory=Counter)


class Clusters:
    """Feed it with chunks and samples, then :meth:`finish`.

    Memory: about 100 bytes a record (their texts wait in a file), and the members of 50,000 clusters.
    """

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=4_000_000)  # noqa: SIM115 - lives as long as this
        self._end = 0
        self._places: dict[tuple[str, int], int] = {}
        self._clusters: dict[tuple[str, str], _Cluster] = {}
        self._methods: Counter[tuple[str, str, str]] = Counter()

    def chunk(self, chunk: Chunk) -> None:
        """A chunk, screened."""
        self._record("chunks", chunk.id, chunk.path, chunk.text, chunk.verdict)

    def sample(self, sample: Sample) -> None:
        """A sample after the last stage."""
        asked = next((m.content for m in reversed(sample.messages) if m.role == "user"), "")
        said = sample.messages[-1].content if sample.messages else ""
        text = f"{clip(asked, _TEXT // 2)}\n{clip(said, _TEXT // 2)}".strip()
        self._record("samples", sample.id, sample.lineage.path, text, sample.verdict)

    def _record(self, unit: str, name: str, path: str, text: str, verdict: Any) -> None:
        self._remember(unit, name, path, text, verdict)  # of copies too: a later stage may drop what one kept
        if verdict is None or verdict.reason not in _REASONS:
            return
        found = read(verdict.evidence)
        if found is None:
            return
        self._methods[unit, verdict.stage, found.method] += 1
        cluster = self._clusters.setdefault((unit, found.kept), _Cluster())
        cluster.size += 1
        cluster.methods[found.method] += 1
        if cluster.members is None and len(self._clusters) <= REMEMBERED:
            cluster.members = Least(MEMBERS)
        if cluster.members is not None:
            cluster.members.offer(
                (-found.similar, name),
                lambda: {
                    "id": name,
                    "path": path,
                    "text": clip(text, _TEXT),
                    "similarity": found.similar,
                    "method": found.method,
                    "like": "" if found.like == found.kept else found.like,
                },
            )

    def _remember(self, unit: str, name: str, path: str, text: str, verdict: Any) -> None:
        if len(self._places) < _PREVIEWS:
            left = verdict.reason if verdict is not None else ""
            line = json.dumps([name, path, clip(text, _TEXT), left], ensure_ascii=False)
            data = scrub(line).encode() + b"\n"
            self._file.seek(self._end)
            self._file.write(data)
            self._places[unit, hash(name)] = self._end
            self._end += len(data)

    def _preview(self, unit: str, name: str) -> dict[str, Any]:
        at = self._places.get((unit, hash(name)))
        if at is not None:
            self._file.seek(at)
            found, path, text, left = json.loads(self._file.readline())
            if found == scrub(name):
                return {"id": name, "path": path, "text": text, "rejected": left}
        return {"id": name, "path": "", "text": "", "rejected": ""}

    def finish(self) -> dict[str, Any]:
        """The figures as plain values.

        Returns:
            ``clusters`` and ``dropped``: how many; ``methods``: ``[{"unit", "stage", "method", "count"}]``; ``shown``:
            the largest ``[{"unit", "size", "kept": {"id", "path", "text", "rejected"}, "dropped": [{"id", "path",
            "text", "similarity", "method", "like"}]}]``, where ``size`` counts the kept one too, ``rejected`` is the
            reason for which a later stage rejected it, and ``like`` names the record that one was found to be like
            where that is not the kept one.
        """
        order = sorted(self._clusters.items(), key=lambda c: (-c[1].size, c[0]))
        return {
            "clusters": len(order),
            "dropped": sum(cluster.size for _, cluster in order),
            "methods": [
                {"unit": unit, "stage": stage, "method": method, "count": n}
                for (unit, stage, method), n in sorted(self._methods.items())
            ],
            "shown": [
                {
                    "unit": unit,
                    "size": cluster.size + 1,
                    "kept": self._preview(unit, kept),
                    "dropped": list(cluster.members or ()),
                }
                for (unit, kept), cluster in order[:SHOWN]
            ],
        }
