"""A finished run, read from its folder; and how far an unfinished one is."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datagen import config as settings
from datagen.core.errors import UsageError
from datagen.core.record import AnyRecord, Document, Sample, Task
from datagen.engine.store import Store
from datagen.review.rule import overlaid
from datagen.review.store import read as read_decisions
from datagen.state import EVENTS, RUN, SHARDS, Counts, StageState, read_json, read_run, read_shards

PLANNING = ("plan", "plan_pairs")  # the stages that make tasks


class Finished:
    """A finished run, read from its folder.

    Raises:
        UsageError: the folder is no run, or its run has not finished yet.
    """

    def __init__(self, folder: Path) -> None:
        if not os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir raises for a name that is too long
            raise UsageError(f"There is no run folder {folder}.", "No such folder.", "Name one, as in runs/docs.")
        try:
            self.state = read_shards(folder)
            self.run = read_run(folder)
            self.config = settings.validate(self.run["config"], RUN)
        except (OSError, ValueError) as error:
            raise UsageError(
                f"{folder} holds no finished run.",
                f"Its {RUN} or {SHARDS} is missing or damaged ({type(error).__name__}).",
                "Start or continue it with `datagen run --out " + str(folder) + "`.",
            ) from error
        self.folder = folder
        self.store = Store(folder)

    def records(self, stage: str) -> Iterator[AnyRecord]:
        """All records as they left a stage, in order, a shard in memory at a time."""
        for node in self.state["nodes"]:
            if stage in node["stages"]:
                yield from self._of(node)

    def documents(self) -> Iterator[Document]:
        """The documents as chunks were cut from them: without the personal data that was taken out."""
        holding = [node for node in self.state["nodes"] if node["produces"] == "document"]
        return (r for r in self._of(holding[-1]) if isinstance(r, Document)) if holding else iter(())

    def _of(self, node: dict[str, Any]) -> Iterator[AnyRecord]:
        for name in node["shards"]:
            yield from self.store.read(node["folder"], name, node["produces"])

    def results(self) -> Iterator[AnyRecord]:
        """All records after the last stage, and the gold samples, as the reviewers of the run left them."""
        lines = read_decisions(self.folder)
        return overlaid(self.made(), lines) if lines else self.made()

    def made(self) -> Iterator[AnyRecord]:
        """The same as the run made them, whatever was decided about them since."""
        yield from self.records("gold")
        yield from self._of(self.state["nodes"][-1])

    def samples(self) -> Iterator[Sample]:
        """All samples after the last stage, and the gold ones, as the reviewers left them."""
        return (r for r in self.results() if isinstance(r, Sample))

    def tasks(self) -> Iterator[Task]:
        """Everything that was asked for, in the order in which it was planned."""
        return (r for stage in PLANNING for r in self.records(stage) if isinstance(r, Task))

    def requested(self) -> int:
        """Samples requested: counted where they were planned, apart from where they ended. Where only the
        making shows how many there are, those that were made; and the gold ones."""
        planned, open_ended = 0, set()
        for task in self.tasks():
            planned += task.samples
            if not task.samples:
                open_ended.add(task.recipe)
        if open_ended:
            made = (r for r in self.records("generate") if isinstance(r, Sample))
            planned += sum(sample.recipe in open_ended for sample in made)
        return planned + sum(1 for _ in self.records("gold"))


def status(folder: Path) -> dict[str, Any]:
    """How far a run is: ``running``, the last ``progress`` and, once finished, the ``ledger``.

    Raises:
        UsageError: the folder is no run.
    """
    events = folder / EVENTS
    if not os.path.isfile(events):  # noqa: PTH113 - Path.is_file raises for a name that is too long
        raise UsageError(
            f"{folder} is no run folder.",
            f"It holds no {EVENTS}.",
            "Name a folder that `datagen run` wrote, as in runs/docs.",
        )
    progress: dict[str, Any] = {}
    last = ""
    for event in _events(events):
        last = event["event"]
        if last == "progress":
            progress = event
    ledger = None
    with contextlib.suppress(OSError, ValueError):
        ledger = Counts.model_validate(read_json(folder / "ledger.json")).model_dump()
    running = Store(folder).is_locked()
    state = "running" if running else "finished" if last == "finished" else "stopped"
    meters = {k: v for k, v in progress.items() if k not in ("time", "event", "stages")}
    return {
        "run": str(folder),
        "state": state,
        "stages": progress.get("stages", []),
        "meters": meters,
        "ledger": ledger if state == "finished" else None,
    }


def status_text(state: dict[str, Any]) -> str:
    """The status for people."""
    lines = [f"{state['run']}: {state['state']}"]
    for stage in state["stages"]:
        rejected = sum(stage["rejected"].values())
        extra = f", {rejected:,} rejected" if rejected else ""
        lines.append(f"  {stage['stage']:<12} {stage['done']:,} of {stage['shards']:,} shards{extra}")
    if state["meters"]:
        lines.append("  " + "  ".join(f"{k} {v}" for k, v in state["meters"].items()))
    if state["ledger"]:
        lines.append(f"  {state['ledger']['kept']:,} samples kept of {state['ledger']['requested']:,}")
    elif state["state"] == "stopped":
        lines.append("  Run the same `datagen run` command again: it continues.")
    return "\n".join(lines)


def last_event(path: Path) -> str:
    """Name of the last event in an events.jsonl; "" where there is none."""
    last = ""
    for event in _events(path):
        last = event["event"]
    return last


def _events(path: Path) -> Iterator[dict[str, Any]]:
    with contextlib.suppress(OSError), path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                event = json.loads(line)
                if event["event"] == "progress":
                    event["stages"] = [StageState.model_validate(stage).model_dump() for stage in event["stages"]]
            except (ValueError, LookupError, TypeError, RecursionError):
                continue  # the last line of a killed run may be half a line
            yield event
