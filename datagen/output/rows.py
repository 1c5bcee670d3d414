"""Reads rows of anybody's training data, one record a row, from a stretch of a JSONL file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from datagen.core.errors import StoppedEarly
from datagen.core.record import AnyRecord, Candidate, Lineage, Message, Rejected, Sample, SourceFile, Verdict, trusted
from datagen.core.stage import Map, Shard
from datagen.output.formats_base import number_of
from datagen.output.row_texts import Slot, slots, with_texts

MAX_LINE = 10_000_000
"""Bytes of a row. A longer one is rejected unread."""
ROW = "row"
UNREADABLE = "unreadable_row"


class ReadRows(Map):
    """Turns stretches of JSONL files into samples, one a line; blank lines are passed over.

    A sample's id is its file and line, as in ``"train.jsonl:17"``; its lineage says where the line's text starts
    and ends, in bytes. A line that is no row gets the verdict ``unreadable_row``.

    Args:
        fields: names of the fields that hold the texts; empty: found by the row's form.
    """

    name = "read"
    version = 1
    produces = "sample"

    def __init__(self, fields: Sequence[str] = ()) -> None:
        self.fields = tuple(fields)

    def fingerprint(self) -> dict[str, Any]:
        """The fields."""
        return {"fields": list(self.fields)}

    def run(self, shard: Shard) -> list[AnyRecord]:
        """The rows of all stretches.

        Raises:
            StoppedEarly: a file cannot be read any more, or is shorter than it was.
        """
        return [sample for file in shard if isinstance(file, SourceFile) for sample in self._stretch(file)]

    def _stretch(self, file: SourceFile) -> Iterator[Sample]:
        for number, (start, end, line) in enumerate(lines(Path(file.location), file.start, file.end), file.line):
            lineage = trusted(
                Lineage, path=file.path, sha256=file.sha256, chunk="", start=start, end=end, model="", index=number
            )
            if line is None:
                yield _unread(lineage, f"over {MAX_LINE // 1_000_000} MB in one line")
            elif line.strip():
                yield self._sample(lineage, line)

    def _sample(self, lineage: Lineage, line: bytes) -> Sample:
        try:
            row = parse(line)
            found = slots(row, self.fields)
        except (ValueError, RecursionError) as error:
            said = "it is too deeply nested" if isinstance(error, RecursionError) else str(error)
            return _unread(lineage, said)
        messages = tuple(trusted(Message, role=s.role, content=s.text) for s in found if s.kind == "message")
        rejected = next((trusted(Rejected, content=s.text, flaw="") for s in found if s.kind == "rejected"), None)
        return trusted(
            Sample,
            id=_name(lineage),
            recipe=ROW,
            messages=messages,
            source="\n\n".join(s.text for s in found if s.kind == "source"),
            rejected=rejected,
            ranked=tuple(trusted(Candidate, content=s.text) for s in found if s.kind == "other"),
            family=row["family"] if isinstance(row.get("family"), str) else "",
            score=_score(row.get("score")),
            lineage=lineage,
        )


def lines(path: Path, start: int, end: int) -> Iterator[tuple[int, int, bytes | None]]:
    """The lines of a stretch: start and end (of the text, without the line's end) in bytes, and the text, None
    for one over :data:`MAX_LINE`.

    Raises:
        StoppedEarly: the file cannot be read, or is shorter than ``end``.
    """
    try:
        with path.open("rb") as file:
            file.seek(start)
            while start < end:
                line = file.readline(min(MAX_LINE + 1, end - start))
                if not line:
                    raise _changed(path, "It is shorter than it was")
                length, whole = len(line), line.endswith(b"\n") or start + len(line) >= end
                held: bytes | None = line
                while not whole:
                    held, line = None, file.readline(min(MAX_LINE, end - start - length))
                    if not line:
                        raise _changed(path, "It is shorter than it was")
                    length += len(line)
                    whole = line.endswith(b"\n") or start + length >= end
                stop = length - len(line) + len(line.rstrip(b"\r\n"))
                begin = 3 if start == 0 and held is not None and held.startswith(b"\xef\xbb\xbf") else 0
                if held is not None and len(held) > MAX_LINE:
                    held = None
                yield start + begin, start + max(stop, begin), None if held is None else held[begin:stop]
                start += length
    except OSError as error:
        raise _changed(path, f"The system says: {error.strerror or error}") from error


def parse(line: bytes) -> dict[str, Any]:
    """A row.

    Raises:
        ValueError: it is no JSON object in UTF-8 (also for numbers too long to read).
        RecursionError: it is nested too deeply.
    """
    try:
        row = json.loads(line)
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8") from error
    except ValueError as error:
        raise ValueError(f"it is not JSON: {str(error)[:200]}") from error
    if not isinstance(row, dict):
        raise ValueError("it is not a JSON object")
    return row


def texts_of(sample: Sample, found: Sequence[Slot]) -> dict[tuple[str | int, ...], str]:
    """What stages made of the texts of a row, by place: only those that differ."""
    messages, others = iter(sample.messages), iter(sample.ranked)
    changed = {}
    sources = [s for s in found if s.kind == "source"]
    for slot in found:
        if slot.kind == "message":
            text = next(messages).content
        elif slot.kind == "other":
            text = next(others).content
        elif slot.kind == "rejected":
            text = sample.rejected.content if sample.rejected is not None else slot.text
        else:
            text = sample.source if len(sources) == 1 else slot.text
        if text != slot.text:
            changed[slot.path] = text
    return changed


def rewritten(line: bytes, sample: Sample, fields: Sequence[str] = ()) -> bytes:
    """A row's line with the texts that stages gave its sample; the same bytes where none differs."""
    row = parse(line)
    texts = texts_of(sample, slots(row, fields))
    if not texts:
        return line
    changed = with_texts(row, texts)
    try:
        return json.dumps(changed, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # a lone surrogate has no UTF-8
        return json.dumps(changed).encode()


def _name(lineage: Lineage) -> str:
    return f"{lineage.path}:{lineage.index}"


def _unread(lineage: Lineage, why: str) -> Sample:
    return trusted(
        Sample,
        id=_name(lineage),
        recipe=ROW,
        messages=(),
        lineage=lineage,
        verdict=Verdict(stage=ReadRows.name, reason=UNREADABLE, evidence=why),
    )


def _score(value: Any) -> float | None:
    try:
        return number_of(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _changed(path: Path, why: str) -> StoppedEarly:
    return StoppedEarly(
        f"Could not read {path.name}.", f"{why}.", "Put the file back as it was and run the same command again."
    )
