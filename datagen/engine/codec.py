"""Records to Parquet and back.

Plain fields become columns of their own type (so that any Parquet reader sees ``path``, ``text``,
``start`` …); nested ones become JSON text. A shard that mixes kinds of record (samples and
failures) has the union of their columns, and ``record`` names the kind of each row.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError

from datagen.core.record import AnyRecord, Chunk, Document, Failure, Record, Sample, SourceFile, Task, trusted
from datagen.core.text import scrub

KINDS: dict[str, type[Record]] = {c.__name__: c for c in (SourceFile, Document, Chunk, Task, Sample, Failure)}
_PLAIN: dict[Any, pl.DataType] = {
    str: pl.String(),
    int: pl.Int64(),
    float: pl.Float64(),
    bool: pl.Boolean(),
    bytes: pl.Binary(),
    tuple[str, ...]: pl.List(pl.String()),
    tuple[int, ...]: pl.List(pl.Int64()),
}


@dataclass(frozen=True)
class Column:
    """One column: its Polars type, and the adapter that makes JSON of it, or None for plain values."""

    dtype: pl.DataType
    adapter: TypeAdapter[Any] | None


def _column(annotation: Any) -> Column:
    plain = annotation
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        options = [a for a in typing.get_args(annotation) if a is not type(None)]
        plain = options[0] if len(options) == 1 else annotation
    if typing.get_origin(plain) is typing.Literal:
        plain = str
    if plain in _PLAIN:
        return Column(_PLAIN[plain], None)
    return Column(pl.String(), TypeAdapter(annotation))


@functools.cache
def columns(kind: str) -> dict[str, Column]:
    """The columns of a kind of record, by field name."""
    return {name: _column(field.annotation) for name, field in KINDS[kind].model_fields.items()}


def _scrub(value: Any) -> Any:
    """Every text in a value, scrubbed."""
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, tuple | list):
        return [_scrub(v) for v in value]
    return value


def _series(name: str, values: list[Any], dtype: pl.DataType) -> pl.Series:
    try:
        return pl.Series(name, values, dtype=dtype, strict=True)
    except (UnicodeEncodeError, TypeError):
        return pl.Series(name, [_scrub(v) for v in values], dtype=dtype, strict=True)


def to_frame(records: Sequence[AnyRecord]) -> pl.DataFrame:
    """One row a record, in order. Raises ValueError if two kinds disagree about a column's type."""
    names = [type(r).__name__ for r in records]
    kinds = sorted(set(names))
    merged: dict[str, Column] = {}
    for kind in kinds:
        for name, column in columns(kind).items():
            if merged.setdefault(name, column).dtype != column.dtype:
                raise ValueError(f"column {name!r} has two types in one shard")
    series = [pl.Series("record", names, dtype=pl.String())]
    for name, column in merged.items():
        holders = {kind for kind in kinds if name in columns(kind)}
        values: list[Any] = []
        for record, kind in zip(records, names, strict=True):
            value = getattr(record, name) if kind in holders else None
            adapter = columns(kind)[name].adapter if kind in holders else None
            if adapter is not None and value is not None:
                value = _dump(adapter, value)
            values.append(value)
        series.append(_series(name, values, column.dtype))
    return pl.DataFrame(series)


def _dump(adapter: TypeAdapter[Any], value: Any) -> str:
    if value == ():
        return "[]"
    try:
        return adapter.dump_json(value).decode()
    except PydanticSerializationError:
        pass

    def walk(item: Any) -> Any:
        if isinstance(item, dict):
            return {_scrub(k): walk(v) for k, v in item.items()}
        if isinstance(item, list | tuple):
            return [walk(v) for v in item]
        return _scrub(item)

    clean = walk(adapter.dump_python(value, mode="python"))
    return adapter.dump_json(adapter.validate_python(clean)).decode()


def from_frame(frame: pl.DataFrame) -> list[AnyRecord]:
    """The records of a frame that :func:`to_frame` made, equal to those given to it."""
    if frame.is_empty():
        return []
    kinds = frame.get_column("record").to_list()
    data = {name: frame.get_column(name).to_list() for name in frame.columns}
    out: list[AnyRecord] = []
    for i, kind in enumerate(kinds):
        values: dict[str, Any] = {}
        for name, column in columns(kind).items():
            if name not in data:
                continue  # a field added since the shard was written: its default
            value = data[name][i]
            if value is not None and column.adapter is not None:
                if value == "[]":  # as most are
                    value = ()
                else:
                    value = column.adapter.validate_json(value)
            elif isinstance(value, list):
                value = tuple(value)
            values[name] = value
        # The values were validated when the record was first made.
        out.append(typing.cast(AnyRecord, trusted(KINDS[kind], **values)))
    return out


def to_parquet(records: Sequence[AnyRecord]) -> bytes:
    """A shard as the bytes of a Parquet file (zstd)."""
    buffer = io.BytesIO()
    to_frame(records).write_parquet(buffer, compression="zstd", compression_level=1)
    return buffer.getvalue()


def from_parquet(path: Path) -> list[AnyRecord]:
    """Read a shard; raises OSError or polars' error for a file that is none."""
    # Given a path, polars would take ~, * and [ in it for more than names, and refuse one that is not UTF-8.
    return from_frame(pl.read_parquet(io.BytesIO(path.read_bytes())))


def content_name(records: Sequence[AnyRecord]) -> str:
    """A name that depends on the records alone (32 hexadecimal characters)."""
    seen = hashlib.sha256()
    for record in records:
        shown = _json(record)
        seen.update(f"{type(record).__name__} {len(shown)} ".encode())
        seen.update(shown)
    return seen.hexdigest()[:32]


def _json(record: AnyRecord) -> bytes:
    """A record as JSON, without what is only held while it is compared."""
    left_out = {"sketch", "vector"}
    try:
        return record.model_dump_json(exclude=left_out).encode()
    except PydanticSerializationError:  # a lone surrogate
        return json.dumps(record.model_dump(mode="json", exclude=left_out)).encode()
