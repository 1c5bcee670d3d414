"""Reads people's ratings beside a judge's scores from a file: ours, or anybody's whose columns can be told."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from curation.calibrate_rows import Rating
from datagen.core.errors import UsageError
from datagen.core.hashing import digest
from datagen.core.text import scrub
from datagen.output.import_rows import Numbered, TooLarge, rows_of
from datagen.output.text import clip

COLUMNS: dict[str, tuple[str, ...]] = {
    "id": ("id", "sample", "sample_id", "example_id", "item_id", "uid"),
    "reviewer": ("reviewer", "annotator", "annotator_id", "rater", "worker_id"),
    "decision": ("decision", "accepted", "accept"),
    "human": ("human_scores", "human_score", "human", "ratings", "rating", "label"),
    "judge": ("scores", "score", "judge_scores", "judge_score", "judge", "llm_score", "prediction"),
    "length": ("length", "answer_length"),
    "document": ("document", "path"),
    "recipe": ("recipe", "task"),
    "rubric": ("rubric",),
    "model": ("scored_by", "judge_model"),
    "blind": ("blind",),
}
"""What a row can say → names of the columns that say it, each looked for in turn; all of ``human`` and ``judge``."""
_ACCEPTED = frozenset("accept accepted approve approved keep kept yes good pass passed true 1".split())
_REJECTED = frozenset("reject rejected edit edited discard discarded drop dropped no bad fail failed false 0".split())
_OPEN = frozenset(["", "skip", "skipped", "pending", "draft", "none", "null"])
_ANSWERS = ("answer", "output", "response", "completion", "text")
_NUMBER = re.compile(r"\s{0,9}([1-9]\d{0,9}|0)(\.\d{1,20})?\s{0,9}\Z")
MOST_SCORES = 100
"""Scores in one row at most."""
_NAME = 200  # characters of a name that are kept


@dataclass
class Ratings:
    """What was read.

    Attributes:
        ratings: in the order of the file.
        rows: of the file.
        left_out: reason → the first lines where it was so, and how often in all.
    """

    ratings: list[Rating] = field(default_factory=list)
    rows: int = 0
    left_out: dict[str, tuple[list[int], int]] = field(default_factory=dict)

    def leave_out(self, reason: str, line: int) -> None:
        """Count a row that could not be used."""
        lines, count = self.left_out.get(reason, ([], 0))
        self.left_out[reason] = ([*lines, line] if len(lines) < 3 else lines, count + 1)


class _Unusable(Exception):
    """A row that is no rating; the text says why, without the values in it, so that equal reasons count together."""


def read_ratings(path: Path, columns: Mapping[str, str] | None = None) -> Ratings:
    """The ratings in a file: JSONL, a JSON array or Parquet.

    Each row holds at least a judge's score and a person's score or decision; docs/calibration.md lists the columns.
    Rows that do not are counted by reason, with their line.

    Args:
        path: the file.
        columns: names of :data:`COLUMNS` → the column of the file that is meant, instead of the usual ones.

    Raises:
        UsageError: the file cannot be read, an unknown name in ``columns``, or no row is a rating.
    """
    named = {**COLUMNS, **{name: (column,) for name, column in (columns or {}).items()}}
    unknown = sorted(set(named) - set(COLUMNS))
    if unknown:
        raise UsageError(
            f"There is nothing called {unknown[0]!r} to read from a column.",
            f"The names are {', '.join(COLUMNS)}.",
            "Name one of them, as in --column human=rating.",
        )
    found = Ratings()
    try:
        for numbered in rows_of(path):
            found.rows += 1
            try:
                found.ratings += _ratings(numbered, named)
            except _Unusable as reason:
                found.leave_out(str(reason), numbered.line)
    except TooLarge as error:
        raise UsageError(f"{path.name} is too large.", f"{error}.", "Write it as JSONL, in smaller files.") from error
    if not found.ratings:
        reasons = [f"{reason} ({count:,})" for reason, (_, count) in found.left_out.items()]
        raise UsageError(
            f"{path.name} holds no rating.",
            f"Rows were left out: {'; '.join(reasons)}." if reasons else "It has no row.",
            "Each row needs a judge's score and a person's score or decision; name the columns as in "
            "--column human=rating --column judge=llm_score. See docs/calibration.md.",
        )
    return found


def _ratings(numbered: Numbered, named: Mapping[str, Sequence[str]]) -> Iterator[Rating]:
    if numbered.problem:
        raise _Unusable(numbered.problem.partition(":")[0])
    row = numbered.row
    if not isinstance(row, Mapping):
        raise _Unusable("the row is no object")
    if row.get("how") == "bulk":
        raise _Unusable("decided by a bulk action, without reading")
    judge, score = _one(row, named["judge"], "judge")
    human, human_score, several, word = _people(row, named["human"])
    given = _first(row, named["decision"])
    if given is None:
        given = word
    accepted = _decision(given)
    if not judge and score is None:
        raise _Unusable("no judge's score")
    if not human and human_score is None and not several and accepted is None:
        raise _Unusable("neither accepted nor rejected, and no person's score")
    shared: dict[str, Any] = {
        "sample": _name(_first(row, named["id"])) or f"\0row {numbered.line}",
        "judge": judge,
        "score": score,
        "accepted": accepted,
        "length": _length(row, named["length"]),
        "document": _document(_first(row, named["document"])),
        "recipe": _name(_first(row, named["recipe"])),
        "rubric": _name(_first(row, named["rubric"])),
        "model": _name(_first(row, named["model"])).removeprefix("judge:"),
        "blind": blind if isinstance(blind := _first(row, named["blind"]), bool) else None,
    }
    reviewer = _name(_first(row, named["reviewer"]))
    if several:
        for i, one in enumerate(several, 1):
            yield Rating(reviewer=f"{reviewer or 'rater'} {i}", human=human, human_score=one, **shared)
        return
    yield Rating(reviewer=reviewer, human=human, human_score=human_score, **shared)


def _first(row: Mapping[Any, Any], names: Sequence[str]) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)


def _one(row: Mapping[Any, Any], names: Sequence[str], whose: str) -> tuple[dict[str, float], float | None]:
    """Scores by criterion and of the whole, out of all columns that may hold them."""
    scores: dict[str, float] = {}
    whole: float | None = None
    for name in names:
        value = row.get(name)
        if isinstance(value, Mapping):
            scores = {**_by_criterion(value, whose), **scores}
        elif value is not None and whole is None:
            whole = _score(value, whose)
    return {**_apart(row, f"{whose}_", names), **scores}, whole


def _people(
    row: Mapping[Any, Any], names: Sequence[str]
) -> tuple[dict[str, float], float | None, list[float], str | bool | None]:
    """A person's scores by criterion, of the whole, the whole's of several people, and a decision."""
    scores: dict[str, float] = {}
    whole: float | None = None
    several: list[float] = []
    word: str | bool | None = None
    for name in names:
        value = row.get(name)
        if isinstance(value, Mapping):
            scores = {**_by_criterion(value, "human"), **scores}
        elif isinstance(value, list):
            several = several or [_score(one, "human") for one in value[:MOST_SCORES] if one is not None]
        elif isinstance(value, bool) or (isinstance(value, str) and not _NUMBER.match(value)):
            word = value if word is None else word
        elif value is not None and whole is None:
            whole = _score(value, "human")
    return {**_apart(row, "human_", names), **scores}, whole, several, word


def _apart(row: Mapping[Any, Any], prefix: str, names: Sequence[str]) -> dict[str, float]:
    """Scores that stand in a column each, as ``human_clarity`` and ``judge_clarity``."""
    columns = {
        name: row[name]
        for name in row
        if isinstance(name, str) and name.startswith(prefix) and name not in _KNOWN and name not in names
    }
    numbers = {name: value for name, value in columns.items() if _is_number(value)}
    return _by_criterion({name.removeprefix(prefix): value for name, value in numbers.items()}, prefix.rstrip("_"))


_KNOWN = {column for columns in COLUMNS.values() for column in columns}


def _by_criterion(values: Mapping[Any, Any], whose: str) -> dict[str, float]:
    if len(values) > MOST_SCORES:
        raise _Unusable(f"over {MOST_SCORES} scores")
    return {_name(name): _score(value, whose) for name, value in values.items() if value is not None}


def _is_number(value: Any) -> bool:
    return (isinstance(value, int | float) and not isinstance(value, bool)) or (
        isinstance(value, str) and _NUMBER.match(value) is not None
    )


def _score(value: Any, whose: str) -> float:
    """A number from 1 to 5."""
    who = "a person's" if whose == "human" else "the judge's"
    if not _is_number(value):
        raise _Unusable(f"{who} score is no number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not 1 <= number <= 5:
        hint = "; where 0 and 1 mean rejected and accepted, name the column with --column decision=…"
        raise _Unusable(f"{who} score is not from 1 to 5{hint if number == 0 and whose == 'human' else ''}")
    return number


def _decision(value: Any) -> bool | None:
    """What was decided about the sample as the judge saw it: one that had to be edited was not accepted."""
    if isinstance(value, bool) or value is None:
        return value
    word = str(value).strip().lower() if isinstance(value, int | str) and len(str(value)[:40]) < 40 else "?"
    if word in _ACCEPTED:
        return True
    if word in _REJECTED:
        return False
    if word in _OPEN:
        return None
    raise _Unusable("the decision is neither accept nor reject")


def _length(row: Mapping[Any, Any], names: Sequence[str]) -> float | None:
    """As the row has it, else of its answer in code points."""
    given = _first(row, names)
    if isinstance(given, int | float) and not isinstance(given, bool) and 0 <= given < 1e12:
        return float(given)
    for name in _ANSWERS:
        if isinstance(row.get(name), str):
            return float(len(row[name]))
    messages = row.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else None
    content = last.get("content") if isinstance(last, Mapping) else None
    return float(len(content)) if isinstance(content, str) else None


def _document(value: Any) -> str:
    return _name(value.get("path") if isinstance(value, Mapping) else value)


def _name(value: Any) -> str:
    """A name as text that a file can hold; a long one is cut, but told apart from others that begin alike."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    text = scrub(str(value)[:10_000])
    return text if len(text) <= _NAME else f"{clip(text, _NAME - 20)} {digest(text, 8)}"
