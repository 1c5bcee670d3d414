"""Rows in JSON lines to a Parquet file, streamed."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import IO

import polars as pl

_TURNS = pl.List(pl.Struct({"role": pl.String(), "content": pl.String()}))
SFT = pl.Schema({"id": pl.String(), "messages": _TURNS})
PREFERENCE = pl.Schema({"id": pl.String(), "prompt": _TURNS, "chosen": _TURNS, "rejected": _TURNS, "flaw": pl.String()})
_ROWS_A_GROUP = 16_384  # fixed, so that the bytes depend on the rows alone


def convert(rows: Path, target: IO[bytes], preference: bool) -> None:
    """Write the JSON lines in ``rows`` to ``target`` as Parquet (zstd), rows in their order.

    Raises:
        OSError: the target cannot be written.
    """
    schema = PREFERENCE if preference else SFT
    try:
        if rows.stat().st_size == 0:
            pl.DataFrame(schema=schema).write_parquet(target, compression="zstd")
            return
        with rows.open("rb") as lines:  # in a path polars would take ~, * and [ for more than names
            frame = pl.scan_ndjson(lines, schema=schema)
            frame.sink_parquet(target, compression="zstd", row_group_size=_ROWS_A_GROUP, maintain_order=True)
    except pl.exceptions.PolarsError as error:
        number = re.search(r"\(os error (\d+)\)", str(error))  # polars passes system errors on in words only
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(rows.parent)) from error
