"""Which files of a folder hold training rows, of which split, and their rows as they are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from training.errors import TrainingError
from training.rows_formats import kind
from training.rows_pairs import is_pair

Part = Literal["sft", "preference"]
Split = Literal["train", "valid", "test"]
MAX_LINE = 32 * 2**20
"""Bytes of a line at most: some eight million tokens, longer than any context."""
MAX_ARRAY = 2**30
"""Bytes of a file that is one JSON array, which cannot be streamed."""
_BATCH = 1024  # rows of Parquet in memory at once
_SUFFIXES = (".jsonl", ".ndjson", ".json", ".parquet")
_OURS = re.compile(
    r"(?P<part>sft|preference)(\.|/)(?P<split>train|valid|validation|test)"
    r"(?:-(?P<shard>\d{5,})-of-(?P<shards>\d{5,}))?\.(?:jsonl|parquet)"
)
_SPLIT = re.compile(r"(?:^|[^a-z])(train|training|validation|valid|val|dev|eval|test)(?:[^a-z]|$)")
_SPLITS: dict[str, Split] = {"train": "train", "training": "train", "test": "test"}
_NOT_DATA = frozenset({"lineage.jsonl", "not_written.jsonl", "events.jsonl", "failed.jsonl", "metrics.jsonl"})
_RUN = ("run.yaml", "ledger.json", "calls.sqlite", "events.jsonl", "shards.json")


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of rows. ``name`` is its path below the folder that was asked for."""

    path: Path
    name: str
    split: Split


def data_files(export: Path, part: Part) -> list[DataFile]:
    """The files of one part, in the order train, valid, test and then by name.

    Raises:
        TrainingError: no such folder or file, a run that has no export, a folder without any data file, a shard
            that is missing, or a folder that may not be read.
    """
    try:
        return _data_files(export, part)
    except OSError as error:
        raise _unreadable(export, error) from error


def _data_files(export: Path, part: Part) -> list[DataFile]:
    if export.is_file():
        _readable(export)
        is_part = is_pair(_first(export)) == (part == "preference")
        return [DataFile(export, export.name, "train")] if is_part else []
    if not export.is_dir():
        raise TrainingError(
            f"There is no {export}.",
            "Training needs a run or a folder with the files of an export.",
            "Make a run with datagen run --source DOCS --out RUN.",
        )
    folder = _export_of(export)
    ours = _ours(folder)
    if ours:
        return _sorted([file for found, file in ours if found == part])
    others = [path for path in sorted(folder.iterdir()) if _is_data(path)]
    if not others:
        raise _nothing(export)
    wanted = part == "preference"
    return _sorted([DataFile(p, p.name, _split(p)) for p in others if is_pair(_first(p)) == wanted])


def raw_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line numbers from 1 and rows as they are in the file; empty lines are passed over.

    Raises:
        TrainingError: a line that is too long, no UTF-8, no JSON or no object; a file that cannot be read.
    """
    try:
        if path.suffix == ".parquet":
            yield from _parquet(path)
        else:
            yield from _array(path) if path.suffix == ".json" and _is_array(path) else _jsonl(path)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> TrainingError:
    return TrainingError(f"{path} cannot be read.", f"{error.strerror or error}.", "Check the disk and its rights.")


def no_train_rows(export: Path, files: list[DataFile], notes: list[str]) -> TrainingError:
    """What to say where there is nothing to learn from; ``notes`` say what was left out."""
    if notes:
        why = notes[0]
        fix = "Run with recipes that make texts, or take another file."
    elif any(file.split == "train" for file in files):
        why = "The files of the train split hold no row."
        fix = "Look at what was rejected and why with datagen report RUN, and run on more documents."
    elif files:
        why = f"Only {', '.join(sorted({file.split for file in files}))} rows are there."
        fix = "Write all splits with datagen export RUN --format messages, or run on more documents."
    else:
        why = "No file there holds conversations."
        fix = "Write them with datagen export RUN --format messages."
    return TrainingError(f"{export} has no train rows.", why, fix)


def no_pair_rows(export: Path, files: list[DataFile], notes: list[str]) -> TrainingError:
    """What to say where files of pairs hold none."""
    return TrainingError(
        f"{export} has no pairs.",
        notes[0] if notes else f"{files[0].name} holds no two replies to one prompt, one better than the other.",
        f"Delete {files[0].name} to train without pairs, or write pairs with datagen export RUN --format dpo.",
    )


def _export_of(folder: Path) -> Path:
    """The folder itself or, of a run, its export."""
    inner = folder / "export"
    is_run = any((folder / name).exists() for name in _RUN)
    if inner.is_dir() and (is_run or not any(_is_data(path) for path in folder.iterdir())):
        return inner
    if is_run:
        raise TrainingError(
            f"The run {folder} has no export.",
            "It was interrupted before its end, or its export was deleted.",
            f"Finish it with datagen run --out {folder}, or write the export with datagen export {folder} "
            "--format messages.",
        )
    return folder


def _ours(folder: Path) -> list[tuple[str, DataFile]]:
    """Files by the names of an export, with their part."""
    found: list[tuple[str, DataFile]] = []
    shards: dict[tuple[str, str], tuple[set[int], int]] = {}
    for path in [*folder.glob("*"), *folder.glob("sft/*"), *folder.glob("preference/*")]:
        name = path.relative_to(folder).as_posix()
        match = _OURS.fullmatch(name)
        if not match or not path.is_file():
            continue
        split: Split = _SPLITS.get(match["split"], "valid")
        found.append((match["part"], DataFile(path, name, split)))
        if match["shard"]:
            seen, _ = shards.setdefault((match["part"], split), (set(), int(match["shards"])))
            seen.add(int(match["shard"]))
    for (kept, of), (seen, count) in shards.items():
        missing = next((n for n in range(min(count, len(seen) + 1)) if n not in seen), None)
        if missing is not None:
            raise TrainingError(
                f"{folder} is not whole.",
                f"Shard {missing} of the {count} of {kept}.{of} is missing.",
                "Copy it again, or write the export anew with datagen export RUN --format messages.",
            )
    return found


def _sorted(files: list[DataFile]) -> list[DataFile]:
    return sorted(files, key=lambda file: (("train", "valid", "test").index(file.split), file.name))


def _is_data(path: Path) -> bool:
    return path.suffix in _SUFFIXES and path.suffix != ".json" and path.name not in _NOT_DATA and path.is_file()


def _split(path: Path) -> Split:
    match = _SPLIT.search(path.stem.lower())
    return _SPLITS.get(match[1], "valid") if match else "train"


def _first(path: Path) -> dict[str, Any]:
    """The first row, to tell what a file holds; an empty file holds nothing."""
    return next((row for _, row in raw_rows(path)), {})


def _readable(path: Path) -> None:
    if path.suffix not in _SUFFIXES:
        raise TrainingError(
            f"{path} is no file of rows.",
            "Training reads .jsonl, .ndjson, .json and .parquet.",
            "Write the rows with datagen export RUN --format messages.",
        )


def _nothing(export: Path) -> TrainingError:
    return TrainingError(
        f"{export} is not an export.",
        "No JSONL or Parquet file with training rows is in it.",
        "Make a run with datagen run --source DOCS --out RUN, or write the rows of one with datagen export RUN "
        "--format messages.",
    )


def _jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MAX_LINE + 1):
            number += 1
            if len(line) > MAX_LINE:
                raise _bad_line(path, number, f"it is longer than {MAX_LINE // 2**20} MiB")
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if line.strip():
                yield number, _object(path, number, line)


def _is_array(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[")


def _array(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """A file that is one array of objects, as Alpaca was published; rows are numbered as if each were a line."""
    if path.stat().st_size > MAX_ARRAY:
        raise TrainingError(
            f"{path.name} cannot be read.",
            f"It is one JSON array of more than {MAX_ARRAY // 2**30} GiB, which must be read whole.",
            "Write it as JSONL, one object a line.",
        )
    try:
        rows = json.loads(path.read_bytes().removeprefix(b"\xef\xbb\xbf").decode())
    except (ValueError, RecursionError) as error:
        raise TrainingError(
            f"{path.name} cannot be read.",
            f"It is no whole JSON array of objects ({' '.join(str(error).split())[:120]}).",
            "Correct it, or write it as JSONL, one object a line, so that the fault can be told by its line.",
        ) from error
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise _bad_line(path, number, f"it is {kind(row)} where an object should be")
        yield number, row


def _object(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line.decode())
    except UnicodeDecodeError as error:
        raise _bad_line(path, number, f"byte {error.start + 1} is not UTF-8") from error
    except json.JSONDecodeError as error:
        column = min(error.pos, len(error.doc.rstrip())) + 1  # not that of the line after it
        raise _bad_line(path, number, f"bad JSON: {error.msg} at column {column}") from error
    except (ValueError, RecursionError) as error:
        raise _bad_line(path, number, "bad JSON: too deep, or a number too long") from error
    if not isinstance(row, dict):
        raise _bad_line(path, number, f"it is {kind(row)} where an object should be")
    return row


def _bad_line(path: Path, number: int, fault: str) -> TrainingError:
    return TrainingError(
        f"{path.name} cannot be read: line {number}, {fault}.",
        "Every line must be one JSON object.",
        f"Correct or delete line {number} of {path}, or write the file anew with datagen export.",
    )


def _parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Row by row; polars is there wherever datagen is."""
    import polars

    try:
        frame = polars.scan_parquet(path)
        count = frame.select(polars.len()).collect().item()
        for start in range(0, count, _BATCH):
            part = frame.slice(start, _BATCH).collect()
            yield from enumerate(part.iter_rows(named=True), start + 1)
    except (polars.exceptions.PolarsError, polars.exceptions.PanicException) as error:
        raise TrainingError(
            f"{path.name} cannot be read.",
            f"It is no whole Parquet file ({' '.join(str(error).split())[:120]}).",
            "Copy it again, or write the export anew with datagen export RUN --format parquet.",
        ) from error
