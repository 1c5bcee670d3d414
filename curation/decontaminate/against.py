"""Reads evaluation sets: the questions of JSONL, JSON, CSV, Parquet and text files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datagen.core.errors import UsageError

MAX_BYTES = 500_000_000
MAX_WHOLE = 100_000_000
"""Bytes of a JSON file that is one value: Python holds it in many times that."""
MAX_LINE = 10_000_000
MAX_ITEMS = 1_000_000
MAX_TEXT = 100_000
"""Characters of an evaluation text that are compared: a longer one is a file of another kind, or a book."""
_QUESTIONS = ("question", "prompt", "instruction", "problem", "query", "input", "text", "sentence", "goal", "ctx")
_ROWS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")


@dataclass
class Against:
    """Evaluation texts.

    Attributes:
        texts: the questions.
        names: file and row of each, for evidence.
        unread: rows that hold no question.
        sha256: of all files' bytes, in order.
    """

    texts: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    unread: int = 0
    sha256: str = ""


def load_against(paths: Sequence[str | Path], fields: Sequence[str] = ()) -> Against:
    """Read evaluation sets.

    Args:
        paths: files, or folders of them. Files that hold no rows are one text for each paragraph.
        fields: names of the fields that hold a question; empty: the usual ones, and the user's turns of messages.

    Raises:
        UsageError: there is nothing to read, or a file that is too large or damaged.
    """
    found, seen = Against(), hashlib.sha256()
    for file in _files(paths):
        if file.stat().st_size > MAX_BYTES:
            raise UsageError(
                f"{file.name} is too large for an evaluation set.",
                f"It is over {MAX_BYTES // 1_000_000} MB.",
                "Name a part of it.",
            )
        with file.open("rb") as data:
            seen.update(hashlib.file_digest(data, "sha256").digest())
        for number, row in _rows(file):
            text = question(row, fields)
            if not text.strip():
                found.unread += 1
                continue
            if len(found.texts) >= MAX_ITEMS:
                raise UsageError(
                    "There are too many evaluation texts.", f"Over {MAX_ITEMS:,}.", "Name fewer files, or a part."
                )
            found.texts.append(text[:MAX_TEXT])
            found.names.append(f"{file.name}:{number}")
    if not found.texts:
        raise UsageError(
            "The evaluation sets hold no question.",
            f"{found.unread:,} rows were read, and none has a field that is known.",
            "Name the field with --set curation.decontaminate.fields=[NAME].",
        )
    found.sha256 = seen.hexdigest()
    return found


def question(row: Any, fields: Sequence[str] = ()) -> str:
    """The question of a row; "" where it has none."""
    if isinstance(row, str):
        return row
    if not isinstance(row, dict):
        return ""
    parts = [_text(row.get(name)) for name in fields]
    if not fields:
        name = next((n for n in _QUESTIONS if _text(row.get(n)).strip()), "")
        parts = [_text(row.get(name)) if name else _said(row), _choices(row.get("choices"))]
    return "\n".join(part for part in parts if part.strip())


def _text(value: Any) -> str:
    if isinstance(value, list):
        return _said({"messages": value})
    return value if isinstance(value, str) else ""


def _said(row: dict[str, Any]) -> str:
    """The user's turns of messages in OpenAI's or ShareGPT's form."""
    turns = row.get("messages") or row.get("conversations")
    found = [
        turn.get("content") or turn.get("value")
        for turn in (turns if isinstance(turns, list) else ())
        if isinstance(turn, dict) and (turn.get("role") or turn.get("from")) in ("user", "human")
    ]
    return "\n".join(text for text in found if isinstance(text, str))


def _choices(value: Any) -> str:
    if isinstance(value, dict):
        value = value.get("text")
    return "\n".join(v for v in value if isinstance(v, str)) if isinstance(value, list) else ""


def _files(paths: Sequence[str | Path]) -> list[Path]:
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
            found += [p for p in inside if p.suffix.lower() in (*_ROWS, ".txt", ".md")]
        elif path.is_file():
            found.append(path)
        else:
            raise UsageError(f"There is no evaluation set {path}.", "No such file or folder.", "Name one that exists.")
    return found


def _rows(path: Path) -> Iterator[tuple[int, Any]]:
    kind = path.suffix.lower()
    try:
        if kind in (".parquet", ".csv", ".tsv"):
            yield from _table(path, kind)
        elif kind == ".json" and (values := _whole(path)) is not None:
            yield from enumerate(values, 1)
        elif kind in (".jsonl", ".ndjson", ".json"):
            yield from _lines(path)
        else:
            yield from enumerate(_paragraphs(path), 1)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{path.name} is no evaluation set that can be read.",
            f"{type(error).__name__}: {str(error)[:200]}.",
            "Check the file; JSONL, JSON, CSV, Parquet and plain text are read.",
        ) from error
    except OSError as error:
        raise UsageError(
            f"Could not read {path.name}.", f"The system says: {error.strerror or error}.", "Check the file."
        ) from error


def _whole(path: Path) -> list[Any] | None:
    """The rows of a file that is one JSON value: a list, or the first list of objects in an object (as BIG-bench's
    ``examples``). None for one value a line."""
    with path.open("rb") as file:
        array = file.read(64).lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"[")
    if path.stat().st_size > MAX_WHOLE:
        if array:
            raise ValueError(f"one JSON value of over {MAX_WHOLE // 1_000_000} MB; write a row a line")
        return None
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        if array:
            raise
        return None
    if isinstance(value, dict) and not question(value).strip():
        lists = (part for part in value.values() if isinstance(part, list))
        return next((part for part in lists if any(isinstance(row, dict) for row in part)), [value])
    return value if isinstance(value, list) else [value]


def _paragraphs(path: Path) -> Iterator[str]:
    """What stands between blank lines, the beginning of what is too long."""
    with path.open("rb") as file:
        part = ""
        while line := file.readline(MAX_LINE):
            text = line.decode("utf-8", "replace")
            if text.strip():
                part += text if len(part) < MAX_TEXT else ""
            elif part:
                yield part.strip("\n")
                part = ""
        if part:
            yield part.strip("\n")


def _lines(path: Path) -> Iterator[tuple[int, Any]]:
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MAX_LINE):
            number += 1
            if not line.strip():
                continue
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError):
                yield number, None  # counted as unread


def _table(path: Path, kind: str) -> Iterator[tuple[int, Any]]:
    import polars as pl

    try:
        if kind == ".parquet":
            frame = pl.read_parquet(path)
        else:
            frame = pl.read_csv(path, separator="\t" if kind == ".tsv" else ",", infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise ValueError(str(error).splitlines()[0]) from error
    yield from enumerate(frame.iter_rows(named=True), 1)
