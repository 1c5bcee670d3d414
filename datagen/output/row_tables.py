"""Tables as lines of JSON: Parquet and Arrow files of any size, in pieces."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from datagen.core.errors import UsageError
from datagen.output.import_rows import MAX_WHOLE, TooLarge, text_bytes

if TYPE_CHECKING:
    import polars as pl

TABLE_ROWS = 20_000
"""Rows of a table that are held at once."""
TABLE_BYTES = 50_000_000
"""Bytes of text that are written at once. A table may hold a text once that many rows share."""


def table_lines(path: Path) -> Iterator[bytes]:
    """The rows of a Parquet file or an Arrow stream, some lines of JSON at a time.

    Raises:
        UsageError: it cannot be read, or has columns of bytes, which JSON has no form for.
        TooLarge: it can only be read as a whole, and is over a limit.
        OSError: as the system gives it.
    """
    import polars as pl

    arrow = path.suffix.lower() == ".arrow"
    try:
        for frame in _arrow(path) if arrow else _parquet(path):
            _no_bytes(path, frame.schema)
            for part in _small(frame):
                yield part.write_ndjson().encode()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError) as error:
        kind = "an Arrow stream" if arrow else "a Parquet file"
        raise UsageError(
            f"{path.name} cannot be read as {kind}.",
            f"The reader says: {(str(error).splitlines() or [''])[0][:200]}.",
            "Check the file, or write its rows as JSONL.",
        ) from error


def _parquet(path: Path) -> Iterator[pl.DataFrame]:
    import polars as pl

    named = path.as_posix().encode("utf-8", "replace") == path.as_posix().encode("utf-8", "surrogateescape")
    if not named and path.stat().st_size > MAX_WHOLE:
        raise TooLarge(f"It is over {MAX_WHOLE // 1_000_000} MB, and its name is not UTF-8")
    frame = pl.scan_parquet(path if named else io.BytesIO(path.read_bytes()), glob=False)
    _no_bytes(path, frame.collect_schema())
    start = 0
    while len(part := frame.slice(start, TABLE_ROWS).collect()):
        yield part
        start += TABLE_ROWS


def _arrow(path: Path) -> Iterator[pl.DataFrame]:
    """What ``Dataset.save_to_disk`` writes is a stream; polars reads one as a whole, pyarrow in pieces."""
    import polars as pl

    try:
        from pyarrow import ipc  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        if path.stat().st_size > MAX_WHOLE:
            why = f"It is over {MAX_WHOLE // 1_000_000} MB, and pyarrow, which reads such files in pieces, is missing"
            raise TooLarge(why) from None
        yield pl.read_ipc_stream(path)
        return
    with path.open("rb") as file, ipc.open_stream(file) as stream:
        for batch in stream:
            frame = pl.DataFrame(pl.from_arrow(batch))
            for start in range(0, len(frame), TABLE_ROWS):
                yield frame.slice(start, TABLE_ROWS)


def _small(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """A frame in pieces of at most :data:`TABLE_BYTES` of text, or of one row."""
    if len(frame) > 1 and sum(text_bytes(column) for column in frame.get_columns()) > TABLE_BYTES:
        half = len(frame) // 2
        yield from _small(frame[:half])
        yield from _small(frame[half:])
    else:
        yield frame


def _no_bytes(path: Path, schema: pl.Schema) -> None:
    names = [name for name, kind in schema.items() if _bytes(kind)]
    if names:
        raise UsageError(
            f"{path.name} has columns of bytes: {', '.join(names)[:200]}.",
            "Images, audio and other bytes have no form in JSON, and no stage looks at them.",
            "Write the file without these columns, as with `dataset.remove_columns`.",
        )


def _bytes(kind: pl.DataType) -> bool:
    """Are there bytes anywhere in such a column?"""
    import polars as pl

    if isinstance(kind, pl.List | pl.Array):
        return _bytes(kind.inner)  # type: ignore[arg-type]
    if isinstance(kind, pl.Struct):
        return any(_bytes(field.dtype) for field in kind.fields)  # type: ignore[arg-type]
    return kind in (pl.Binary, pl.Object)
