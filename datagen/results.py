"""What a run leaves in its folder: written at its end, and again on request from what is on disk."""

from __future__ import annotations

import contextlib
import json
import platform
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from datagen import __version__
from datagen import config as settings
from datagen.config import Config
from datagen.core.errors import DatagenError, UsageError, from_os_error
from datagen.core.files import atomic, write_if_changed
from datagen.core.record import AnyRecord, Chunk, Document, Failure, Sample
from datagen.engine.events import Events
from datagen.engine.store import Store
from datagen.output.export import write_exports
from datagen.output.ledger import Ledger
from datagen.output.report import write_report
from datagen.output.report_data import ReportBuilder

RUN, SHARDS, EVENTS = "run.yaml", "shards.json", "events.jsonl"
LIBRARIES = ("polars", "pydantic", "pypdfium2", "lxml", "docutils", "markdown-it-py", "aiohttp")


@dataclass(frozen=True)
class NodeFacts:
    """One node of a finished run: its stages, folder, kind of record, and shards in order."""

    stages: tuple[str, ...]
    folder: str
    produces: str
    shards: list[str]


@dataclass(frozen=True)
class Facts:
    """What the pipeline knows of a finished run besides its configuration.

    Attributes:
        samples_per_chunk: asked of a model for each chunk; 0 where none was used.
        usage: calls, tokens and cost, None where no model was used.
    """

    nodes: list[NodeFacts]
    model: str
    judge: str
    prompts: dict[str, str]
    samples_per_chunk: int
    usage: dict[str, Any] | None


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    Attributes:
        folder: the run folder.
        ledger: as in ledger.json.
        problems: why the run is not what was asked for; empty means exit code 0.
        skipped: (path, reason) of every file that is not in it.
        documents: documents read.
    """

    folder: Path
    ledger: dict[str, Any]
    documents: int
    skipped: list[dict[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 done as asked, 1 not."""
        return 1 if self.problems else 0

    def summary(self) -> dict[str, Any]:
        """For programs."""
        return {
            "run": str(self.folder),
            "export": str(self.folder / "export"),
            "report": str(self.folder / "report.html"),
            "documents": self.documents,
            "skipped": len(self.skipped),
            "ledger": self.ledger,
            "problems": self.problems,
        }

    def text(self) -> str:
        """For people."""
        rejected = Counter(self.ledger["rejected"])
        failed = Counter(self.ledger["failed"])
        lines = [
            f"{self.ledger['kept']:,} samples kept of {self.ledger['requested']:,}, from {self.documents:,} documents",
            *_reasons("rejected", rejected),
            *_reasons("failed", failed),
        ]
        if self.skipped:
            lines.append(f"  {len(self.skipped):,} files skipped, each named in the report")
        lines += [f"  data    {self.folder / 'export'}", f"  report  {self.folder / 'report.html'}"]
        lines += [f"Not as asked: {problem}" for problem in self.problems]
        return "\n".join(lines)


def _reasons(label: str, counts: Counter[str]) -> list[str]:
    if not counts:
        return []
    listed = ", ".join(f"{reason} {count:,}" for reason, count in counts.most_common(8))
    return [f"  {label} {counts.total():,}: {listed}"]


def usage(log: Any, config: Config) -> dict[str, Any]:
    """Replies, tokens and cost so far; the cost is None where no price is configured."""
    totals = log.totals()
    calls = sum(t.calls for t in totals)
    prompt = sum(t.prompt_tokens for t in totals)
    completion = sum(t.completion_tokens for t in totals)
    price_in, price_out = config.client.price_input, config.client.price_output
    cost = None
    if price_in is not None and price_out is not None:
        cost = round((prompt * price_in + completion * price_out) / 1e6, 6)
    return {"calls": calls, "prompt_tokens": prompt, "completion_tokens": completion, "cost_usd": cost}


def finish(folder: Path, config: Config, discovery: Any, facts: Facts, events: Events, elapsed: float) -> Outcome:
    """Write everything a finished run leaves behind.

    Args:
        elapsed: seconds of work in this session; 0 where nothing was left to do.

    Raises:
        DatagenError: a file cannot be written.
    """
    skipped = [{"path": s.path, "reason": s.reason} for s in discovery.skipped]
    state = {"skipped": skipped, "nodes": [asdict(node) for node in facts.nodes]}
    try:
        write_if_changed(folder / SHARDS, json.dumps(state, ensure_ascii=False).encode())
        _write_run_file(folder, config, facts, elapsed)
    except OSError as error:
        raise from_os_error(error, "write the run's files") from error
    outcome = render(folder)
    if events.worked:
        events.emit("finished", ledger=outcome.ledger, problems=outcome.problems)
    return outcome


def _write_run_file(folder: Path, config: Config, facts: Facts, elapsed: float) -> None:
    import yaml

    before: dict[str, Any] = {}
    path = folder / RUN
    if path.is_file():
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
        before = loaded if isinstance(loaded, dict) else {}
    ended = datetime.now(UTC)
    begun = ended - timedelta(seconds=elapsed)
    now = ended.isoformat(timespec="seconds")
    timing = before.get("timing") or {"started": begun.isoformat(timespec="seconds"), "sessions": 0, "seconds": 0.0}
    if elapsed or "finished" not in timing:
        timing = {
            **timing,
            "finished": now,
            "sessions": timing["sessions"] + 1,
            "seconds": round(timing["seconds"] + elapsed, 2),
        }
    body = {
        "datagen": __version__,
        "python": platform.python_version(),
        "libraries": _versions(),
        "model": facts.model,
        "judge": facts.judge or None,
        "samples_per_chunk": facts.samples_per_chunk,
        "prompts": facts.prompts,
        "usage": facts.usage,
        "timing": timing,
        "segments": {node.folder: {"stages": list(node.stages), "holds": node.produces} for node in facts.nodes},
        "config": config.model_dump(mode="json"),
    }
    write_if_changed(path, yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=120).encode())


def _versions() -> dict[str, str]:
    from importlib import metadata

    found = {}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


class Finished:
    """A finished run, read from its folder.

    Raises:
        UsageError: the folder is no run, or its run has not finished yet.
    """

    def __init__(self, folder: Path) -> None:
        import yaml

        if not folder.is_dir():
            raise UsageError(f"There is no run folder {folder}.", "No such folder.", "Name one, as in runs/docs.")
        try:
            self.state = json.loads((folder / SHARDS).read_text(encoding="utf-8"))
            self.run = yaml.safe_load((folder / RUN).read_text(encoding="utf-8"))
            self.config = settings.validate(self.run["config"], RUN)
        except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
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

    def _of(self, node: dict[str, Any]) -> Iterator[AnyRecord]:
        for name in node["shards"]:
            yield from self.store.read(node["folder"], name)

    def samples(self) -> Iterator[Sample]:
        """All samples after the last stage."""
        return (r for r in self.records("select") if isinstance(r, Sample))

    def generated(self) -> int:
        """Samples requested: counted where they were made, apart from where they ended."""
        per_chunk = self.run["samples_per_chunk"]
        if per_chunk:
            return sum(per_chunk for r in self.records("screen") if isinstance(r, Chunk) and r.verdict is None)
        first = next(node for node in self.state["nodes"] if node["produces"] == "sample")
        return sum(isinstance(r, Sample) for r in self._of(first))


def render(folder: Path) -> Outcome:
    """Write export, ledger, failures and reports from the shards on disk.

    Raises:
        DatagenError: no finished run, or a file that cannot be written.
    """
    finished = Finished(folder)
    config = finished.config
    builder = ReportBuilder()
    skipped = list(finished.state["skipped"])
    documents = 0
    for skip in skipped:
        builder.skipped(skip["path"], skip["reason"])
    for record in finished.records("load"):
        if isinstance(record, Document):
            builder.document(record)
            documents += record.verdict is None
            if record.verdict is not None:
                skipped.append({"path": record.path, "reason": f"{record.verdict.reason}: {record.verdict.evidence}"})
    for record in finished.records("screen"):
        if isinstance(record, Chunk):
            builder.chunk(record)
    ledger = Ledger(requested=finished.generated())
    try:
        with atomic(folder / "failed.jsonl") as failures:
            for record in finished.records("select"):
                if isinstance(record, Sample):
                    builder.sample(record)
                    ledger.add(record)
                elif isinstance(record, Failure):
                    builder.failure(record)
                    ledger.add(record)
                    failures.write(_failure_line(record))
        write_if_changed(folder / "ledger.json", ledger.to_bytes())
    except OSError as error:
        raise from_os_error(error, "write the run's files") from error
    counts = ledger.as_dict()
    data = builder.finish(_report_facts(finished, counts))
    write_exports(finished.samples(), folder / "export", config.output.format, card_facts=data)
    write_report(data, folder)
    return Outcome(folder, counts, documents, skipped, _problems(config, ledger, counts))


def _failure_line(failure: Failure) -> bytes:
    row = failure.model_dump(mode="json")
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def _report_facts(finished: Finished, ledger: dict[str, Any]) -> dict[str, Any]:
    run = finished.run
    return {
        "datagen": run["datagen"],
        "ledger": ledger,
        "model": run["model"],
        "judge": run["judge"],
        "prompts": run["prompts"],
        "seed": finished.config.seed,
        "threshold": finished.config.judge.threshold if finished.config.judge.enabled else None,
        "config": run["config"],
        "usage": run["usage"],
        "timing": run["timing"],
        "libraries": run["libraries"],
    }


def _problems(config: Config, ledger: Ledger, counts: dict[str, Any]) -> list[str]:
    problems = []
    failed = sum(counts["failed"].values())
    if not ledger.adds_up():
        problems.append("the ledger does not add up: please report this as a fault of datagen.")
    if not counts["kept"]:
        problems.append("nothing was kept; the report shows why each sample was rejected.")
    elif config.limits.target and counts["kept"] < config.limits.target:
        problems.append(f"{counts['kept']:,} samples were kept, {config.limits.target:,} were asked for.")
    if counts["requested"] and failed / counts["requested"] > config.limits.max_failed:
        problems.append(
            f"{failed:,} of {counts['requested']:,} requested samples failed, "
            f"over limits.max_failed={config.limits.max_failed:g}; see failed.jsonl."
        )
    return problems


def report(folder: Path) -> Path:
    """Write the reports of a finished run again; returns the path of report.html."""
    with Finished(folder).store.locked():
        render(folder)
    return folder / "report.html"


def export(folder: Path, name: str, out: Path | None) -> tuple[Path, dict[str, int]]:
    """Export a finished run in another format; returns the folder and rows a file.

    Raises:
        UsageError: unknown format, no finished run, or nothing kept.
    """
    finished = Finished(folder)
    target = out or folder / f"export-{name}"
    data = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return target, write_exports(finished.samples(), target, name, card_facts=data)


def status(folder: Path) -> dict[str, Any]:
    """How far a run is: ``running``, the last ``progress`` and, once finished, the ``ledger``.

    Raises:
        UsageError: the folder is no run.
    """
    events = folder / EVENTS
    if not events.is_file():
        raise UsageError(
            f"{folder} is no run folder.",
            f"It holds no {EVENTS}.",
            "Name a folder that `datagen run` wrote, as in runs/docs.",
        )
    progress: dict[str, Any] = {}
    last = ""
    with events.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                event = json.loads(line)
            except ValueError:
                continue  # the last line of a killed run may be half a line
            last = event.get("event", last)
            if last == "progress":
                progress = event
    ledger = None
    with contextlib.suppress(OSError, ValueError):
        ledger = json.loads((folder / "ledger.json").read_text(encoding="utf-8"))
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


__all__ = [
    "DatagenError",
    "Facts",
    "Finished",
    "NodeFacts",
    "Outcome",
    "export",
    "finish",
    "render",
    "report",
    "status",
]
