"""What a training will do, before it does anything: rows, tokens, lengths, steps, time and memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training import fit, measure, steps
from training.config import Stage, StageConfig, TrainConfig
from training.duration import Duration, measured_rates, operations
from training.limits import limit_of
from training.memory import Device, Estimate, checkpoints
from training.shape import ModelShape

BINS = 8
BAR = 40


@dataclass(frozen=True)
class StagePlan:
    """One stage.

    Args:
        stage: "sft" or "dpo".
        rows: rows (pairs) to train on.
        tokens: tokens that go through the model in one epoch, after cutting; a pair's prompt counts twice.
        lengths: tokens of each row before cutting, int64 of shape (rows,); a pair counts its longer half.
        length: tokens of the longest sequence that is trained on.
        cut: rows that are cut (pairs: left out) at that length.
        dropped: rows that cannot be trained on at all.
        section: its settings, as they will be used.
        steps: optimizer steps.
        estimate: of its memory.
        duration: how long it takes, as far as that can be known.
    """

    stage: Stage
    rows: int
    tokens: int
    lengths: NDArray[np.int64]
    length: int
    cut: int
    dropped: int
    section: StageConfig
    steps: int
    estimate: Estimate
    duration: Duration


@dataclass(frozen=True)
class Plan:
    """A whole training.

    Args:
        config: the settings; with ``auto_fit`` those that fit.
        shape: the model's.
        device: where it runs.
        stages: those that have rows and are enabled.
        limit: bytes that it may take.
        limit_from: where that figure is from.
        proposal: settings that fit, where those given do not; else those given.
    """

    config: TrainConfig
    shape: ModelShape
    device: Device
    stages: tuple[StagePlan, ...]
    limit: int
    limit_from: str
    proposal: fit.Proposal

    @property
    def fits(self) -> bool:
        """Whether every stage, with ``config``, stays within the limit."""
        return all(stage.estimate.total <= self.limit for stage in self.stages)

    def estimate(self, stage: Stage) -> Estimate | None:
        """The estimate of a stage; None where it is not run."""
        return next((one.estimate for one in self.stages if one.stage == stage), None)

    def text(self) -> str:
        """All of it for a person to read."""
        from training.plan_text import text

        return text(self)

    def as_dict(self) -> dict[str, Any]:
        """All of it for a program: plain values, bytes and seconds."""
        return {
            "base": self.config.base,
            "method": self.config.method,
            "parameters": self.shape.parameters,
            "device": self.device,
            "limit_bytes": self.limit,
            "limit_from": self.limit_from,
            "fits": self.fits,
            "changes": list(self.proposal.changes),
            "applied": self.config.auto_fit and bool(self.proposal.changes),
            "needed": self.proposal.needed,
            "stages": {one.stage: _as_dict(one) for one in self.stages},
        }


def plan(export: Path, config: TrainConfig, tokenizer: Any, device: Device, *, out: Path | None = None) -> Plan:
    """Read an export, count its tokens and reckon what training on it takes. No weight is loaded.

    Args:
        export: a run, its export folder, any folder of data files, or one file.
        config: with a base that is there (a folder or a name on the hub, not ``tiny``).
        tokenizer: the base's.
        device: where it will run.
        out: an earlier training's folder, whose measured speed is used where it trained the same base in the same way.

    Raises:
        TrainingError: nothing to train on, no such model, or ``vram`` is no amount of memory.
    """
    from training import encode, template
    from training.rows import read_pairs, read_sft

    template.prepare(tokenizer, config.chat_template)
    shape = ModelShape.of(config.base)
    rows = encode.encode_sft(read_sft(export).train, tokenizer, 0)
    pairs = encode.encode_pairs(read_pairs(export).train, tokenizer, 0) if config.dpo.enabled else None
    lengths: dict[Stage, NDArray[np.int64]] = {"sft": rows.lengths}
    dropped: dict[Stage, int] = {"sft": len(rows.dropped)}
    if pairs is not None:
        lengths["dpo"] = pairs.lengths
        dropped["dpo"] = len(pairs.dropped)
    return reckon(shape, config, lengths, device, dropped=dropped, out=out)


def reckon(
    shape: ModelShape,
    config: TrainConfig,
    lengths: fit.Lengths,
    device: Device,
    *,
    dropped: Mapping[Stage, int] | None = None,
    out: Path | None = None,
    speed: float | None = None,
) -> Plan:
    """The plan for rows whose lengths are known.

    Args:
        shape: the model's.
        config: as given.
        lengths: tokens of each row before cutting, by stage.
        device: where it will run.
        dropped: rows that cannot be trained on, by stage.
        out: an earlier training's folder.
        speed: floating-point operations a second that the device reaches; by default measured, where it is at hand
            and the plan is for it (no ``vram``).

    Raises:
        TrainingError: ``vram`` is no amount of memory.
        ValueError: no stage has rows.
    """
    limit, limit_from = limit_of(config, device)
    proposal = fit.propose(shape, config, lengths, limit, device)
    if config.auto_fit:
        config = proposal.config
    rates = measured_rates(out, config) if out is not None else {}
    speed = _speed(config, device) if speed is None else speed
    stages = tuple(
        _stage(stage, estimate, shape, config, lengths[stage], device, (dropped or {}).get(stage, 0), rates, speed)
        for stage, estimate in fit.estimates(shape, config, lengths, device).items()
    )
    return Plan(config, shape, device, stages, limit, limit_from, proposal)


def _speed(config: TrainConfig, device: Device) -> float | None:
    import torch

    at_hand = "cuda" if torch.cuda.is_available() else "cpu"
    return measure.speed(device) if device == at_hand and not config.vram else None


def _stage(
    stage: Stage,
    estimate: Estimate,
    shape: ModelShape,
    config: TrainConfig,
    lengths: NDArray[np.int64],
    device: Device,
    dropped: int,
    rates: Mapping[Stage, float],
    speed: float | None,
) -> StagePlan:
    length = fit.longest(lengths, config)
    longer = lengths > length
    kept = np.minimum(lengths, length) if stage == "sft" else lengths[~longer]
    section: StageConfig = config.sft if stage == "sft" else config.dpo
    section, _ = steps.settle(section, max(1, kept.size))
    halves = 1 if stage == "sft" else 2
    count = steps.total(section, max(1, kept.size * (2 if stage == "dpo" and config.dpo.method == "kto" else 1)))
    tokens = int(kept.sum()) * halves
    epochs = count / steps.an_epoch(section, max(1, kept.size))
    each = operations(shape, config, stage, recomputed=checkpoints(config, device))
    duration = Duration(round(tokens * epochs), each, rates.get(stage), speed)
    return StagePlan(
        stage=stage,
        rows=int(kept.size),
        tokens=tokens,
        lengths=lengths,
        length=length,
        cut=int(longer.sum()),
        dropped=dropped,
        section=section,
        steps=count,
        estimate=estimate,
        duration=duration,
    )


def histogram(lengths: Sequence[int] | NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Rows by length in at most eight steps of equal width: first and last length of each, and its rows."""
    rows = np.asarray(lengths, np.int64)
    if not rows.size:
        return []
    width = -(-(int(rows.max()) + 1) // BINS)
    width = -(-width // 16) * 16 if width > 16 else width
    counts = np.bincount(rows // width)
    return [(at * width, (at + 1) * width - 1, int(count)) for at, count in enumerate(counts)]


def _as_dict(one: StagePlan) -> dict[str, Any]:
    seconds = one.duration.seconds
    return {
        "rows": one.rows,
        "tokens": one.tokens,
        "longest": int(one.lengths.max(initial=0)),
        "max_length": one.length,
        "cut": one.cut,
        "dropped": one.dropped,
        "batch": one.section.batch,
        "accumulation": one.section.accumulation,
        "steps": one.steps,
        "tokens_in_all": one.duration.tokens,
        "seconds": seconds,
        "at_least_seconds": one.duration.at_least,
        "histogram": [{"from": first, "to": last, "rows": count} for first, last, count in histogram(one.lengths)],
        "estimate_bytes": one.estimate.total,
        "allocated_bytes": one.estimate.allocated,
        "moment": one.estimate.moment,
        "memory": [{"name": item.name, "bytes": item.bytes, "how": item.how} for item in one.estimate.items],
    }
