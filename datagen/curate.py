"""Curation alone, on anybody's training data: the stages of ``datagen curate`` and what they leave."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datagen import config as settings
from datagen import steps
from datagen.config import Config
from datagen.core.errors import UsageError, from_os_error
from datagen.core.hashing import digest
from datagen.core.record import Sample, SourceFile
from datagen.core.stage import Fold, Map
from datagen.engine.config import EngineConfig
from datagen.engine.events import Events
from datagen.engine.run import Runner, Source
from datagen.engine.segment import Node, plan
from datagen.engine.store import Store
from datagen.output.curated import KEPT, REJECTED, REPORT, Curated, write_report
from datagen.output.row_files import left_out, stretches, unchanged
from datagen.output.rows import ReadRows
from datagen.pipeline import PROCESSES_FROM_BYTES, Listener

WORK = ".work"
"""Folder inside the output folder with what the stages left; the same command goes on from there."""


@dataclass(frozen=True)
class Step:
    """A step that can be asked for by name.

    Attributes:
        name: as in ``--only``.
        always: is it done where none is named?
        stages: what it consists of, by the configuration and the names of all wanted steps.
        status: one sentence on what of it is missing on this machine, or "".
    """

    name: str
    always: bool
    stages: Callable[[Config, Collection[str]], list[Map | Fold]]
    status: Callable[[Config], str] = lambda config: ""


@dataclass(frozen=True)
class Outcome:
    """What a curation left.

    Attributes:
        folder: where it is.
        report: the contents of ``report.json``.
        short: fewer rows were kept than were wanted.
    """

    folder: Path
    report: dict[str, Any]
    short: bool = False

    @property
    def exit_code(self) -> int:
        """0; 1 where nothing was kept, or less than was wanted, or the counts do not add up."""
        return 0 if self.report["kept"] and self.report["adds_up"] and not self.short else 1

    def text(self) -> str:
        """For people."""
        report = self.report
        lines = [f"{report['kept']:,} rows kept of {report['rows']:,}"]
        if report["rejected"]:
            reasons = sorted(report["rejected"].items(), key=lambda item: (-item[1], item[0]))
            lines.append(
                f"  rejected {sum(n for _, n in reasons):,}: " + ", ".join(f"{reason} {n:,}" for reason, n in reasons)
            )
        if report["changed"]:
            lines.append(f"  changed {report['changed']:,} of the kept")
        for audit in report["audits"]:
            shown = f", as in {audit['example']}" if audit["example"] else ""
            lines.append(f"  {audit['stage']}: {audit['count']:,} {audit['kind']} ({audit['action']}){shown}")
        lines += [f"  {note}" for note in report["notes"]]
        lines += [
            f"  kept      {self.folder / KEPT}",
            f"  rejected  {self.folder / REJECTED}",
            f"  report    {self.folder / REPORT}",
        ]
        return "\n".join(lines)


def curate(
    paths: Sequence[Path],
    out: Path,
    config: Config,
    listener: Listener,
    *,
    only: Iterable[str] = (),
    against: Sequence[Path] = (),
    fields: Sequence[str] = (),
    target: int | None = None,
) -> Outcome:
    """Curate rows, or go on with it.

    Args:
        paths: files or folders of rows.
        out: the folder for what is kept and rejected.
        config: its ``curation`` section is used.
        listener: who shows progress.
        only: names of :data:`STEPS`; empty: all that are always done.
        against: evaluation sets that no row may repeat.
        fields: names of the fields that hold the texts; empty: found by the row's form.
        target: rows to keep; None: all, and ``limits.target`` where the selection is asked for by name.

    Raises:
        DatagenError: wrong usage (exit code 2), or stopped early and resumable (3).
    """
    _lead_somewhere((*paths, *against, out))
    if against:
        held = config.curation.decontaminate.model_copy(update={"against": tuple(str(p.resolve()) for p in against)})
        config = config.model_copy(update={"curation": config.curation.model_copy(update={"decontaminate": held})})
    if target is not None:
        config = config.model_copy(update={"limits": config.limits.model_copy(update={"target": target})})
    wanted = chosen(
        only,
        against=bool(config.curation.decontaminate.against),
        target=bool(target),
        selects=steps.selects(config.curation, config.limits.target),
    )
    names = [step.name for step in wanted]

    def prepare(work: Path) -> Work:
        notes = [note for step in wanted if (note := step.status(config))]
        return Work([stage for step in wanted for stage in step.stages(config, names)], notes)

    _not_written(against, out)
    listener.note(f"Curating rows: {', '.join(names)}.")
    report = process(paths, out, config, listener, Curated(fields), prepare)
    asked = config.limits.target if "select" in names else 0
    if short := report["kept"] < asked:
        report["notes"].append(f"{asked:,} rows were wanted, and {report['kept']:,} passed.")
    report |= {"steps": names, "settings": _settings(config, wanted)}
    return finished(out, report, short)


@dataclass(frozen=True)
class Work:
    """What is to be done with rows.

    Attributes:
        stages: the line after reading.
        notes: for people, and for the report.
        meters: as of :class:`~datagen.engine.run.Runner`.
    """

    stages: list[Map | Fold]
    notes: list[str]
    meters: Callable[[], Mapping[str, Any]] = dict


def process(
    paths: Sequence[Path],
    out: Path,
    config: Config,
    listener: Listener,
    curated: Curated,
    prepare: Callable[[Path], Work],
) -> dict[str, Any]:
    """Take rows through a line of stages, or go on with it, and write what becomes of them.

    Args:
        paths, out, config, listener: as of :func:`curate`.
        curated: counts and writes.
        prepare: what is to be done; called with the work folder, when that is ours alone.

    Returns:
        The contents of the report.

    Raises:
        DatagenError: as :func:`curate`.
    """
    _apart(paths, out)
    store = Store(out / WORK)
    with store.locked():
        events = Events(out / WORK / "events.jsonl")
        events.listen(listener)
        with closing(events):
            files = stretches(paths, out / WORK)
            same = unchanged(files)
            work = prepare(out / WORK)
            notes = [*left_out(paths), *work.notes]
            for note in notes:
                listener.note(note)
            nodes = plan([ReadRows(curated.fields), *work.stages])
            sources = [Source(digest([f.path, f.start, f.sha256]), (f,)) for f in files]
            events.emit("run", files=len(files), shards=len(sources), skipped=0)
            runner = Runner(store, nodes, sources, _engine(config, files), events, work.meters)
            shards = runner.run()
            report = _write(store, nodes[-1], shards[-1], files, curated, out, same)
    return report | {"notes": notes}


def finished(out: Path, report: dict[str, Any], short: bool = False) -> Outcome:
    """Write the report. Raises DatagenError."""
    try:
        write_report(out, report)
    except OSError as error:
        raise from_os_error(error, "write the report") from error
    return Outcome(out, report, short)


def chosen(only: Iterable[str], against: bool = False, target: bool = False, selects: bool = False) -> list[Step]:
    """The steps to do, in the order in which they are done.

    Args:
        only: names; empty: all that are always done.
        against: there is something that no row may repeat.
        target: so many rows are wanted, which asks for the selection.
        selects: the selection may leave something out.

    Raises:
        UsageError: an unknown name, or one of a step that has nothing to go by.
    """
    names = [name for given in only for name in given.replace(",", " ").split()]
    for name in names:
        if name not in STEPS:
            raise UsageError(
                f"There is no step {name!r}.",
                f"The steps are {', '.join(STEPS)}.",
                "Name some of them, as in --only dedupe,pii.",
            )
    if "decontaminate" in names and not against:
        raise UsageError(
            "There is nothing to decontaminate against.",
            "The step compares rows with evaluation sets, and none is named.",
            "Name files with --against FILE.",
        )
    if "select" in names and not selects:
        raise UsageError(
            "There is nothing to select by.",
            "The step leaves rows out where there are more than are wanted, and no number is given.",
            "Say how many rows to keep with --target N, or how many of a file with "
            "--set curation.select.per_document=N.",
        )
    wanted = set(names) or {step.name for step in STEPS.values() if step.always}
    if against:
        wanted.add("decontaminate")
    if target:
        wanted.add("select")
    return [step for name, step in STEPS.items() if name in wanted]


def _rules(config: Config, wanted: Collection[str] = ()) -> list[Map | Fold]:
    from curation.rules import Rules

    return [Rules(config.curation.rules, config.curation.semantic.embed)]


def _meaning(config: Config, wanted: Collection[str]) -> list[Map | Fold]:
    compared = "select" in wanted and steps.compares(config.curation, config.limits.target)
    return steps.meaning(config.curation, leave=compared)


STEPS: dict[str, Step] = {
    step.name: step
    for step in (
        Step("rules", False, _rules),
        Step(
            "pii",
            True,
            lambda config, wanted: [*steps.personal_data(config.curation)],
            lambda config: steps.personal_data_status(config.curation),
        ),
        Step(
            "malicious",
            True,
            lambda config, wanted: [*steps.malicious(config.curation)],
            lambda config: steps.malicious_status(config.curation),
        ),
        Step("toxicity", True, lambda config, wanted: [*steps.toxicity(config.curation)]),
        Step("dedupe", True, lambda config, wanted: steps.copies(config.curation)),
        Step(
            "semantic",
            False,
            _meaning,
            lambda config: steps.meaning_status(config.curation),
        ),
        Step(
            "decontaminate",
            False,
            lambda config, wanted: [*steps.contamination(config.curation)],
            lambda config: steps.contamination_status(config.curation),
        ),
        Step(
            "select",
            False,
            lambda config, wanted: steps.selection(
                config.curation, config.limits.target, embedded="semantic" in wanted
            ),
            lambda config: steps.selection_status(config.curation, config.limits.target),
        ),
    )
}
"""In the order in which they are done."""


def _write(
    store: Store,
    node: Node,
    shards: Sequence[str],
    files: Sequence[SourceFile],
    curated: Curated,
    out: Path,
    same: Callable[[], None],
) -> dict[str, Any]:
    records = (record for name in shards for record in store.read(node.folder, name, node.produces))
    locations = {file.path: file.location for file in files}
    try:
        curated.write((r for r in records if isinstance(r, Sample)), locations, out, same)
    except OSError as error:
        raise from_os_error(error, "write the curated rows") from error
    return curated.report()


def _lead_somewhere(paths: Iterable[Path]) -> None:
    for path in paths:
        try:
            path.resolve()
        except (RuntimeError, OSError) as error:
            said = getattr(error, "strerror", "") or "it is a link that leads to itself"
            raise UsageError(f"{path} leads nowhere.", f"The system says: {said}.", "Name another one.") from error


def _apart(paths: Sequence[Path], out: Path) -> None:
    """What is read must not be what is written, nor anything that is not ours."""
    if not (out / WORK).is_dir():
        for name in (KEPT, REJECTED, REPORT):
            if (out / name).exists():
                raise UsageError(
                    f"{out / name} would be overwritten.",
                    "No curation left it there.",
                    "Name another folder with --out, or move the file away.",
                )
    _not_written(paths, out)
    for path in paths:
        inside = path.resolve()
        if out.resolve() == inside or (path.is_dir() and out.resolve().is_relative_to(inside)):
            raise UsageError(
                f"The output folder {out} lies in what is read.",
                "The next run would read its own output.",
                "Name another folder with --out.",
            )


def _not_written(paths: Sequence[Path], out: Path) -> None:
    written = {(out / name).resolve() for name in (KEPT, REJECTED, REPORT, WORK)}
    for path in paths:
        inside = path.resolve()
        if not written.isdisjoint((inside, *inside.parents)):
            raise UsageError(
                f"{path} is what a curation into {out} writes.",
                "It would be written over while it is read.",
                "Name another folder with --out.",
            )


def _engine(config: Config, files: Sequence[SourceFile]) -> EngineConfig:
    executor: Any = config.engine.executor
    if executor == "auto":
        executor = "processes" if sum(f.size for f in files) >= PROCESSES_FROM_BYTES else "inline"
    return config.engine.model_copy(update={"executor": executor})


def _settings(config: Config, wanted: Sequence[Step]) -> Mapping[str, Any]:
    held = config.curation.model_dump(mode="json")
    return {step.name: held[step.name] for step in wanted if step.name in held}


def configure(file: Path | None, overrides: Iterable[str]) -> Config:
    """The configuration: a named file, else ``datagen.yaml`` here, else the defaults.

    Raises:
        UsageError: it cannot be used.
    """
    return settings.load(file or settings.default_file(), overrides)
