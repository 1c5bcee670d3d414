"""Writes what curating somebody's rows left: kept and rejected rows, and a report.

A row that no stage changed is written with the bytes it came in. What was rejected is there whole, with its verdict.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from datagen.core.files import atomic, write_if_changed
from datagen.core.record import Sample
from datagen.output.audits import Audits
from datagen.output.row_files import CURATED
from datagen.output.rows import MAX_LINE, UNREADABLE, rewritten

KEPT, REJECTED, REPORT = CURATED
EXAMPLES = 5
"""Examples of each reason in the report."""
_BLOCK = 3 << 18  # a multiple of three, so that base64 of pieces is that of the whole
NO_CHANGE = frozenset({"none", "audit", "reject"})
"""Actions on a finding that leave the text as it is."""


class Curated:
    """Counts and writes samples, in order.

    Args:
        fields: as of :class:`datagen.output.rows.ReadRows`.
        judged: rows get a last field ``judge`` with what the judge said.
    """

    def __init__(self, fields: Sequence[str] = (), *, judged: bool = False) -> None:
        self.fields = tuple(fields)
        self.judged = judged
        self.rows = self.kept = self.changed = 0
        self.rejected: Counter[str] = Counter()
        self._files: dict[str, Counter[str]] = {}
        self._examples: dict[str, list[dict[str, str]]] = {}
        self._audits = Audits()

    def write(
        self,
        samples: Iterable[Sample],
        locations: Mapping[str, str],
        out: Path,
        unchanged: Callable[[], None] = lambda: None,
    ) -> None:
        """Write ``kept.jsonl`` and ``rejected.jsonl``.

        Args:
            samples: those of one file after those of another.
            locations: the file that each name in the samples' lineage stands for.
            unchanged: raises where one of these files was changed meanwhile; it is asked before the results are put
                in their place, and where a row cannot be read.

        Raises:
            OSError: as the system gives it; no half-written file stays.
        """
        with ExitStack() as stack:
            kept = stack.enter_context(atomic(out / KEPT))
            rejected = stack.enter_context(atomic(out / REJECTED))
            name = None
            source: IO[bytes] = kept
            try:
                for sample in samples:
                    if sample.lineage.path != name:
                        if name is not None:
                            source.close()  # there may be more files than a process may hold open
                        name = sample.lineage.path
                        source = stack.enter_context(Path(locations[name]).open("rb"))
                    self._one(sample, source, kept, rejected)
            except (ValueError, OSError):
                unchanged()
                raise
            unchanged()

    def _one(self, sample: Sample, source: IO[bytes], kept: IO[bytes], rejected: IO[bytes]) -> None:
        self.rows += 1
        counts = self._files.setdefault(sample.lineage.path, Counter())
        counts["rows"] += 1
        self._audits.add("rows", sample.audits)
        line = _line(sample, source)
        if self.judged and line is not None and sample.judgements:
            line = with_field(line, "judge", _judged(sample))
        if sample.verdict is not None:
            self.rejected[sample.verdict.reason] += 1
            self._example(sample)
            if line is None:
                _write_long(sample, source, rejected)
            else:
                rejected.write(with_verdict(sample, line))
            return
        assert line is not None  # what is over the limit is never kept
        self.kept += 1
        counts["kept"] += 1
        if any(audit.action not in NO_CHANGE for audit in sample.audits):
            after = rewritten(line, sample, self.fields)
            self.changed += after != line
            line = after
        kept.write(line + b"\n")

    def _example(self, sample: Sample) -> None:
        assert sample.verdict is not None
        examples = self._examples.setdefault(sample.verdict.reason, [])
        if len(examples) < EXAMPLES:
            examples.append({"row": sample.id, "evidence": sample.verdict.evidence})

    def report(self) -> dict[str, Any]:
        """The figures as plain values; ``audits`` shows findings masked."""
        return {
            "rows": self.rows,
            "kept": self.kept,
            "changed": self.changed,
            "rejected": dict(sorted(self.rejected.items())),
            "adds_up": self.rows == self.kept + sum(self.rejected.values()),
            "files": [{"path": p, "rows": c["rows"], "kept": c["kept"]} for p, c in self._files.items()],
            "examples": dict(sorted(self._examples.items())),
            "audits": self._audits.rows(),
        }


def write_report(out: Path, report: Mapping[str, Any]) -> None:
    """Write ``report.json``. Raises OSError."""
    write_if_changed(out / REPORT, (json.dumps(report, ensure_ascii=True, indent=2) + "\n").encode())


def with_verdict(sample: Sample, line: bytes) -> bytes:
    """A rejected row's line: the row as it came, with its verdict as the last field.

    What is no JSON object stands in ``line``, or in ``line_base64`` where it is not UTF-8.
    """
    told = _told(sample)
    if told["reason"] != UNREADABLE:
        return with_field(line, "verdict", told) + b"\n"
    held: dict[str, Any] = {}
    try:
        held = {"line": line.decode()}
    except UnicodeDecodeError:
        held = {"line_base64": base64.b64encode(line).decode()}
    return json.dumps({**held, "verdict": told}, ensure_ascii=True).encode() + b"\n"


def _told(sample: Sample) -> dict[str, Any]:
    assert sample.verdict is not None
    return {**sample.verdict.model_dump(), "row": sample.id}


def _write_long(sample: Sample, source: IO[bytes], out: IO[bytes]) -> None:
    """Write a line too long to read, as ``line_base64`` and never as a whole in memory. Raises OSError."""
    left = sample.lineage.end - sample.lineage.start
    source.seek(sample.lineage.start)
    out.write(b'{"line_base64": "')
    while left and (block := source.read(min(_BLOCK, left))):
        out.write(base64.b64encode(block))
        left -= len(block)
    out.write(b'", "verdict": ' + json.dumps(_told(sample), ensure_ascii=True).encode() + b"}\n")


def with_field(line: bytes, name: str, value: Any) -> bytes:
    """The line of a row with one more field at its end; all other bytes stay, blanks after the row too."""
    row = line.rstrip()
    body, after = row[:-1], line[len(row) :]
    key = f'"{name}": ' if body.rstrip().endswith(b"{") else f', "{name}": '
    return body + key.encode() + json.dumps(value, ensure_ascii=True).encode() + b"}" + after


def _judged(sample: Sample) -> dict[str, Any]:
    """What a program wants to know of the judge's word."""
    told: dict[str, Any] = {
        "score": sample.score,
        "scores": sample.scores,
        "justification": sample.justification,
        "rubric": sample.rubric,
        "scored_by": sample.scored_by,
        "mode": ", ".join(dict.fromkeys(one.mode for one in sample.judgements)),
    }
    if sample.spread is not None:
        told["spread"] = sample.spread
        told["judgements"] = [
            {"model": one.model, "score": one.score, "scores": one.scores} for one in sample.judgements
        ]
    if sample.claims or sample.faithfulness is not None:
        told["faithfulness"] = sample.faithfulness
        told["claims"] = [claim.model_dump() for claim in sample.claims]
    return told


def _line(sample: Sample, source: IO[bytes]) -> bytes | None:
    length = sample.lineage.end - sample.lineage.start
    if length > MAX_LINE:
        return None
    source.seek(sample.lineage.start)
    return source.read(length)
