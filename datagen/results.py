"""What a run leaves in its folder: written at its end, and again on request from what is on disk."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from curation.bias import BiasTally
from datagen import __version__
from datagen.config import Config
from datagen.core.errors import UsageError, from_os_error
from datagen.core.files import atomic, write_if_changed
from datagen.core.record import Chunk, Failure, Sample
from datagen.engine.events import Events
from datagen.finished import Finished, last_event
from datagen.judge_health import health
from datagen.llm import prices
from datagen.llm.problems import redacted
from datagen.output.export import CARD, LINEAGE, write_exports
from datagen.output.hub import push
from datagen.output.ledger import Ledger
from datagen.output.report import write_report
from datagen.output.report_data import ReportBuilder
from datagen.output.text import json_line
from datagen.state import EVENTS, RUN, SHARDS, read_json, read_timing

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
        rounds: how many times samples were asked for.
        gave_up: why there was no further round, although the target is not reached; else "".
        missing: what of the curation could not be done on this machine, a sentence each.
        usage: calls, tokens and cost, None where no model was used.
        drift: as of :func:`datagen.judging.drift`.
    """

    nodes: list[NodeFacts]
    model: str
    judge: str
    prompts: dict[str, str]
    rounds: int
    gave_up: str
    usage: dict[str, Any] | None
    missing: tuple[str, ...] = ()
    drift: dict[str, Any] | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    Attributes:
        folder: the run folder.
        ledger: as in ledger.json.
        problems: why the run is not what was asked for; empty means exit code 0.
        skipped: (path, reason) of every file that is not in it.
        pilot: its samples and an estimate of the whole, where it was one.
        documents: documents read; ``silent`` of them gave no kept sample.
    """

    folder: Path
    ledger: dict[str, Any]
    documents: int
    silent: int = 0
    skipped: list[dict[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    pilot: Any = None

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
            "silent_documents": self.silent,
            "skipped": len(self.skipped),
            "ledger": self.ledger,
            "problems": self.problems,
            **({"pilot": self.pilot.as_dict()} if self.pilot is not None else {}),
        }

    def text(self) -> str:
        """For people."""
        rejected = Counter(self.ledger["rejected"])
        failed = Counter(self.ledger["failed"])
        lines = [
            f"{self.ledger['kept']:,} samples kept of {self.ledger['requested']:,}, "
            f"from {_count(self.documents, 'document')}",
            *_reasons("rejected", rejected),
            *_reasons("failed", failed),
        ]
        if self.silent:
            lines.append(f"  {_count(self.silent, 'document')} gave no kept sample")
        if self.skipped:
            lines.append(f"  {_count(len(self.skipped), 'file')} skipped, each named in the report")
        lines += [f"  data    {self.folder / 'export'}", f"  report  {self.folder / 'report.html'}"]
        lines += [f"Not as asked: {problem}" for problem in self.problems]
        if self.pilot is not None:
            lines = [self.pilot.text(), "", *lines, "The same command without --pilot makes the rest."]
        return "\n".join(lines)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _reasons(label: str, counts: Counter[str]) -> list[str]:
    if not counts:
        return []
    listed = ", ".join(f"{reason} {count:,}" for reason, count in counts.most_common(8))
    return [f"  {label} {counts.total():,}: {listed}"]


def usage(log: Any, config: Config) -> dict[str, Any]:
    """Replies, tokens and cost so far, all sessions together.

    Returns:
        ``calls``, ``prompt_tokens``, ``completion_tokens``, ``cost_usd`` (None where a price is unknown, or
        the endpoint of a model that is not free counts no tokens), and the same for each model and purpose under
        ``by``; ``prices_as_of``: the oldest date of the prices, "" where the user gave them.
    """
    table = prices.load(config.limits.prices)
    by, dates, cost = [], set(), 0.0
    unknown = False
    for total in log.totals():
        price = table.of(total.model)
        one = None
        counted = total.prompt_tokens or total.completion_tokens
        if price is not None and (counted or price.free):
            one = price.cost(total.prompt_tokens, total.completion_tokens, batch=total.batched)
            cost += one
            dates.add(price.as_of)
        unknown = unknown or one is None
        by.append(
            {
                "model": total.model,
                "purpose": total.purpose,
                "calls": total.calls,
                "prompt_tokens": total.prompt_tokens,
                "completion_tokens": total.completion_tokens,
                "cost_usd": None if one is None else round(one, 6),
            }
        )
    return {
        "calls": sum(row["calls"] for row in by),
        "prompt_tokens": sum(row["prompt_tokens"] for row in by),
        "completion_tokens": sum(row["completion_tokens"] for row in by),
        "cost_usd": None if unknown or not by else round(cost, 6),
        "prices_as_of": min(filter(None, dates), default=""),
        "by": by,
    }


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
    # Also where a process was killed between its last work and this line: `datagen status` goes by it.
    if events.worked or last_event(folder / EVENTS) != "finished":
        events.emit("finished", work=True, ledger=outcome.ledger, problems=outcome.problems)
    return outcome


def _write_run_file(folder: Path, config: Config, facts: Facts, elapsed: float) -> None:
    import yaml

    path = folder / RUN
    ended = datetime.now(UTC)
    begun = ended - timedelta(seconds=elapsed)
    now = ended.isoformat(timespec="seconds")
    timing = read_timing(folder) or {"started": begun.isoformat(timespec="seconds"), "sessions": 0, "seconds": 0.0}
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
        "libraries": versions(),
        "model": facts.model,
        "judge": facts.judge or None,
        "rounds": facts.rounds,
        "gave_up": facts.gave_up,
        "prompts": facts.prompts,
        "usage": facts.usage,
        "drift": facts.drift,
        "missing": list(facts.missing),
        "timing": timing,
        "segments": {node.folder: {"stages": list(node.stages), "holds": node.produces} for node in facts.nodes},
        "config": _without_credentials(config.model_dump(mode="json")),
    }
    write_if_changed(path, yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=120).encode())


def _without_credentials(config: dict[str, Any]) -> dict[str, Any]:
    for section in ("generator", "judge"):
        config[section]["base_url"] = redacted(config[section]["base_url"])
    return config


def versions() -> dict[str, str]:
    """Versions of the libraries that shape what is made, by name."""
    from importlib import metadata

    found = {}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def render(folder: Path) -> Outcome:
    """Write export, ledger, failures and reports from the shards on disk.

    Raises:
        DatagenError: no finished run, or a file that cannot be written.
    """
    finished = Finished(folder)
    config = finished.config
    builder, bias = ReportBuilder(), BiasTally()
    skipped = list(finished.state["skipped"])
    documents = 0
    for skip in skipped:
        builder.skipped(skip["path"], skip["reason"])
    for document in finished.documents():
        builder.document(document)
        documents += document.verdict is None
        if document.verdict is not None:
            skipped.append({"path": document.path, "reason": f"{document.verdict.reason}: {document.verdict.evidence}"})
    for record in finished.records("screen"):
        if isinstance(record, Chunk):
            builder.chunk(record)
    for task in finished.tasks():
        builder.task(task)
    ledger = Ledger(requested=finished.requested())
    accepted = 0  # what a target counts: neither gold nor pairs made of samples that count already
    try:
        with atomic(folder / "failed.jsonl") as failures:
            for record in finished.results():
                if isinstance(record, Sample):
                    builder.sample(record)
                    bias.add(record)
                    accepted += record.verdict is None and record.recipe not in ("gold", "preference")
                    ledger.add(record)
                elif isinstance(record, Failure):
                    builder.failure(record)
                    ledger.add(record)
                    failures.write(json_line(record.model_dump(mode="json")))
        write_if_changed(folder / "ledger.json", ledger.to_bytes())
    except OSError as error:
        raise from_os_error(error, "write the run's files") from error
    counts = ledger.as_dict()
    data = builder.finish({**_report_facts(finished, counts), "judge_health": _health(finished, bias)})
    targets: dict[str, Path] = {}
    for name in config.output.formats:
        targets.setdefault(name, folder / (f"export-{name}" if targets else "export"))
    write_exports(finished.samples(), targets, shard_rows=config.output.shard_rows, card_facts=data)
    write_report(data, folder, {target.name: target for target in targets.values()})
    silent = sum(not document["kept"] for document in data["documents"])
    return Outcome(folder, counts, documents, silent, skipped, _problems(finished, ledger, counts, accepted))


def _health(finished: Finished, bias: BiasTally) -> dict[str, Any] | None:
    """What is known of the judge; None where no model scored."""
    if not finished.run["judge"]:
        return None
    twice = (finished.run["drift"] or {}).get("samples") or ()
    return health(bias, twice)


def _report_facts(finished: Finished, ledger: dict[str, Any]) -> dict[str, Any]:
    run = finished.run
    # How work is spread shapes nothing: it is in run.yaml, and another --concurrency changes no report.
    config = {key: value for key, value in run["config"].items() if key not in ("client", "engine")}
    return {
        "datagen": run["datagen"],
        "ledger": ledger,
        "model": run["model"],
        "judge": run["judge"],
        "prompts": run["prompts"],
        "seed": finished.config.seed,
        "threshold": finished.config.judge.threshold if finished.config.judge.enabled else None,
        "config": config,
        "usage": run["usage"],
        "timing": run["timing"],
        "libraries": run["libraries"],
        "steps_missing": run["missing"],
    }


def _problems(finished: Finished, ledger: Ledger, counts: dict[str, Any], accepted: int) -> list[str]:
    config = finished.config
    problems = []
    failed = sum(counts["failed"].values())
    if not ledger.adds_up():
        problems.append("the ledger does not add up: please report this as a fault of datagen.")
    if not counts["kept"]:
        problems.append("nothing was kept; the report shows why each sample was rejected.")
    elif config.limits.target and accepted < config.limits.target:
        gave_up = finished.run["gave_up"]
        because = f": {gave_up}" if gave_up else ""
        problems.append(f"{accepted:,} samples were kept, {config.limits.target:,} were asked for{because}.")
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


@dataclass(frozen=True)
class Export:
    """One export: its folder, the rows of each file but the card, and the address where it was pushed, else ""."""

    folder: Path
    rows: dict[str, int]
    url: str = ""


def export(
    folder: Path, names: Sequence[str], out: Path | None, *, repo: str = "", public: bool = False
) -> dict[str, Export]:
    """Export a finished run in other formats.

    Args:
        names: of formats.
        out: the folder of one format, of several the folder of theirs; None: ``RUN/export-FORMAT``.
        repo: data set on the Hugging Face hub to push the export to, as in ``"owner/name"``; "": none.
        public: may everybody see it there?

    Returns:
        The export of each format.

    Raises:
        UsageError: unknown format, no finished run, no pairs where a format needs them, a folder whose README.md
            is no export's, or a hub that cannot take it.
    """
    if repo and len(set(names)) > 1:
        raise UsageError(
            "Several formats cannot be pushed to one data set.",
            "Each has a card of its own, and a data set has one.",
            "Push them one by one, each to a data set of its own.",
        )
    if public and not repo:
        raise UsageError(
            "There is nothing to make public.", "--public goes with --push-to-hub.", "Add it, or omit both."
        )
    finished = Finished(folder)
    inside = out if out and len(set(names)) > 1 else None
    targets = {name: inside / name if inside else out or folder / f"export-{name}" for name in names}
    for target in targets.values():
        if (target / CARD).exists() and not (target / LINEAGE).exists():
            raise UsageError(
                f"The folder {target} holds a {CARD} that no export wrote.",
                f"The dataset card is called {CARD} too and would overwrite it.",
                "Name an empty or a new folder with --out.",
            )
    try:
        data = read_json(folder / "report.json")
    except (OSError, ValueError) as error:
        raise UsageError(
            f"Could not read the report.json of {folder}.",
            f"It is missing or damaged ({type(error).__name__}).",
            f"Write it again with `datagen report {folder}`.",
        ) from error
    counts = write_exports(
        finished.samples(),
        targets,
        shard_rows=finished.config.output.shard_rows,
        card_facts=data,
        pairs_wanted=True,
    )
    return {
        name: Export(target, counts[name], push(target, repo, public=public) if repo else "")
        for name, target in targets.items()
    }
