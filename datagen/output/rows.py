"""Reads rows of anybody's training data, one record a row, from a stretch of a JSONL file."""

from __future__ import annotations

import hashlib
import json
import re
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
MAX_NESTED = 400
"""Levels of lists and objects in a row: what Python reads and writes whatever called it (its limit is 1,000)."""
BOM = b"\xef\xbb\xbf"
ROW = "row"
_BLOCK = 1_000_000
UNREADABLE = "unreadable_row"


class ReadRows(Map):
    """Turns stretches of JSONL files into samples, one a line; blank lines are passed over.

    A sample's id is its file and line, as in ``"train.jsonl:17"``; its lineage says where the line's text starts
    and ends, in bytes. A line that is no row gets the verdict ``unreadable_row``.

    Args:
        fields: names of the fields that hold the texts; empty: found by the row's form.
    """

    name = "read"
    version = 3
    produces = "sample"

    def __init__(self, fields: Sequence[str] = ()) -> None:
        self.fields = tuple(fields)

    def fingerprint(self) -> dict[str, Any]:
        """The fields."""
        return {"fields": list(self.fields)}

    def run(self, shard: Shard) -> list[AnyRecord]:
        """The rows of all stretches.

        Raises:
            StoppedEarly: a file cannot be read any more, or is not what it was.
        """
        return [sample for file in shard if isinstance(file, SourceFile) for sample in self._stretch(file)]

    def _stretch(self, file: SourceFile) -> Iterator[Sample]:
        _same(file)
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
        except ValueError as error:
            return _unread(lineage, str(error))
        messages = tuple(trusted(Message, role=s.role, content=s.text) for s in found if s.kind == "message")
        rejected = next((trusted(Rejected, content=s.text, flaw="") for s in found if s.kind == "rejected"), None)
        return trusted(
            Sample,
            id=_name(lineage),
            recipe=ROW,
            messages=messages,
            source=next((s.text for s in found if s.kind == "source"), ""),
            rejected=rejected,
            ranked=tuple(trusted(Candidate, content=s.text) for s in found if s.kind == "other"),
            family=row["family"] if isinstance(row.get("family"), str) else "",
            score=_score(row.get("score")),
            lineage=lineage,
        )


def lines(path: Path, start: int, end: int) -> Iterator[tuple[int, int, bytes | None]]:
    """The lines of a stretch: start and end (of the text, without the line's end) in bytes, and the text, None
    for one over :data:`MAX_LINE`. Byte order marks, which stand at the beginning of files and of what was added from
    files, are no part of a text.

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
                begin = len(BOM) if held is not None and held.startswith(BOM) else 0
                if held is not None and len(held) > MAX_LINE:
                    held = None
                yield start + begin, start + max(stop, begin), None if held is None else held[begin:stop]
                start += length
    except OSError as error:
        raise _changed(path, f"The system says: {error.strerror or error}") from error


def parse(line: bytes) -> dict[str, Any]:
    """A row.

    Raises:
        ValueError: it is no JSON object in UTF-8, it has a field twice (readers differ in which they take), it is
            nested too deeply, or has a number too long to read.
    """
    try:
        row = json.loads(line.decode(), object_pairs_hook=_once)
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8") from error
    except RecursionError as error:
        raise ValueError(_DEEP) from error
    except _Twice as error:
        raise ValueError(f"it has the field {str(error)[:40]!r} twice") from error
    except ValueError as error:
        raise ValueError(f"it is not JSON: {str(error)[:200]}") from error
    if not isinstance(row, dict):
        raise ValueError("it is not a JSON object")
    if line.count(b"{") + line.count(b"[") > MAX_NESTED and _deep(row):
        raise ValueError(_DEEP)
    return row


_DEEP = "it is too deeply nested"


class _Twice(ValueError):
    """A field that stands twice in an object; the text is its name."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    held = dict(pairs)
    if len(held) < len(pairs):
        names = [name for name, _ in pairs]
        for name in held:
            if name != "verdict" and names.count(name) > 1:  # a row rejected twice has two verdicts
                raise _Twice(name)
    return held


def _deep(row: dict[str, Any]) -> bool:
    level: list[Any] = [row]
    for _ in range(MAX_NESTED):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def texts_of(sample: Sample, found: Sequence[Slot]) -> dict[tuple[str | int, ...], str]:
    """What stages made of the texts of a row, by place: only those that differ."""
    messages, others = iter(sample.messages), iter(sample.ranked)
    changed = {}
    for slot in found:
        if slot.kind == "message":
            text = next(messages).content
        elif slot.kind == "other":
            text = next(others).content
        elif slot.kind == "rejected":
            text = sample.rejected.content if sample.rejected is not None else slot.text
        else:
            text = sample.source
        if text != slot.text:
            changed[slot.path] = text
    return changed


def rewritten(line: bytes, sample: Sample, fields: Sequence[str] = ()) -> bytes:
    """A row's line with the texts that stages gave its sample; the same bytes where none differs.

    Numbers stay as they are written, also those that no number of Python's holds.
    """
    texts = texts_of(sample, slots(parse(line), fields))
    if not texts:
        return line
    mark = hashlib.sha256(line).hexdigest()  # stands in no text that is part of what it is the hash of
    numbers: list[str] = []

    def held(number: str) -> str:
        numbers.append(number)
        return f"{mark}{len(numbers) - 1}"

    row = json.loads(line.decode(), parse_float=held, parse_int=held, parse_constant=held)
    changed = with_texts(row, texts)
    try:
        out = json.dumps(changed, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # a lone surrogate has no UTF-8
        out = json.dumps(changed).encode()
    place = re.compile(f'"{mark}([0-9]+)"'.encode())
    return place.sub(lambda found: numbers[int(found[1])].encode(), out)


def _same(file: SourceFile) -> None:
    """Is a stretch what it was when the files were looked through?

    Raises:
        StoppedEarly: it is not, or cannot be read.
    """
    seen, left = hashlib.sha256(), file.end - file.start
    try:
        with Path(file.location).open("rb") as opened:
            opened.seek(file.start)
            while left and (block := opened.read(min(_BLOCK, left))):
                seen.update(block)
                left -= len(block)
    except OSError as error:
        raise _changed(Path(file.location), f"The system says: {error.strerror or error}") from error
    if left:
        raise _changed(Path(file.location), "It is shorter than it was")
    if seen.hexdigest() != file.sha256:
        raise _changed(Path(file.location), "It has changed since it was looked through")


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
