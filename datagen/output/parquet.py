"""Rows in JSON lines to a Parquet file, streamed."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import polars as pl

_ROWS_A_GROUP = 16_384  # fixed, so that the bytes depend on the rows alone
_PLAIN: dict[str, pl.DataType] = {
    "string": pl.String(),
    "float64": pl.Float64(),
    "bool": pl.Boolean(),
}


def schema(features: Sequence[Mapping[str, Any]]) -> pl.Schema:
    """The columns that a ``dataset_info`` block declares, as Polars types."""
    return pl.Schema({feature["name"]: _dtype(feature) for feature in features})


def _dtype(feature: Mapping[str, Any]) -> pl.DataType:
    if "dtype" in feature:
        return _PLAIN[feature["dtype"]]
    if "struct" in feature:
        return pl.Struct({part["name"]: _dtype(part) for part in feature["struct"]})
    inner = feature["list"]
    if isinstance(inner, str):
        return pl.List(_PLAIN[inner])
    return pl.List(_dtype({"struct": inner} if isinstance(inner, list) else inner))


def convert(rows: Path, target: IO[bytes], columns: pl.Schema) -> None:
    """Write the JSON lines in ``rows`` to ``target`` as Parquet (zstd), rows in their order.

    Raises:
        OSError: the target cannot be written.
    """
    try:
        if rows.stat().st_size == 0:
            pl.DataFrame(schema=columns).write_parquet(target, compression="zstd")
            return
        with rows.open("rb") as lines:  # in a path polars would take ~, * and [ for more than names
            frame = pl.scan_ndjson(lines, schema=columns)
            frame.sink_parquet(target, compression="zstd", row_group_size=_ROWS_A_GROUP, maintain_order=True)
    except pl.exceptions.PolarsError as error:
        number = re.search(r"\(os error (\d+)\)", str(error))  # polars passes system errors on in words only
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(rows.parent)) from error
