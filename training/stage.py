"""Run one stage to its end through whatever stops it: kills, memory that runs out, a full disk."""

from __future__ import annotations

import contextlib
import gc
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from accelerate import PartialState  # type: ignore[import-untyped]

from training import base, checkpoints, files, metrics, trouble
from training.config import Stage, StageConfig, TrainConfig
from training.counted import Counted
from training.errors import TrainingError
from training.proofs import Moves, Proof
from training.record import Record, StageResult

Say = Callable[[str], None]
_KEPT = {".safetensors", ".json", ".jinja", ".txt", ".model"}  # of a checkpoint: weights, settings, tokenizer
_LEFT = {"trainer_state.json", checkpoints.MARK}


@dataclass(frozen=True)
class Work:
    """A stage to run.

    Attributes:
        stage: ``sft`` or ``dpo``.
        config: of the whole training.
        settings: of the stage, as settled.
        parts: what shapes its result, each with a hash: other parts, another result.
        build: makes the trainer for settings and callbacks; every call from scratch.
        noted: what ``training.json`` says of the stage beside what is measured.
        proofs: filled by ``build`` with the proofs made at the start.
        least: rows at once that it cannot do without (KTO: 2).
    """

    stage: Stage
    config: TrainConfig
    settings: StageConfig
    parts: Mapping[str, str]
    build: Callable[[StageConfig, Path, Sequence[Any]], Any]
    noted: Mapping[str, Any]
    proofs: list[Proof] = field(default_factory=list)
    least: int = 1


def run(work: Work, record: Record, say: Say, callbacks: Sequence[Any] = (), *, resume: bool = True) -> StageResult:
    """Train, or go on training, or find that it is done; the adapter ends up in ``OUT/adapters/STAGE``.

    Raises:
        StoppedTraining: the disk is full, memory ran out with a single row, or a loss is no number.
        ProofFailed: a check did not hold.
    """
    name, out = work.stage, record.out
    folder, adapter = out / "checkpoints" / name, out / "adapters" / name
    noted = record.stage(name)
    if resume and is_done(noted, work.parts, adapter):
        say(f"{name.upper()} is done already ({noted['steps']} steps): nothing is trained again.")
        return StageResult(adapter, noted, resumed=True)
    try:
        checkpoint = _begin(work, record, folder, say, resume)
        record.put(state=name)
        peak = Counted(base.device())
        report, keeper, settings = _train(work, record, folder, checkpoint, say, [peak, *callbacks])
        chosen = _chosen(folder)
        if record.write:
            _publish(chosen, adapter)
        PartialState().wait_for_everyone()
        values = _result(work, settings, record.out, chosen, keeper, [*work.proofs, *report.values()])
        values["peak_bytes"] = peak.bytes
        record.put_stage(name, {**work.noted, **values, "adapter_sha256": checkpoints.adapter_sha256(adapter)})
        if record.write:
            checkpoints.thin(folder, set())
    except Exception as error:
        if trouble.disk_full(error):
            raise trouble.no_disk(name) from error
        raise
    return StageResult(adapter, record.stage(name))


def is_done(noted: Mapping[str, Any], parts: Mapping[str, str], adapter: Path) -> bool:
    """Whether the stage's adapter is there, unchanged, and from these very settings and data."""
    if noted.get("parts") != dict(parts) or not noted.get("adapter_sha256"):
        return False
    try:
        return bool(checkpoints.adapter_sha256(adapter) == noted["adapter_sha256"])
    except OSError:
        return False


def forget(record: Record, name: Stage) -> None:
    """Remove a stage's adapter and what is noted of it; in the main process alone."""
    if record.write:
        record.drop_stage(name)
        shutil.rmtree(record.out / "adapters" / name, ignore_errors=True)


def _begin(work: Work, record: Record, folder: Path, say: Say, resume: bool) -> Path | None:
    name = work.stage
    checkpoint = None
    if record.write:
        checkpoint, changed = checkpoints.prepare(folder, work.parts, resume=resume)
        if changed:
            say(f"{name.upper()} is begun anew, for this is not what it was before: {', '.join(changed)}.")
        if checkpoint is not None:
            say(f"{name.upper()} goes on from step {checkpoints.step_of(checkpoint)}.")
        forget(record, name)
        if name == "sft":
            forget(record, "dpo")  # it was trained on the adapter that goes
        metrics.rewind(record.out / metrics.FILE, name, checkpoints.step_of(checkpoint) if checkpoint else -1)
    PartialState().wait_for_everyone()
    return checkpoint if record.write else checkpoints.last(folder)


def _train(
    work: Work, record: Record, folder: Path, checkpoint: Path | None, say: Say, callbacks: Sequence[Any]
) -> tuple[dict[str, Proof], checkpoints.Keeper, StageConfig]:
    settings = work.settings
    while True:
        report: dict[str, Proof] = {}
        keeper = checkpoints.Keeper(folder, settings.patience)
        before: list[dict[str, Any]] = []
        if record.write:
            step = checkpoints.step_of(checkpoint) if checkpoint else -1
            before = metrics.rewind(record.out / metrics.FILE, work.stage, step)
        half = str(base.compute_dtype(work.config)) == "torch.float16"
        ours = [
            trouble.Numbers(work.stage, half),
            metrics.Metrics(record.out / metrics.FILE, work.stage, before),
            keeper,
            Moves(report),
        ]
        if _attempt(work, settings, folder, checkpoint, [*ours, *callbacks]):
            return report, keeper, settings
        gc.collect()
        _empty_cache()
        smaller = halve(settings, work.least)
        if smaller is None:
            raise trouble.no_memory(work.stage)
        say(
            f"Out of memory with {settings.batch} rows at once: going on with {smaller.batch}, and "
            f"{smaller.accumulation} in place of {settings.accumulation} batches added up for a step."
        )
        settings = smaller
        checkpoint = checkpoints.last(folder)


def _attempt(
    work: Work, settings: StageConfig, folder: Path, checkpoint: Path | None, callbacks: Sequence[Any]
) -> bool:
    """False where memory ran out; the trainer and all it holds are gone then, with this function's frame."""
    try:
        work.proofs.clear()
        with base.quiet(), contextlib.ExitStack() as counting:
            for watcher in callbacks:
                if isinstance(watcher, Counted):
                    counting.enter_context(watcher.counting())
            trainer = work.build(settings, folder, callbacks)
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except TrainingError:
        raise
    except Exception as error:
        if not trouble.out_of_memory(error):
            raise
        error.__traceback__ = None  # its frames hold tensors
        return False
    return True


def halve(settings: StageConfig, least: int = 1) -> StageConfig | None:
    """Settings with at most half the rows at once, and as many rows a step; None where ``least`` is reached."""
    together = settings.batch * settings.accumulation
    for batch in range(settings.batch // 2, least - 1, -1):
        if together % batch == 0:
            return settings.model_copy(update={"batch": batch, "accumulation": together // batch})
    return None


def _empty_cache() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _chosen(folder: Path) -> Path:
    """The checkpoint that becomes the adapter: the one of the lowest validation loss, else the last."""
    last = checkpoints.last(folder)
    if last is None:
        raise TrainingError(
            "Training ended without a checkpoint.", "None in its folder is whole.", "Run the same command again."
        )
    losses = checkpoints.validation(_history(last))
    best = folder / f"checkpoint-{checkpoints.best_step(losses)}" if losses else last
    return best if checkpoints.whole(best) else last


def _history(checkpoint: Path) -> list[dict[str, Any]]:
    state = files.read_json(checkpoint / "trainer_state.json")
    return list(state.get("log_history", [])) if isinstance(state, dict) else []


def _publish(checkpoint: Path, adapter: Path) -> None:
    """Copy weights, settings and tokenizer under a temporary name, then rename: the adapter is there whole or not."""
    temporary = adapter.with_name(f".{adapter.name}.new")
    if temporary.exists():
        shutil.rmtree(temporary)
    temporary.mkdir(parents=True)
    for file in sorted(checkpoint.iterdir()):
        if file.is_file() and file.suffix in _KEPT and file.name not in _LEFT:
            shutil.copyfile(file, temporary / file.name)
    if adapter.exists():
        shutil.rmtree(adapter)
    temporary.rename(adapter)


def _result(
    work: Work,
    settings: StageConfig,
    out: Path,
    chosen: Path,
    keeper: checkpoints.Keeper,
    proofs: Sequence[Proof],
) -> dict[str, Any]:
    lines = [line for line in metrics.read(out / metrics.FILE) if line.get("stage") == work.stage]
    trained = [line for line in lines if "loss" in line]
    looks = [line for line in lines if "eval_loss" in line]
    values: dict[str, Any] = {
        "parts": dict(work.parts),
        "steps": trained[-1]["step"] if trained else 0,
        "first_loss": trained[0]["loss"] if trained else None,
        "last_loss": trained[-1]["loss"] if trained else None,
        "eval_loss": min((line["eval_loss"] for line in looks), default=None),
        "best_step": checkpoints.step_of(chosen),
        "stopped_early": keeper.stopped_early,
        "batch": settings.batch,
        "accumulation": settings.accumulation,
        "seconds": lines[-1]["seconds"] if lines else 0.0,
        "tokens": max((line.get("tokens", 0) for line in trained), default=0),
        "proofs": [proof.as_dict() for proof in proofs],
    }
    margins = [line for line in trained if "margin" in line]
    if margins:
        values["margin_first"] = margins[0]["margin"]
        values["margin_last"] = margins[-1]["margin"]
        values["accuracy_last"] = margins[-1].get("accuracy")
    return values
