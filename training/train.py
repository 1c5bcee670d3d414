"""Train on an export: SFT, then preference training on its adapter, then one model of both."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training import base
from training.config import TrainConfig
from training.errors import StoppedTraining, TrainingError
from training.record import Record, StageResult

Say = Callable[[str], None]
PROMPTS = 8
NO_PAIRS = (
    "There are no preference pairs: SFT alone. To get pairs, let a model write rejected replies: "
    "datagen run --set generator.preference.share=0.5, or add a preference.train.jsonl to the export."
)


@dataclass(frozen=True)
class TrainResult:
    """What a training left.

    Attributes:
        out: its folder.
        sft, dpo: the stages; None where one was not run.
        record: the contents of ``training.json``.
        prompts: a few of the held-out prompts as text, to compare models on.
        max_length: tokens of a row at most, as decided.
        main: whether this is the process that writes.
    """

    out: Path
    sft: StageResult | None
    dpo: StageResult | None
    record: dict[str, Any]
    prompts: tuple[str, ...] = ()
    max_length: int = 0
    main: bool = True


def train(
    export: Path,
    out: Path,
    config: TrainConfig,
    *,
    say: Say,
    callbacks: Sequence[Any] = (),
    resume: bool = True,
) -> TrainResult:
    """Train as configured; the same call again goes on where it was stopped, and does nothing that is done.

    Args:
        export: a run, its export folder, any folder of data files, or one file.
        out: gets ``adapters/``, ``checkpoints/``, ``metrics.jsonl`` and ``training.json``.
        config: what to do.
        say: told what a user should know, a sentence at a time; in the main process only.
        callbacks: ``transformers.TrainerCallback``s that watch both stages.
        resume: False does every stage anew.

    Raises:
        TrainingError: wrong set-up, nothing was begun.
        StoppedTraining: it could not go on; the same call continues it.
        ProofFailed: a check did not hold.
    """
    base.require(config)
    from accelerate import PartialState  # type: ignore[import-untyped]

    main = bool(PartialState(cpu=base.device() == "cpu").is_main_process)
    tell: Say = say if main else _nothing
    _optimizer(config, tell)
    ready, planned = _planned(export, out, config, tell, main)
    tell(planned.text().rstrip())
    record = Record.open(out, main)
    record.begin(config, ready.data)
    record.put(plan=planned.as_dict())
    sft = dpo = None
    try:
        if config.sft.enabled:
            sft = _sft(ready, planned, record, tell, callbacks, resume)
            gc.collect()
        if config.dpo.enabled:
            dpo = _dpo(ready, planned, record, tell, callbacks, resume)
    except StoppedTraining:
        record.put(state="stopped")
        raise
    record.put(state="done")
    return TrainResult(out, sft, dpo, record.values, ready.prompts(PROMPTS), ready.config.max_length, main)


def plan(export: Path, out: Path, config: TrainConfig, *, say: Say) -> Any:
    """What :func:`train` would do, without doing it; of ``out`` only ``base/`` is made, for ``--base tiny``.

    With ``config.vram`` it is the plan for a GPU of that size, whatever there is here.

    Returns:
        A :class:`training.plan.Plan`.

    Raises:
        TrainingError: as :func:`train`.
    """
    base.require(config)
    return _planned(export, out, config, say, True, "cuda" if config.vram else None)[1]


def _planned(
    export: Path, out: Path, config: TrainConfig, say: Say, write: bool, device: str | None = None
) -> tuple[Any, Any]:
    """The rows as tokens and the plan for them; with ``auto_fit`` both for the settings that fit."""
    from training import ready as preparing
    from training.plan import reckon
    from training.shape import ModelShape

    if write:
        out.mkdir(parents=True, exist_ok=True)
    with base.quiet():
        ready = preparing.prepare(export, out, config, say, write=write)
    lengths: Any = {"sft": ready.train.lengths, "dpo": ready.pairs_train.lengths}
    dropped: Any = {"sft": len(ready.train.dropped), "dpo": len(ready.pairs_train.dropped)}
    where: Any = device or base.device()
    planned = reckon(ModelShape.of(ready.config.base), ready.config, lengths, where, dropped=dropped, out=out)
    if planned.config != ready.config:
        for change in planned.proposal.changes:
            say(f"To fit: {change}")
        ready = ready.with_settings(planned.config)
    return ready, planned


def _sft(ready: Any, planned: Any, record: Record, say: Say, callbacks: Sequence[Any], resume: bool) -> StageResult:
    from training import identity, sft, stage, steps

    settings, said = steps.settle(ready.config.sft, len(ready.train.ids))
    if said:
        say(said)
    if not ready.valid.ids:
        say("There are no validation rows: no validation loss, and no early end.")
    data = identity.of_tokens(
        ready.train.input_ids, ready.train.assistant_masks, ready.valid.input_ids, ready.valid.assistant_masks
    )
    train = sft.Rows(ready.train.input_ids, ready.train.assistant_masks, ready.order)
    valid = sft.Rows(ready.valid.input_ids, ready.valid.assistant_masks, ready.order) if ready.valid.ids else None

    def build(now: Any, folder: Path, watchers: Sequence[Any]) -> Any:
        model = base.load_model(ready.config)
        if now.packing and not sft.packed(now, model):
            say("Rows are not packed: only flash attention on a GPU keeps packed rows apart.")
        if ready.config.method != "full":
            model = base.new_adapter(model, ready.config)
        length = ready.config.max_length
        return sft.build(ready.config, now, model, ready.tokenizer, train, valid, folder, length, watchers)

    work = stage.Work(
        stage="sft",
        config=ready.config,
        settings=settings,
        parts=identity.parts(ready.config, settings, data),
        build=build,
        noted={
            "rows": len(ready.train.ids),
            "dropped": ready.dropped()["sft"],
            "trained_tokens_shown": ready.shown,
            "estimate_bytes": _estimate(planned, "sft"),
        },
    )
    return stage.run(work, record, say, callbacks, resume=resume)


def _dpo(
    ready: Any, planned: Any, record: Record, say: Say, callbacks: Sequence[Any], resume: bool
) -> StageResult | None:
    from training import checkpoints, dpo, identity, stage, steps

    if not ready.pairs_train.ids:
        say(NO_PAIRS if not ready.pairs.train else "No preference pair is left to train on: SFT alone.")
        stage.forget(record, "dpo")
        return None
    adapter = record.out / "adapters" / "sft"
    try:
        before = checkpoints.adapter_sha256(adapter)
    except OSError as error:
        raise TrainingError(
            "There is no SFT adapter to train on pairs.",
            "sft.enabled is false, and no earlier SFT is in the output folder.",
            "Run it with --set sft.enabled=true first.",
        ) from error
    settings, said = steps.settle(ready.config.dpo, len(ready.pairs_train.ids))
    if settings.method == "kto":
        settings = dpo.two_at_once(settings)
    if said:
        say(said.replace("row", "pair"))
    dpo.check(settings)
    train, valid = (_pairs(one) for one in (ready.pairs_train, ready.pairs_valid))
    found: list[Any] = []

    def build(now: Any, folder: Path, watchers: Sequence[Any]) -> Any:
        validation = valid if len(valid) else None
        return dpo.build(ready.config, now, adapter, ready.tokenizer, train, validation, folder, watchers, found)

    data = identity.of_tokens(
        *(column for one in (train, valid) for column in (one.prompt_ids, one.chosen_ids, one.rejected_ids))
    )
    work = stage.Work(
        stage="dpo",
        config=ready.config,
        settings=settings,
        parts={**identity.parts(ready.config, settings, data), "the SFT adapter": before},
        build=build,
        noted={
            "rows": len(train),
            "dropped": ready.dropped()["dpo"],
            "estimate_bytes": _estimate(planned, "dpo"),
        },
        proofs=found,
        least=2 if settings.method == "kto" else 1,
    )
    result = stage.run(work, record, say, callbacks, resume=resume)
    if checkpoints.adapter_sha256(adapter) != before:
        raise TrainingError(
            "The SFT adapter was changed while pairs were trained on.",
            "Its checksum is not what it was when the stage began.",
            "Run the same command again: both stages are done anew.",
        )
    return result


def _estimate(planned: Any, stage: str) -> int | None:
    found = planned.estimate(stage)
    return None if found is None else int(found.total)


def _pairs(encoded: Any) -> Any:
    from training import dpo

    return dpo.Pairs(encoded.prompt_ids, encoded.chosen_ids, encoded.rejected_ids)


def _optimizer(config: TrainConfig, say: Say) -> None:
    if config.optimizer != "adamw" and base.device() == "cpu":
        say("The paged 8-bit optimizer needs a GPU: AdamW is used.")


def _nothing(_: str) -> None:
    """Processes other than the main one say nothing."""
