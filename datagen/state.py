"""What a run writes down about itself in run.yaml and shards.json, checked when it is read back.

A user may have edited these files, and a run folder may come from elsewhere: the names in them become
paths, so they must be names of ours.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from datagen.core.bounded_yaml import read_yaml

RUN, SHARDS, EVENTS = "run.yaml", "shards.json", "events.jsonl"


def _moment(text: str) -> str:
    datetime.fromisoformat(text)
    return text


Moment = Annotated[str, AfterValidator(_moment)]
Folder = Annotated[str, StringConstraints(pattern=r"\A[0-9]{2,}-[\w-]+\z")]
Shard = Annotated[str, StringConstraints(pattern=r"\A[0-9a-f]+\z")]


class Skip(BaseModel):
    """A file that is not in the run."""

    path: str
    reason: str


class Node(BaseModel):
    """A segment or fold: its stages, its folder, what it holds, its shards in order."""

    stages: list[str]
    folder: Folder
    produces: Literal["document", "chunk", "task", "sample"]
    shards: list[Shard]


class ShardList(BaseModel):
    """shards.json."""

    skipped: list[Skip]
    nodes: list[Node] = Field(min_length=1)


class Usage(BaseModel):
    """Replies and tokens; the cost in US dollars, None where no price is known."""

    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    prices_as_of: str = ""
    by: list[dict[str, Any]] = []


class Timing(BaseModel):
    """When the work was done, ISO 8601, and how long it took, seconds."""

    started: Moment
    sessions: int = Field(ge=0)
    seconds: float = Field(ge=0, allow_inf_nan=False)
    finished: Moment


class Rejudged(BaseModel):
    """A sample that was judged twice: both scores, and the least score of a kept one."""

    id: str
    before: float
    after: float | None
    threshold: float


class DriftFile(BaseModel):
    """The second judging of some samples; ``key`` is a hash of everything it follows from."""

    key: str
    samples: list[Rejudged]


class RunFile(BaseModel):
    """The part of run.yaml that is read back."""

    datagen: str
    model: str
    judge: str | None
    rounds: int = Field(ge=0)
    gave_up: str
    missing: list[str] = []
    prompts: dict[str, str]
    libraries: dict[str, str]
    usage: Usage | None
    drift: DriftFile | None = None
    timing: Timing
    config: dict[str, Any]


class StageState(BaseModel):
    """How far a stage is, as in the ``progress`` events: shards in all, done and found done; records made."""

    stage: str
    shards: int
    done: int
    reused: int = 0
    records: int = 0
    rejected: dict[str, int]


class Counts(BaseModel):
    """ledger.json."""

    requested: int
    kept: int
    rejected: dict[str, int]
    failed: dict[str, int]


def read_shards(folder: Path) -> dict[str, Any]:
    """shards.json as plain values. Raises OSError, or ValueError for what is none."""
    return ShardList.model_validate_json((folder / SHARDS).read_bytes()).model_dump()


def read_run(folder: Path) -> dict[str, Any]:
    """run.yaml as plain values. Raises OSError, or ValueError for what is none."""
    return RunFile.model_validate(read_yaml(folder / RUN)).model_dump()


def read_timing(folder: Path) -> dict[str, Any] | None:
    """When earlier sessions of a run worked; None where that is not known."""
    try:
        run = read_yaml(folder / RUN)
        return Timing.model_validate(run["timing"]).model_dump()
    except (OSError, ValueError, LookupError, TypeError):
        return None


def read_drift(folder: Path) -> dict[str, Any] | None:
    """The second judging of an earlier session of a run; None where there is none."""
    try:
        return DriftFile.model_validate(read_yaml(folder / RUN)["drift"]).model_dump()
    except (OSError, ValueError, LookupError, TypeError):
        return None


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file. Raises OSError, or ValueError for what is none."""
    try:
        found = json.loads(path.read_bytes())
    except RecursionError as error:
        raise ValueError(f"{path.name} is nested too deeply") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path.name} is no JSON object")
    return found
