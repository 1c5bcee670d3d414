"""Reads a finished run for comparison: a shard in memory at a time, and of it only the columns that are compared.

Nothing in the run folder is changed, a damaged shard is not set aside either.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from datagen.core.errors import UsageError
from datagen.diff_side import Side, damaged, example, instruction_key, plain, read_scores, unfinished
from datagen.diff_table import KEPT, finite, key
from datagen.engine.store import Store
from datagen.finished import last_event
from datagen.state import EVENTS, RUN, SHARDS, Counts, read_json, read_run, read_shards

LEDGER = "ledger.json"
SUPPORTED = "supported claims"
"""Stands among the criteria; no criterion of a rubric has a space in its name."""
_SAMPLE = {
    "record": pl.String, "id": pl.String, "recipe": pl.String, "messages": pl.String, "rejected": pl.String,
    "score": pl.Float64, "scores": pl.String, "scored_by": pl.String, "verdict": pl.String,
    "faithfulness": pl.Float64,
}  # fmt: skip
_DOCUMENT = {"record": pl.String, "path": pl.String, "sha256": pl.String, "split": pl.String, "verdict": pl.String}
_CHUNK = {"record": pl.String, "id": pl.String, "verdict": pl.String}


def read(path: Path) -> Side:
    """A run folder.

    Raises:
        UsageError: its run is at work, has not finished, or is damaged.
    """
    if Store(path).is_locked():
        raise unfinished(path, "A datagen process is working on it right now.")
    last = last_event(path / EVENTS)
    if not (path / RUN).exists() and not (path / SHARDS).exists():
        raise unfinished(path, f"It has no {RUN} yet, which is written at the end.")
    side = Side(path, "run", lambda places: _Run(path, side.nodes).examples(places))
    for name in (RUN, SHARDS, LEDGER):
        try:
            if name == RUN:
                side.facts = read_run(path)
            elif name == SHARDS:
                side.nodes = read_shards(path)["nodes"]
            else:
                side.ledger = Counts.model_validate(read_json(path / LEDGER)).model_dump()
        except (OSError, ValueError, RecursionError) as error:
            raise damaged(path, name, error) from error
    if last != "finished":
        side.notes.append("it was continued later and has not finished; its last finished state is compared")
    _Run(path, side.nodes).fill(side)
    _check(side)
    return side


def _check(side: Side) -> None:
    """Says where the ledger and the samples of a run do not agree, and counts what is compared: the samples."""
    counts = side.samples.reasons()
    told = side.ledger or {}
    if counts != Counter({KEPT: told["kept"], **told["rejected"]}) - Counter():
        why = (
            "people reviewed it" if (side.path / "review").is_dir() else f"its {LEDGER} does not agree with its samples"
        )
        side.notes.append(f"{why}; samples are compared as the run made them")
        kept = counts.pop(KEPT, 0)
        side.ledger = {**told, "kept": kept, "rejected": dict(sorted(counts.items()))}


class _Run:
    """The shards of a run."""

    def __init__(self, path: Path, nodes: Sequence[Mapping[str, Any]]) -> None:
        self.path = path
        self.nodes = nodes
        ends = [node for node in nodes if "gold" in node["stages"]] + [nodes[-1]]
        self.shards = [(node["folder"], name) for node in ends for name in node["shards"]]

    def fill(self, side: Side) -> None:
        """Read all that is compared."""
        for folder, name in self._of("document"):
            for row in self._rows(folder, name, _DOCUMENT, "Document"):
                side.documents[row["path"], row["sha256"]] = row["split"] or ""
        for folder, name in self._of("chunk"):
            for row in self._rows(folder, name, _CHUNK, "Chunk"):
                outcome = _parsed(row["verdict"])
                side.chunks.add(key(row["id"]), outcome=str(outcome["reason"]) if outcome else KEPT)
        for number, (folder, name) in enumerate(self.shards):
            for row in self._rows(folder, name, _SAMPLE, "Sample"):
                try:
                    _add(side, row, number)
                except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
                    raise damaged(self.path, f"shard {folder}/{name}.parquet", error) from error

    def _of(self, kind: str) -> list[tuple[str, str]]:
        holding = [node for node in self.nodes if node["produces"] == kind]
        screened = [node for node in holding if "screen" in node["stages"]] or holding
        return [(node["folder"], name) for node in screened[-1:] for name in node["shards"]]

    def _rows(self, folder: str, name: str, wanted: Mapping[str, Any], kind: str) -> Iterator[dict[str, Any]]:
        """The rows of one kind, each with its number in the shard as ``at``."""
        what = f"shard {folder}/{name}.parquet"
        try:
            data = io.BytesIO((self.path / folder / f"{name}.parquet").read_bytes())
            schema = pl.read_parquet_schema(data)
            held = [column for column in wanted if column in schema]
            frame = pl.read_parquet(data, columns=held).with_row_index("at")
            if frame.is_empty():  # one without rows has no columns either
                return
            for column in held:
                if frame.schema[column] != wanted[column]:
                    raise ValueError(f"its column {column} is of another type")
            rows = frame.filter(pl.col("record") == kind)
            rows = rows.with_columns(pl.lit(None).alias(column) for column in wanted if column not in schema)
            essential = {"id", "path", "sha256", "messages"} & set(wanted)
            if any(rows[column].null_count() for column in essential):
                raise ValueError("a field is missing")
        except (KeyboardInterrupt, SystemExit, MemoryError):
            raise
        except BaseException as error:
            # What polars' core cannot cope with is raised beside Exception, as its PanicException.
            if isinstance(error, Exception) or type(error).__name__ == "PanicException":
                raise damaged(self.path, what, error) from error
            raise
        yield from rows.iter_rows(named=True)

    def examples(self, places: Sequence[int]) -> list[dict[str, Any]]:
        """The samples at these places, in the same order."""
        found: dict[int, dict[str, Any]] = {}
        for number in sorted({place >> 32 for place in places}):
            folder, name = self.shards[number]
            for row in self._rows(folder, name, _SAMPLE, "Sample"):
                place = number << 32 | row["at"]
                if place in places:
                    found[place] = _example(row)
        missing = [place for place in places if place not in found]
        if missing:
            raise UsageError(
                f"{self.path} changed while it was read.",
                "A sample is no longer where it was.",
                "Compare again when nothing works on it.",
            )
        return [found[place] for place in places]


def _parsed(text: Any) -> Any:
    return json.loads(text) if text else None


def _add(side: Side, row: Mapping[str, Any], number: int) -> None:
    messages = _parsed(row["messages"])
    rejected = _parsed(row["rejected"])
    verdict = _parsed(row["verdict"])
    said = [[m["role"], m["content"], m.get("tool_calls") or []] for m in messages]
    instruction = next((m["content"] for m in messages if m["role"] == "user"), "")
    side.samples.add(
        key(row["id"]),
        text=instruction_key(instruction, row["recipe"] or ""),
        content=key(plain([said, rejected and rejected["content"]])),
        outcome=KEPT if verdict is None else str(verdict["reason"]) or "(none)",
        score=finite(row["score"]),
        scores=_scores(row),
        place=number << 32 | row["at"],
    )
    side.scored_by[row["scored_by"] or "(unscored)"] += 1


def _scores(row: Mapping[str, Any]) -> dict[str, float]:
    """The criteria, and the share of claims that the source supports, where that was looked at."""
    supported = finite(row["faithfulness"])
    return read_scores(_parsed(row["scores"])) | ({} if supported is None else {SUPPORTED: supported})


def _example(row: Mapping[str, Any]) -> dict[str, Any]:
    messages = _parsed(row["messages"])
    return example(
        row["id"],
        next((m["content"] for m in messages if m["role"] == "user"), ""),
        messages[-1]["content"] if messages else "",
        finite(row["score"]),
        _scores(row),
        _parsed(row["verdict"]),
    )
