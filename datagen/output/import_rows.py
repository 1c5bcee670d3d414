"""The rows of files that hold training data: JSONL, a JSON array, Parquet, Arrow; alone or in a folder."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from datagen.core.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

MAX_ROWS = 1_000_000
MAX_LINE = 10_000_000
"""Bytes of a line of JSONL."""
MAX_WHOLE = 200_000_000
"""Bytes of a file that is read as a whole: a JSON array, a table."""
MAX_FILES = 1_000
SUFFIXES = (".jsonl", ".ndjson", ".json", ".parquet", ".arrow")
_BESIDE = {
    "lineage.jsonl", "not_written.jsonl", "dataset_info.json", "dataset_dict.json", "dataset_infos.json", "state.json",
}  # fmt: skip
MAX_TEXT = 1_000_000_000
"""Bytes of text in a table. A few kilobytes of Parquet can hold more: a text that many rows share is stored once."""
_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"BZh", b"\xfd7zXZ")  # gzip, zstd, zip, bzip2, xz


class TooLarge(Exception):
    """A file over a limit; the text says which."""


@dataclass(frozen=True)
class Numbered:
    """A row and its number from 1; ``problem`` says why there is none."""

    line: int
    row: Any
    problem: str = ""


def files_of(path: Path) -> list[tuple[Path, str]]:
    """The files to read, each with its name: the file itself, or those of a folder in the order of their names.

    Raises:
        UsageError: there is none, or there are too many.
    """
    if path.is_file():
        return [(path, path.name)]
    if not path.is_dir():
        if path.exists():
            raise UsageError(
                f"There is nothing to import at {path}.",
                "It is a device or a pipe, and rows are read more than once.",
                "Write what it gives into a file, and name that.",
            )
        raise UsageError(f"There is nothing to import at {path}.", "No such file or folder.", "Name one that exists.")
    inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)
    names = [(p, p.relative_to(path).as_posix()) for p in inside]
    found = [
        (p, name)
        for p, name in names
        if p.name not in _BESIDE
        and not any(part.startswith(".") for part in name.split("/"))
        and p.is_file()
        and not any(part.is_symlink() for part in (p, *p.parents) if part.is_relative_to(path) and part != path)
    ]
    if not found:
        raise UsageError(
            f"There is nothing to import in {path.name}.",
            "It holds no JSONL, JSON, Parquet or Arrow file.",
            "Name a folder that `datagen export` or `datasets` wrote, or a file.",
        )
    if len(found) > MAX_FILES:
        raise UsageError(
            f"{path.name} holds too many files.", f"Over {MAX_FILES:,}.", "Name a file, or a folder with fewer."
        )
    return found


def rows_of(path: Path) -> Iterator[Numbered]:
    """The rows of a file.

    Raises:
        TooLarge: a limit of this module.
        UsageError: the file cannot be read, or is not what its name says.
    """
    kind = path.suffix.lower()
    try:
        held = layout(path)
        if held == "table":
            rows = _table(path, arrow=kind == ".arrow")
        elif held == "array":
            rows = _array(path)
        else:
            rows = _lines(path)
        for count, numbered in enumerate(rows):
            if count >= MAX_ROWS:
                raise TooLarge(f"It has over {MAX_ROWS:,} rows")
            yield numbered
    except OSError as error:
        raise UsageError(
            f"Could not read {path.name}.", f"The system says: {error.strerror or error}.", "Check the file."
        ) from error


def layout(path: Path) -> Literal["lines", "array", "table"]:
    """How the rows of a file are laid out, by its name and beginning.

    Raises:
        UsageError: it is compressed.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(64)
    if head.startswith(_COMPRESSED):
        raise UsageError(
            f"{path.name} is compressed.", "Only plain files are read.", "Unpack it first, as in `gunzip FILE`."
        )
    if path.suffix.lower() in (".parquet", ".arrow") or head.startswith(b"PAR1"):
        return "table"
    return "array" if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[") else "lines"


def _lines(path: Path) -> Iterator[Numbered]:
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MAX_LINE + 1):
            number += 1
            if len(line) > MAX_LINE:
                raise TooLarge(f"Line {number} is over {MAX_LINE // 1_000_000} MB")
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if not line.strip():
                continue
            try:
                yield Numbered(number, json.loads(line.decode()))
            except UnicodeDecodeError:
                yield Numbered(number, None, "it is not UTF-8")
            except RecursionError:
                yield Numbered(number, None, "it is too deeply nested")
            except ValueError as error:
                yield Numbered(number, None, f"it is not JSON: {error}")


def _array(path: Path) -> Iterator[Numbered]:
    data = _whole(path)
    try:
        rows = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        said = "it is too deeply nested" if isinstance(error, RecursionError) else str(error)
        raise _damaged(path, "a JSON array", said) from error
    for number, row in enumerate(rows, 1):
        yield Numbered(number, row)


def _table(path: Path, *, arrow: bool) -> Iterator[Numbered]:
    import polars as pl

    data = io.BytesIO(_whole(path))
    try:
        if arrow:  # what Dataset.save_to_disk writes is a stream
            frame = pl.read_ipc_stream(data)
        else:
            frame = pl.read_parquet(data)
    except (pl.exceptions.PolarsError, ValueError) as error:
        kind = "an Arrow stream" if arrow else "a Parquet file"
        raise _damaged(path, kind, str(error).splitlines()[0][:200]) from error
    if sum(text_bytes(column) for column in frame.get_columns()) > MAX_TEXT:
        raise TooLarge(f"It holds over {MAX_TEXT // 1_000_000:,} MB of text")
    for number, row in enumerate(frame.iter_rows(named=True, buffer_size=1), 1):
        yield Numbered(number, row)


def text_bytes(column: pl.Series) -> int:
    """Bytes of all texts in a column, however deep, counted without making a copy of any."""
    import polars as pl

    if isinstance(column.dtype, pl.List | pl.Array):
        return text_bytes(column.explode()) if len(column) else 0
    if isinstance(column.dtype, pl.Struct):
        return sum(text_bytes(field) for field in column.struct.unnest().get_columns())
    if column.dtype == pl.String:
        return int(column.str.len_bytes().sum())
    if column.dtype == pl.Binary:
        return int(column.bin.size().sum() or 0)
    return 0


def _whole(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(MAX_WHOLE + 1)
    if len(data) > MAX_WHOLE:
        raise TooLarge(f"It is over {MAX_WHOLE // 1_000_000} MB")
    return data


def _damaged(path: Path, kind: str, said: str) -> UsageError:
    return UsageError(f"{path.name} is not {kind}.", f"The reader says: {said}.", "Check the file, or write it anew.")
