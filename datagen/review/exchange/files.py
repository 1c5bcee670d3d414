"""Files of reviews: written for other programs, and read back."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datagen.core.errors import UsageError, from_os_error
from datagen.core.files import atomic
from datagen.core.record import Sample
from datagen.core.text import scrub
from datagen.review.agreement import IMPORT
from datagen.review.desk import Desk
from datagen.review.exchange import argilla, label_studio
from datagen.review.exchange.common import Found, answers
from datagen.review.exchange.ratings import write_ratings
from datagen.review.store import Edit, Line, State
from datagen.review.view import criteria_of

FORMATS = ("ratings", "argilla", "label-studio")
MOST_NAME = 60


def export(folder: Path, path: Path, form: str) -> dict[str, Any]:
    """Write the reviews of a run.

    Args:
        form: of :data:`FORMATS`. ``ratings`` has a row a review; the others every sample of the run, reviewed or not,
            one a line where the file's name ends in ``.jsonl``, else one JSON array.

    Returns:
        ``{"written", "file"}``, and ``"config"``, the file with Label Studio's labelling configuration.

    Raises:
        DatagenError: no finished run, or a file that cannot be written.
    """
    desk = Desk(folder)
    try:
        if form == "ratings":
            return {"written": write_ratings(desk, path), "file": str(path)}
        told: dict[str, Any] = {"written": desk.columns.size, "file": str(path)}
        try:
            _write(path, _rows(desk, form))
            if form == "label-studio":
                config = path.with_suffix(".xml")
                with atomic(config) as file:
                    file.write(label_studio.config(desk.criteria).encode())
                told["config"] = str(config)
        except OSError as error:
            raise from_os_error(error, "write the reviews") from error
        return told
    finally:
        desk.close()


def _rows(desk: Desk, form: str) -> Iterator[dict[str, Any]]:
    reviews = dict(desk.reviews())
    for n in range(desk.columns.size):
        sample = desk.sample(n)
        if sample is not None:
            lines: list[Line] = [line for line in reviews.get(n, []) if answers(line.state)]
            yield argilla.record(sample, lines) if form == "argilla" else label_studio.task(sample, lines)


def _write(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    lines = path.suffix == ".jsonl"
    with atomic(path) as file:
        file.write(b"" if lines else b"[\n")
        for i, row in enumerate(rows):
            if i and not lines:
                file.write(b",\n")
            file.write(scrub(json.dumps(row, ensure_ascii=True)).encode() + (b"\n" if lines else b""))
        file.write(b"" if lines else b"\n]\n")


def load(folder: Path, path: Path) -> dict[str, Any]:
    """Append the reviews of a file of Argilla or Label Studio to a run's decisions. The same file again adds nothing.

    Returns:
        ``{"added", "same", "unknown", "read"}``: reviews appended, reviews that stand there already, reviews of
        samples that this run has not, and the file.

    Raises:
        DatagenError: no finished run, or a file that cannot be read or is of another form.
    """
    rows = _read(path)
    desk = Desk(folder)
    try:
        return {**_append(desk, rows), "read": str(path)}
    finally:
        desk.close()


def _append(desk: Desk, rows: list[dict[str, Any]]) -> dict[str, int]:
    known = {line.reviewer for _, lines in desk.reviews() for line in lines}
    added = same = unknown = 0
    by: dict[str, list[tuple[str, State]]] = {}
    for row in rows:
        for found in argilla.read(row, known) if argilla.is_record(row) else label_studio.read(row):
            number = desk.columns.number.get(found.sample)
            sample = desk.sample(number) if number is not None else None
            if number is None or sample is None:
                unknown += 1
                continue
            name = _name(found.reviewer)
            state = _fitting(found, sample, criteria_of(sample, desk.criteria))
            own = desk.own(number, name)
            if not answers(state) or (own is not None and answers(own.state) == answers(state)):
                same += 1
                continue
            by.setdefault(name, []).append((sample.id, state))
            added += 1
    for name, states in by.items():
        desk.log.append(name, states, IMPORT + secrets.token_hex(16))
    return {"added": added, "same": same, "unknown": unknown}


def _fitting(found: Found, sample: Sample, criteria: list[str]) -> State:
    """A review as it can stand for the sample: an edit completed, or dropped where it does not fit it."""
    state = found.state
    scores = tuple((name, value) for name, value in state.scores if name in criteria)
    edit, decision = state.edit, state.decision
    if edit is not None:
        contents = edit.contents
        if len(contents) == 1:
            contents = (*(m.content for m in sample.messages[:-1]), contents[0])
        before = tuple(m.content for m in sample.messages)
        rejected = None
        if sample.rejected is not None:
            rejected = edit.rejected if edit.rejected is not None else sample.rejected.content
        changed = contents != before or (sample.rejected is not None and rejected != sample.rejected.content)
        fits = len(contents) == len(before) and changed
        edit = Edit(contents, rejected) if fits else None
        decision = "edited" if fits else "accepted"
    return State(decision, scores, edit, state.note)


def _name(name: str) -> str:
    return "".join(c if c.isprintable() else " " for c in name).strip()[:MOST_NAME] or "imported"


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
        rows = (
            json.loads(text)
            if text.lstrip().startswith("[")
            else [json.loads(x) for x in text.split("\n") if x.strip()]
        )
    except OSError as error:
        raise from_os_error(error, "read the reviews") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"Could not read {path}.",
            f"It is neither a JSON array nor JSON lines ({type(error).__name__}).",
            "Export it as JSON from Argilla (records.to_json) or Label Studio (Export, JSON).",
        ) from error
    if not all(isinstance(row, dict) and (argilla.is_record(row) or label_studio.is_task(row)) for row in rows):
        raise UsageError(
            f"{path} holds something else than reviews.",
            "A row is neither a record of Argilla nor a task of Label Studio.",
            "Export it as JSON from Argilla (records.to_json) or Label Studio (Export, JSON).",
        )
    return list(rows)


def text(told: dict[str, Any]) -> str:
    """What was done, for people."""
    lines = []
    if "added" in told:
        lines.append(
            f"{told['added']:,} reviews added from {told['read']}, {told['same']:,} already there, "
            f"{told['unknown']:,} of samples that this run does not have"
        )
    if "written" in told:
        lines.append(f"{told['written']:,} rows written to {told['file']}")
    if "config" in told:
        lines.append(f"labelling configuration in {told['config']}")
    return "\n".join(lines)
