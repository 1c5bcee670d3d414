"""``datagen train RUN``: SFT, then preference training, from a run or from anybody's rows."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from datagen.cli_progress import printable

EPILOG = (
    "Examples:  datagen train runs/docs --base Qwen/Qwen2.5-7B-Instruct   |   "
    "datagen train runs/docs --base tiny   |   datagen train rows.jsonl --dry-run --vram 16GB"
)


def train(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run, an export folder, or a file of rows.", show_default=False)
    ],
    out: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads this form on every Python we support
        typer.Option("--out", "-o", metavar="DIR", help="Folder for adapters, model and page; default: RUN/training."),
    ] = None,
    base: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--base", metavar="MODEL", help="A folder, a name on the hub, or `tiny` to try the machine."),
    ] = None,
    method: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--method", metavar="NAME", help="qlora (4 bit), lora (unquantised) or full (all weights)."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and train nothing.")] = False,
    vram: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--vram", metavar="SIZE", help="Memory to plan for, as in 16GB; default: the card at hand."),
    ] = None,
    auto_fit: Annotated[
        Optional[bool],  # noqa: UP045
        typer.Option("--auto-fit", help="Take the settings that fit where the given ones do not.", show_default=False),
    ] = None,
    settings: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--set", metavar="A.B=C", help="Set one key of training, as sft.epochs=3; repeat for several."),
    ] = None,
    track: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--track", metavar="NAME", help="Send metrics to mlflow, wandb, trackio or tensorboard too."),
    ] = None,
    push_to_hub: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--push-to-hub", metavar="OWNER/NAME", help="Upload model, adapters and card; private if new."),
    ] = None,
    public: Annotated[bool, typer.Option("--public", help="Let everybody see what --push-to-hub uploads.")] = False,
    compare: Annotated[
        bool, typer.Option("--compare/--no-compare", help="Let base and trained models answer held-out prompts.")
    ] = True,
    anew: Annotated[bool, typer.Option("--anew", help="Do every stage again, finished ones too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object for programs.")] = False,
) -> None:
    """Fine-tune a model on a run: SFT, then DPO on its pairs, proved as it goes, and one merged model at the end."""
    with spoken():
        from training import settings as training_settings

        named = {"base": base, "method": method, "vram": vram, "auto_fit": auto_fit, "track": track}
        config = training_settings.settle(settings or [], named)
        folder = out or default_out(run)
        if dry_run:
            typer.echo(_plan(run, folder, config, as_json))
            return
        record = _train(run, folder, config, not anew, compare, (push_to_hub, public))
    typer.echo(json.dumps(record, ensure_ascii=False) if as_json else printable(summary(folder, record)))


def _plan(run: Path, folder: Path, config: Any, as_json: bool) -> str:
    from training.train import plan

    found = plan(run, folder, config, say=say)
    return json.dumps(found.as_dict(), ensure_ascii=False) if as_json else printable(found.text().rstrip())


def _train(run: Path, folder: Path, config: Any, resume: bool, compare: bool, upload: tuple[str | None, bool]) -> Any:
    from training import base as training_base

    training_base.require(config)  # before the libraries are imported by the modules below
    from training import finish, hub, page, track
    from training.live import Live
    from training.train import train as training

    watchers = track.callbacks(config.track, folder)
    live = Live()
    try:
        result = training(run, folder, config, say=live.say, callbacks=[live, *watchers], resume=resume)
        record = finish.finish(result, run, config, live.say, compare=compare)
        repo, public = upload
        if repo and result.main:
            hub.push(folder, repo, public=public, say=live.say)
    finally:
        live.close()
        if (folder / "training.json").is_file():
            page.write(folder)
    return record.values


@contextmanager
def spoken() -> Iterator[None]:
    """Turn errors of training into those of the command line: the same three parts, the same exit code."""
    from datagen.core.errors import DatagenError, StoppedEarly, UsageError
    from training.errors import TrainingError

    kinds: dict[int, type[DatagenError]] = {2: UsageError, 3: StoppedEarly}
    try:
        yield
    except TrainingError as error:
        raise kinds.get(error.exit_code, DatagenError)(error.what, error.why, error.fix) from error


def say(line: str) -> None:
    """A line on standard error."""
    sys.stderr.write(printable(line) + "\n")
    sys.stderr.flush()


def default_out(run: Path) -> Path:
    """``RUN/training``; beside a file or a folder ``export``."""
    if run.is_file():
        return run.with_name(f"{run.stem}-training")
    return (run.parent if run.name == "export" else run) / "training"


def summary(folder: Path, record: dict[str, Any]) -> str:
    """What was trained, in a few lines."""
    lines = []
    for name, stage in record.get("stages", {}).items():
        loss = f"loss {stage['first_loss']:.4f} → {stage['last_loss']:.4f}"
        if stage.get("eval_loss") is not None:
            loss += f", validation {stage['eval_loss']:.4f}"
        if stage.get("margin_last") is not None:
            loss += f", margin {stage['margin_first']:.4f} → {stage['margin_last']:.4f}"
        early = ", ended early" if stage.get("stopped_early") else ""
        lines.append(f"{name.upper():6} {stage['steps']} steps in {stage['seconds']:.0f} s{early}: {loss}")
    for title, name in (("model", "merged"), ("page", "training.html"), ("beside", "compare.html")):
        if (folder / name).exists():
            lines.append(f"{title:6} {folder / name}")
    return "\n".join(lines)
