"""Settings that fit into the memory at hand: what is changed first is what hurts least.

The order: recompute activations (a third more arithmetic, the same result); fewer rows at once and more batches added
up (the same rows a step); the paged 8-bit optimizer and activations in main memory (a GPU only, slower); shorter
sequences, as the data's own lengths allow; a smaller adapter; shorter sequences still.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.config import Stage, StageConfig, TrainConfig
from training.memory import Device, Estimate, checkpoints, estimate
from training.shape import ModelShape

Lengths = Mapping[Stage, NDArray[np.int64]]
"""Tokens of each row before cutting, by stage; a pair counts its prompt with the longer reply. A stage without rows
is not run."""

GENTLE = (0.995, 0.99)
"""Shares of the rows that stay whole, tried before the adapter is made smaller."""
HARSH = (0.98, 0.95, 0.9, 0.75, 0.5)
"""Shares tried last."""
RANKS = (16, 8, 4)
ROUND = 64
"""Lengths are multiples of it, which a GPU's matrix units like."""


@dataclass(frozen=True)
class Proposal:
    """Settings, and what was changed to reach them.

    Args:
        config: the settings; those given, where they fit.
        changes: a sentence for each change, with its reason and price.
        fits: whether every stage stays within the limit.
        estimate: of the stage that takes most.
        stage: that stage.
        needed: where nothing fits, what would be needed; else empty.
    """

    config: TrainConfig
    changes: tuple[str, ...]
    fits: bool
    estimate: Estimate
    stage: Stage
    needed: str = ""


@dataclass(frozen=True)
class _Try:
    config: TrainConfig
    key: str
    said: str


Change = Callable[[TrainConfig, TrainConfig, Lengths, Device], _Try | None]
"""Settings that take less than the first ones, told against the second ones, which were given; None where there is
nothing left to change in this way."""


def enabled(config: TrainConfig, stage: Stage) -> bool:
    """Whether a stage is to be run where it has rows."""
    return config.sft.enabled if stage == "sft" else config.dpo.enabled


def longest(lengths: NDArray[np.int64], config: TrainConfig) -> int:
    """Tokens of the longest sequence that is trained on: rows are cut at ``max_length``, pairs left out."""
    most = int(lengths.max(initial=0))
    return min(most, config.max_length) if config.max_length else most


def estimates(shape: ModelShape, config: TrainConfig, lengths: Lengths, device: Device) -> dict[Stage, Estimate]:
    """The estimate of each stage that is enabled and has rows."""
    return {
        stage: estimate(shape, config, stage, length=longest(rows, config), device=device)
        for stage, rows in lengths.items()
        if rows.size and enabled(config, stage)
    }


def propose(shape: ModelShape, config: TrainConfig, lengths: Lengths, limit_bytes: int, device: Device) -> Proposal:
    """The given settings where they fit, else the first that do, or the smallest there are.

    A change that saves nothing is not made, and the fitting stops as soon as all stages fit.

    Args:
        shape: the model's.
        config: as given.
        lengths: of the rows of each stage; one stage at least has rows and is enabled.
        limit_bytes: what all of it may take.
        device: where it runs.

    Raises:
        ValueError: no stage has rows.
    """
    if not estimates(shape, config, lengths, device):
        raise ValueError("no stage has rows")
    given, changes = config, dict[str, str]()
    excess = _excess(shape, config, lengths, limit_bytes, device)
    for change in _CHANGES:
        while excess and (tried := change(config, given, lengths, device)) is not None:
            smaller = _excess(shape, tried.config, lengths, limit_bytes, device)
            if smaller >= excess:
                break
            config, excess = tried.config, smaller
            changes[tried.key] = tried.said
    found = estimates(shape, config, lengths, device)
    stage = max(found, key=lambda one: found[one].total)
    most = found[stage]
    needed = _needed(shape, config, lengths, device, most, stage, limit_bytes) if excess else ""
    return Proposal(config, tuple(changes.values()), not excess, most, stage, needed)


def _excess(shape: ModelShape, config: TrainConfig, lengths: Lengths, limit: int, device: Device) -> int:
    """Bytes over the limit, of all stages together: 0 where they fit."""
    return sum(max(0, one.total - limit) for one in estimates(shape, config, lengths, device).values())


def _checkpointing(config: TrainConfig, given: TrainConfig, lengths: Lengths, device: Device) -> _Try | None:
    if checkpoints(config, device):
        return None
    return _Try(
        config.model_copy(update={"checkpointing": True}),
        "checkpointing",
        "checkpointing=true: activations are computed a second time instead of kept. The result is the same; it takes "
        "about a third more arithmetic.",
    )


def _batch(stage: Stage) -> Change:
    """Rows at once, at most half as many with each call; KTO keeps the two it compares."""

    def change(config: TrainConfig, given: TrainConfig, lengths: Lengths, device: Device) -> _Try | None:
        now, before = (one.sft if stage == "sft" else one.dpo for one in (config, given))
        smaller = _fewer(now, 2 if stage == "dpo" and config.dpo.method == "kto" else 1)
        if smaller is None:
            return None
        return _Try(
            config.model_copy(update={stage: smaller}),
            stage,
            f"{stage}.batch={smaller.batch} and {stage}.accumulation={smaller.accumulation} in place of "
            f"{before.batch} and {before.accumulation}: fewer rows at once, as many a step. The result is the same but "
            "for rounding.",
        )

    return change


def _optimizer(config: TrainConfig, given: TrainConfig, lengths: Lengths, device: Device) -> _Try | None:
    if device == "cpu" or config.optimizer != "adamw":
        return None
    return _Try(
        config.model_copy(update={"optimizer": "paged_adamw_8bit"}),
        "optimizer",
        "optimizer=paged_adamw_8bit: the optimizer's moments in 8 bits, and in main memory when the card is full. The "
        "result hardly differs (arXiv:2110.02861).",
    )


def _offload(config: TrainConfig, given: TrainConfig, lengths: Lengths, device: Device) -> _Try | None:
    if device == "cpu" or config.offload:
        return None
    return _Try(
        config.model_copy(update={"offload": True}),
        "offload",
        "offload=true: activations wait in main memory for the backward pass. The result is the same; copying takes "
        "time.",
    )


def _shorter(share: float) -> Change:
    """Sequences of a length that leaves this share of the rows whole."""

    def change(config: TrainConfig, given: TrainConfig, lengths: Lengths, device: Device) -> _Try | None:
        every = np.concatenate([rows for stage, rows in lengths.items() if enabled(config, stage)])
        wanted = math.ceil(float(np.quantile(every, share, method="higher")))
        length = -(-wanted // ROUND) * ROUND
        if length >= longest(every, config):
            return None
        update = {"max_length": length}
        return _Try(config.model_copy(update=update), "length", f"max_length={length}: {cut(config, lengths, length)}.")

    return change


def cut(config: TrainConfig, lengths: Lengths, length: int) -> str:
    """How many rows are longer than ``length`` and what becomes of them, in words; of the stages that are run."""
    said = []
    for stage, rows in lengths.items():
        if rows.size and enabled(config, stage):
            noun, verb = ("rows", "cut") if stage == "sft" else ("pairs", "left out")
            more = int((rows > length).sum())
            said.append(f"{more:,} of {rows.size:,} {noun} {'is' if more == 1 else 'are'} longer and {verb}")
    return ", ".join(said)


def _rank(config: TrainConfig, given: TrainConfig, lengths: Lengths, device: Device) -> _Try | None:
    """The scale alpha / rank stays as it was, so that the learning rate still suits."""
    lora = config.lora
    rank = next((rank for rank in RANKS if rank < lora.rank), 0)
    if config.method == "full" or not rank:
        return None
    alpha = max(1, round(lora.alpha * rank / lora.rank))
    return _Try(
        config.model_copy(update={"lora": lora.model_copy(update={"rank": rank, "alpha": alpha})}),
        "rank",
        f"lora.rank={rank} and lora.alpha={alpha} in place of {given.lora.rank} and {given.lora.alpha}: a smaller "
        "adapter, which can learn less.",
    )


_CHANGES: tuple[Change, ...] = (
    _checkpointing,
    _batch("sft"),
    _batch("dpo"),
    _optimizer,
    _offload,
    *map(_shorter, GENTLE),
    _rank,
    *map(_shorter, HARSH),
)


def _fewer(section: StageConfig, least: int) -> StageConfig | None:
    """At most half the rows at once and as many rows a step; None where that is fewer than ``least``."""
    together = section.batch * section.accumulation
    for batch in range(section.batch // 2, least - 1, -1):
        if together % batch == 0:
            return section.model_copy(update={"batch": batch, "accumulation": together // batch})
    return None


def _needed(
    shape: ModelShape,
    config: TrainConfig,
    lengths: Lengths,
    device: Device,
    most: Estimate,
    stage: Stage,
    limit: int,
) -> str:
    said = (
        f"Nothing fits into {limit / 1e9:.1f} GB: the smallest of these settings takes {most.total / 1e9:.1f} GB "
        f"({stage.upper()})"
    )
    if config.method != "qlora":
        other = config.model_copy(update={"method": "qlora"})
        quantised = max(one.total for one in estimates(shape, other, lengths, device).values())
        fits = "which fits" if quantised <= limit else "which does not fit either"
        return f"{said}; --set method=qlora would take {quantised / 1e9:.1f} GB, {fits}."
    weights = sum(one.bytes for one in most.items if one.name in _OF_THE_MODEL)
    return f"{said}, {weights / 1e9:.1f} GB of it the model itself: take a smaller base or a card with more memory."


_OF_THE_MODEL = {"4-bit weights", "quantisation state", "embeddings", "output head", "norms and biases"}
