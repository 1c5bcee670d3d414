"""Reads rows of training data for comparison: what `datagen curate` wrote, or files of rows in any known form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from datagen.core.errors import UsageError
from datagen.diff_side import (
    Side,
    damaged,
    example,
    instruction_key,
    nothing_there,
    plain,
    read_scores,
    unfinished,
)
from datagen.diff_table import KEPT, finite, key
from datagen.output.curated import KEPT as KEPT_FILE
from datagen.output.curated import REJECTED, REPORT
from datagen.output.import_rows import Numbered, TooLarge, files_of, rows_of
from datagen.output.row_texts import Slot, slots
from datagen.state import read_json

_FILE = 40  # bits of a place that hold the row's number


def read_curation(path: Path) -> Side:
    """An output folder of ``datagen curate``.

    Raises:
        UsageError: it is unfinished or damaged.
    """
    files = [path / KEPT_FILE, path / REJECTED]
    for file in (*files, path / REPORT):
        if not file.is_file():
            raise unfinished(path, f"It has no {file.name}, which is written at the end.")
    side = Side(path, "curation", lambda places: _examples(files, places))
    try:
        side.facts = read_json(path / REPORT)
        rejected = {str(k): int(v) for k, v in side.facts["rejected"].items()}
        side.ledger = {
            "requested": int(side.facts["rows"]),
            "kept": int(side.facts["kept"]),
            "rejected": rejected,
            "failed": {},
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise damaged(path, REPORT, error) from error
    _fill(side, files)
    counts = side.samples.reasons()
    if side.unreadable or counts != Counter({KEPT: side.ledger["kept"], **rejected}) - Counter():
        side.notes.append(f"its {REPORT} does not agree with its rows; verdicts are counted from the rows")
        kept = counts.pop(KEPT, 0)
        side.ledger = {**side.ledger, "kept": kept, "rejected": dict(sorted(counts.items()))}
    return side


def read_rows(path: Path) -> Side:
    """A file of rows, or a folder of such files.

    Raises:
        UsageError: there is no row in it.
    """
    if not path.exists():
        raise nothing_there(path)
    try:
        files = [file for file, _ in files_of(path)]
    except UsageError as error:
        raise UsageError(
            f"{path} is nothing that can be compared.",
            "It is no run folder and no output of `datagen curate`, and holds no files of rows.",
            "Name two run folders, two outputs of `datagen curate`, or two files of rows.",
        ) from error
    side = Side(path, "rows", lambda places: _examples(files, places))
    _fill(side, files)
    if not len(side.samples) and side.unreadable:
        raise UsageError(
            f"{path} holds no rows.",
            f"None of its {side.unreadable:,} lines is a JSON object.",
            "Name a run folder, or a file of rows as `datagen export` writes them.",
        )
    return side


def _fill(side: Side, files: Sequence[Path]) -> None:
    for number, file in enumerate(files):
        for count, numbered in _numbered(file):
            row = numbered.row
            if not isinstance(row, dict):
                side.unreadable += 1
                continue
            _add(side, row, number << _FILE | count)
    if side.unreadable:
        lines = "1 line is" if side.unreadable == 1 else f"{side.unreadable:,} lines are"
        side.notes.append(f"{lines} no JSON object and not compared")


def _numbered(file: Path) -> Iterator[tuple[int, Numbered]]:
    try:
        yield from enumerate(rows_of(file))
    except TooLarge as error:
        raise UsageError(f"{file} cannot be compared.", f"{error}.", "Split it into smaller files.") from error


def _add(side: Side, row: dict[str, Any], place: int) -> None:
    verdict = row.pop("verdict", None)
    said, content = _texts(row), plain(row)
    instruction = next((text for role, text in said if role == "user"), "")
    side.samples.add(
        key(plain(said)) if said else key("row", content),
        text=instruction_key(instruction),
        content=key(content),
        outcome=_reason(verdict),
        score=finite(row.get("score")),
        scores=read_scores(row.get("scores")),
        place=place,
    )


def _reason(verdict: Any) -> str:
    if verdict is None:
        return KEPT
    return str(verdict.get("reason") or "(none)") if isinstance(verdict, Mapping) else "(none)"


def _texts(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    try:
        return _said(slots(row))
    except (ValueError, RecursionError):  # of no known form: it is compared as a whole
        return []


def _said(found: Sequence[Slot]) -> list[tuple[str, str]]:
    """Who says what, the same for all forms: an instruction and its input, say, become one message."""
    said: list[tuple[str, str]] = []
    for slot in found:
        role = "rejected" if slot.kind == "rejected" else slot.role
        if slot.kind not in ("message", "rejected"):
            continue
        if said and said[-1][0] == role:
            said[-1] = (role, f"{said[-1][1]}\n\n{slot.text}")
        else:
            said.append((role, slot.text))
    return said


def _examples(files: Sequence[Path], places: Sequence[int]) -> list[dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for number in sorted({place >> _FILE for place in places}):
        wanted = {place for place in places if place >> _FILE == number}
        for count, numbered in _numbered(files[number]):
            place = number << _FILE | count
            if place in wanted:
                found[place] = _example(files[number], numbered)
                wanted.discard(place)
            if not wanted:
                break
    return [found[place] for place in places]


def _example(file: Path, numbered: Numbered) -> dict[str, Any]:
    row: dict[str, Any] = numbered.row
    verdict = row.pop("verdict", None)
    said = _texts(row)
    instruction = next((text for role, text in said if role == "user"), "")
    reply = next((text for role, text in reversed(said) if role == "assistant"), "")
    if not said:
        instruction = plain(row)
    name = row.get("id") if isinstance(row.get("id"), str) else f"{file.name}:{numbered.line}"
    return example(str(name), instruction, reply, finite(row.get("score")), read_scores(row.get("scores")), verdict)
