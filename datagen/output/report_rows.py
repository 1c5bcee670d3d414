"""In which row of which exported file each sample stands, read from the files as they were written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from datagen.core.hashing import digest

_ROWS = re.compile(r"(sft|preference|lineage)[^/]*\.(jsonl|parquet)")
_PARTS = ("sft", "preference", "lineage")  # in the order in which one would look
_ID = re.compile(rb'\{"id": "([0-9A-Za-z_.:-]{1,200})"[,}]')  # how our rows begin; others are parsed

Rows = dict[str, list[tuple[int, int]]]


def key(name: str) -> int:
    """63 bits of an id's hash: two of a million ids agree with a probability under 1e-7."""
    return int(digest(name, 16), 16) >> 1


def find_rows(ids: Sequence[str], folders: Mapping[str, Path]) -> Rows:
    """Where samples stand in exports. Memory: 24 bytes a sample and row file.

    Args:
        ids: of the samples.
        folders: name that is shown → folder of an export.

    Returns:
        ``NAME/FILE`` → for each id its first row in it, from 1, and how many rows; (0, 0) where it is not in it.
        Files in which none is, are left out.
    """
    keys = np.array([key(name) for name in ids], np.int64)
    order = np.argsort(keys, kind="stable")
    out: Rows = {}
    for name, folder in folders.items():
        for path in _files(folder):
            first, many = np.zeros(len(keys), np.int64), np.zeros(len(keys), np.int64)
            found = np.fromiter((key(i) if i else -1 for i in _ids(path)), np.int64)
            if not len(found) or not len(keys):
                continue
            place = np.searchsorted(keys[order], found).clip(max=len(keys) - 1)
            hit = np.flatnonzero(keys[order][place] == found)
            which = order[place[hit]]
            np.add.at(many, which, 1)
            first[which[::-1]] = hit[::-1] + 1  # of rows with one id the first wins
            if len(hit):
                out[f"{name}/{path.relative_to(folder).as_posix()}"] = list(
                    zip(first.tolist(), many.tolist(), strict=True)
                )
    return out


def _files(folder: Path) -> list[Path]:
    inside = (p for place in ("*", "sft/*", "preference/*") for p in folder.glob(place))
    return sorted(
        (p for p in inside if p.is_file() and (_ROWS.fullmatch(p.name) or p.parent != folder)),
        key=lambda p: (_PARTS.index(_part(p)), "train" not in p.name, "valid" not in p.name, p.as_posix()),
    )


def _part(path: Path) -> str:
    """What the rows of a file are, told by its name or its folder's."""
    return next((part for part in _PARTS if part in (path.name.split(".")[0], path.parent.name)), _PARTS[0])


def _ids(path: Path) -> Iterator[str]:
    """The id of each row; "" for a row without one."""
    if path.suffix == ".parquet":
        import polars as pl

        columns = pl.scan_parquet(path)
        if "id" in columns.collect_schema():
            yield from (str(name) for name in columns.select("id").collect()["id"])
        return
    with path.open("rb") as file:
        yield from (_id(line) for line in file)


def _id(line: bytes) -> str:
    begins = _ID.match(line)
    if begins:
        return begins[1].decode()
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return ""
    return str(row.get("id") or "") if isinstance(row, dict) else ""
