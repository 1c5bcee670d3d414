"""The files of somebody's training data as stretches of JSONL that workers can read on their own."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from datagen.core.errors import StoppedEarly, UsageError, from_os_error
from datagen.core.files import atomic
from datagen.core.record import SourceFile
from datagen.output.import_rows import SUFFIXES, TooLarge, files_of, layout, rows_of
from datagen.output.row_tables import table_lines

STRETCH = 2_000_000
"""Bytes of a stretch: some five thousand short rows, or one long line."""
_BLOCK = 1_000_000
CURATED = ("kept.jsonl", "rejected.jsonl", "report.json")
"""What a curation leaves. Of such a folder the kept rows are read again, and not what was rejected."""


def stretches(paths: Iterable[Path], work: Path) -> list[SourceFile]:
    """All rows under the paths, in order, cut at the ends of lines.

    Tables and JSON arrays are first written out as JSONL.

    Args:
        paths: files (JSONL, a JSON array, Parquet, Arrow) or folders of them, such as ``datasets`` writes.
        work: a folder for what is written out; named by content, so that it is done once.

    Raises:
        UsageError: there is nothing to read, or a file that cannot be.
    """
    found: list[SourceFile] = []
    names: set[str] = set()
    for file, name in _files(paths):
        unique, count = name, 1
        while unique in names:
            count += 1
            unique = f"{count}-{name}"
        names.add(unique)
        try:
            found += _cut(_as_lines(file, work), unique)
        except TooLarge as error:
            raise UsageError(
                f"{name} is too large to read as a whole.", f"{error}.", "Write it as JSONL, which has no limit."
            ) from error
        except OSError as error:
            raise from_os_error(error, f"read {name}") from error
    if not found:
        raise UsageError("There is nothing to curate.", "The files hold no row.", "Name files with rows.")
    return found


def _files(paths: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """The files to read, each once, with its name in a form that any encoding holds."""
    seen: set[Path] = set()
    for path in paths:
        if (path / "run.yaml").is_file() and (path / "events.jsonl").is_file():
            raise UsageError(
                f"{path} is the folder of a run.", "Its rows are among much else.", f"Name {path / 'export'}."
            )
        for file, name in files_of(path):
            if file.resolve() not in seen and not (file != path and _left_by_a_curation(file)):
                seen.add(file.resolve())
                yield file, name.encode("utf-8", "backslashreplace").decode()


def _left_by_a_curation(file: Path) -> bool:
    return file.name in CURATED[1:] and all((file.parent / name).is_file() for name in CURATED)


def left_out(paths: Iterable[Path]) -> list[str]:
    """A sentence for each path of which not all is read, on what is not."""
    notes = []
    seen: set[Path] = set()
    for path in paths:
        found: Counter[str] = Counter()
        for file, _ in files_of(path):
            found["files that were named already"] += file.resolve() in seen
            seen.add(file.resolve())
        if path.is_dir():
            _not_taken(path, found)
        parts = [f"{what} {count:,}" for what, count in sorted(found.items()) if count]
        if parts:
            notes.append(f"Not read of {path.name or path}: {', '.join(parts[:8])}.")
    return notes


def _not_taken(path: Path, found: Counter[str]) -> None:
    def closed(error: OSError) -> None:
        found["folders that cannot be opened"] += 1

    for inside, folders, files in os.walk(path, onerror=closed):
        links = [name for name in folders if (Path(inside) / name).is_symlink()]
        folders[:] = [name for name in folders if not name.startswith(".")]
        for file in (Path(inside) / name for name in (*files, *links) if not name.startswith(".")):
            kind = file.suffix.lower()
            if file.is_symlink():
                found["links"] += 1
            elif _left_by_a_curation(file):
                found["rejected rows and reports of a curation"] += 1
            elif kind not in SUFFIXES:
                found[f"{kind} files" if kind else "files of another kind"] += 1


def unchanged(files: Iterable[SourceFile]) -> Callable[[], None]:
    """A check that these files are still what they are now; it raises StoppedEarly."""
    before = {file.location: _stamp(file.location) for file in files}

    def check() -> None:
        for location, stamp in before.items():
            if _stamp(location) != stamp:
                raise StoppedEarly(
                    f"{Path(location).name} was changed while it was read.",
                    "What was found does not fit what stands there now.",
                    "Run the same command again when nothing writes to it.",
                )

    return check


def _stamp(location: str) -> tuple[int, int, int] | None:
    try:
        held = Path(location).stat()
    except OSError:
        return None
    return held.st_ino, held.st_size, held.st_mtime_ns


def _cut(path: Path, name: str) -> Iterator[SourceFile]:
    size, start, line = path.stat().st_size, 0, 1
    with path.open("rb") as file:
        while start < size:
            file.seek(start)
            seen, length, ends = hashlib.sha256(), 0, 0
            for block in _until_line_end(file):
                seen.update(block)
                length += len(block)
                ends += block.count(b"\n")
            yield SourceFile(
                path=name,
                location=str(path.resolve()),
                size=length,
                sha256=seen.hexdigest(),
                kind="rows",
                start=start,
                end=start + length,
                line=line,
            )
            start += length
            line += ends


def _until_line_end(file: IO[bytes]) -> Iterator[bytes]:
    """A stretch in blocks: up to the end of the line in which it would be cut."""
    length, block = 0, b""
    while length < STRETCH and (block := file.read(min(_BLOCK, STRETCH - length))):
        length += len(block)
        yield block
    while block and not block.endswith(b"\n") and (block := file.readline(_BLOCK)):
        yield block


def _as_lines(path: Path, work: Path) -> Path:
    """The file itself, or what is in it as JSONL."""
    held = layout(path)
    if held == "lines":
        return path
    with path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    out = work / f"rows-{content[:24]}.jsonl"
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        with atomic(out) as target:
            for line in table_lines(path) if held == "table" else _array(path):
                target.write(line)
    return out


def _array(path: Path) -> Iterator[bytes]:
    for numbered in rows_of(path):
        yield _line(numbered.row)


def _line(row: Any) -> bytes:
    try:
        return json.dumps(row, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:  # a lone surrogate has no UTF-8
        return json.dumps(row).encode() + b"\n"
