"""Reads training data in every format that is exported, and in the usual simple ones, as gold samples.

What is read was written by others: sizes are capped, rows are told apart by their fields, a bad row is
a problem with its line and never more.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datagen.core.errors import UsageError
from datagen.core.hashing import digest
from datagen.core.record import Lineage, Message, Quote, Rejected, Sample, Split
from datagen.output.formats import FORMATS, Format
from datagen.output.formats_base import BAD_ROW, Parts, assistant_last, number_of, text_of
from datagen.output.formats_tree import threads_of
from datagen.output.import_rows import MAX_ROWS, Numbered, TooLarge, files_of, rows_of

GOLD = "gold"
Fallback = Callable[[dict[str, Any]], list[Sample]]
_SPLIT = re.compile(r"(?:^|[._/-])(valid|validation|val|dev|test)(?=[._/-]|$)", re.IGNORECASE)
_ELSEWHERE = ("tasks", "passage_2")
"""Fields of rows that only a fallback can read."""


@dataclass(frozen=True)
class Problem:
    """A row that could not be read.

    Attributes:
        path: the file's name, relative to the folder that was named.
        line: of the row, from 1; of a JSON array or a table the row's number; 0 for the whole file.
        reason: why, for a person.
    """

    path: str
    line: int
    reason: str


def read(
    path: Path,
    on_problem: Callable[[Problem], None] | None = None,
    *,
    fallback: Fallback | None = None,
    texts: bool = False,
) -> Iterator[Sample]:
    """Read samples from a JSONL file, a JSON array, a Parquet or Arrow file, or a folder of such files.

    The form of each row is found by its fields: every format of :data:`~datagen.output.formats.FORMATS`,
    ``{"prompt", "completion"}``, ``{"question", "answer"}`` (with ``passage`` or ``context``, and ``evidence``),
    ``{"passage", "pairs": [...]}``. The samples have the recipe ``"gold"``, lineage with the file's name, ids
    that depend on their content alone, and the split that the file's name says, else ``"train"``.

    Args:
        path: a file or a folder; of a folder what an export writes beside its rows is left out.
        on_problem: takes each bad row; None: the first one is an error.
        fallback: makes samples of a row of no known form; it may raise KeyError, TypeError or ValueError.
        texts: rows of ``{"text"}`` are samples with that text as the assistant's only message; else they are
            problems, for they hold no instruction.

    Raises:
        UsageError: nothing there to read, a file that is too large or damaged, or a bad row and no ``on_problem``.
    """
    report = on_problem or _refuse
    seen: Counter[str] = Counter()
    for file, name in files_of(path):
        known = _File(name, fallback, texts)
        try:
            for numbered in rows_of(file):
                yield from _distinct(known.row(numbered, report), seen)
            yield from _distinct(known.rest(report), seen)
        except TooLarge as error:
            raise UsageError(
                f"{name} is too large to import.", f"{error}.", "Give a part of it, the best few thousand rows."
            ) from error


def _refuse(problem: Problem) -> None:
    where = f"Line {problem.line} of {problem.path}" if problem.line else problem.path
    raise UsageError(
        f"{where} is no sample.",
        f"{problem.reason[:1].upper()}{problem.reason[1:]}.",
        "Correct or remove it; docs/formats.md shows what each kind of row looks like.",
    )


def _distinct(samples: Sequence[Sample], seen: Counter[str]) -> Iterator[Sample]:
    for sample in samples:
        again = seen[sample.id]
        seen[sample.id] += 1
        yield sample.model_copy(update={"id": digest([sample.id, again])}) if again else sample


class _File:
    """The rows of one file; rows with a label wait for the other half of their pair."""

    def __init__(self, name: str, fallback: Fallback | None, texts: bool) -> None:
        self.name, self.fallback, self.texts = name, fallback, texts
        found = _SPLIT.findall(name)
        self.split: Split = "train" if not found else "test" if found[-1].lower() == "test" else "valid"
        self.waiting: dict[str, Numbered] = {}

    def row(self, numbered: Numbered, report: Callable[[Problem], None]) -> list[Sample]:
        """The samples of a row; none for a bad one and for one that waits."""
        row = numbered.row
        try:
            if numbered.problem:
                raise ValueError(numbered.problem)
            if not isinstance(row, dict):
                raise TypeError("not a JSON object")
            row = {key: value for key, value in row.items() if value is not None}  # tables fill gaps with null
            if "label" in row and "completion" in row:
                return self._labelled(Numbered(numbered.line, row))
            return self._samples(row)
        except BAD_ROW as error:
            report(Problem(self.name, numbered.line, _reason(error)))
            return []

    def rest(self, report: Callable[[Problem], None]) -> list[Sample]:
        """What still waits at the end: liked replies are samples of their own, the others are problems."""
        found: list[Sample] = []
        for numbered in self.waiting.values():
            try:
                found.append(self._sample(numbered.row, FORMATS["kto"].from_rows([numbered.row])))
            except BAD_ROW as error:
                report(Problem(self.name, numbered.line, _reason(error)))
        return found

    def _labelled(self, numbered: Numbered) -> list[Sample]:
        row = numbered.row
        key = digest([row.get("id"), row["prompt"]])
        other = self.waiting.get(key)
        if other is None:
            self.waiting[key] = numbered
            return []
        del self.waiting[key]
        if other.row["label"] == row["label"]:
            self.waiting[key] = numbered
            return [self._sample(other.row, FORMATS["kto"].from_rows([other.row]))]
        return [self._sample(row, FORMATS["kto"].from_rows([other.row, row]))]

    def _samples(self, row: dict[str, Any]) -> list[Sample]:
        if self.fallback is not None and any(name in row for name in _ELSEWHERE):
            return self._foreign(row)
        if "pairs" in row:
            return [self._sample({**row, **pair}, _question(pair)) for pair in _objects(row["pairs"])]
        form = form_of(row)
        if form is not None and form.merged:
            return [self._sample(row, parts) for parts in threads_of(row)]
        if form is not None:
            return [self._sample(row, form.from_rows([row]))]
        if "question" in row and "answer" in row:
            return [self._sample(row, _question(row))]
        if "prompt" in row and "completion" in row:
            return [self._sample(row, _completion(row))]
        if self.texts and "text" in row:
            return [self._sample(row, Parts((Message(role="assistant", content=text_of(row, "text")),)))]
        if self.fallback is not None:
            return self._foreign(row)
        if "text" in row:
            raise ValueError("a text alone has no question and no answer")
        raise ValueError("a row of no known form; its fields are " + (", ".join(sorted(row)[:8])[:200] or "none"))

    def _foreign(self, row: dict[str, Any]) -> list[Sample]:
        assert self.fallback is not None
        found = []
        for made in self.fallback(row):
            lineage = made.lineage.model_copy(update={"path": self.name, "model": GOLD})
            changed = {"recipe": GOLD, "split": self.split, "lineage": lineage}
            found.append(made.model_copy(update=changed))
        return found

    def _sample(self, row: Mapping[str, Any], parts: Parts) -> Sample:
        if not any(m.content.strip() or m.tool_calls for m in parts.messages if m.role == "assistant"):
            raise ValueError("the answer is empty")
        passage = text_of(row, "passage", "") or text_of(row, "context", "")
        scores = _scores(row.get("scores"))
        score = row.get("score")
        rejected = None
        if parts.rejected is not None:
            rejected = Rejected(content=parts.rejected, flaw=parts.flaw)
        content = [[m.model_dump(mode="json") for m in parts.messages], parts.rejected, passage]
        kind = text_of(row, "type", "") if "question" in row else ""
        return Sample(
            id=digest([GOLD, *content, list(parts.tools)]),
            recipe=GOLD,
            split=self.split,
            messages=parts.messages,
            source=passage,
            tools=parts.tools,
            rejected=rejected,
            ranked=parts.ranked,
            family=text_of(row, "family", ""),
            metric=text_of(row, "metric", ""),
            attributes={"type": kind} if kind else {},
            scores=scores,
            score=number_of(score) if isinstance(score, int | float) and not isinstance(score, bool) else None,
            lineage=Lineage(
                path=self.name,
                sha256="",
                chunk="",
                start=0,
                end=len(passage),
                quotes=tuple(_quotes(row, passage)),
                model=GOLD,
            ),
        )


def form_of(row: Mapping[str, Any]) -> Format | None:
    """The format that a row has, by its fields; None where it is none of ours."""
    if "chosen" in row and "rejected" in row:
        return FORMATS["dpo-plain" if isinstance(row["chosen"], str) else "dpo"]
    if "messages" in row:
        return FORMATS["messages"]
    if "conversations" in row:
        return FORMATS["sharegpt"]
    if "instruction" in row and "output" in row:
        return FORMATS["alpaca"]
    if "prompt" in row and "responses" in row:
        return FORMATS["ranked"]
    if isinstance(row.get("prompt"), dict):
        return FORMATS["oasst"]
    return None


def _question(row: Mapping[str, Any]) -> Parts:
    asked, answer = text_of(row, "question"), text_of(row, "answer")
    if not asked.strip():
        raise ValueError("the question is empty")
    return Parts((Message(role="user", content=asked), Message(role="assistant", content=answer)))


def _completion(row: Mapping[str, Any]) -> Parts:
    both = FORMATS["kto"].from_rows([{**row, "label": True}])
    return Parts(assistant_last(both.messages))


def _objects(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise TypeError("pairs must be a list of objects")
    return value


def _quotes(row: Mapping[str, Any], passage: str) -> Iterator[Quote]:
    evidence = row.get("evidence") or []
    for text in [evidence] if isinstance(evidence, str) else evidence:
        if not isinstance(text, str):
            raise TypeError("evidence must be text, or a list of texts")
        start = passage.find(text)
        # Pasted evidence that is not in the passage word for word is kept, without a span.
        yield Quote(text=text, start=max(start, 0), end=start + len(text) if start >= 0 else 0)


def _scores(value: Any) -> dict[str, float]:
    if not isinstance(value, dict):  # ranked rows have a list of their own
        return {}
    return {str(k): number_of(v) for k, v in value.items() if v is not None}


def _reason(error: BaseException) -> str:
    if isinstance(error, KeyError):
        return f"the field {str(error.args[0])[:80]!r} is missing or has a value that is not known"
    if isinstance(error, RecursionError):
        return "it is too deeply nested"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return "; ".join(lines[1:3] if len(lines) > 2 else lines)[:300] or type(error).__name__


__all__ = ["GOLD", "MAX_ROWS", "Fallback", "Problem", "form_of", "read"]
