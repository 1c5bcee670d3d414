"""Training on pairs of replies: TRL's DPO, KTO and ORPO trainers on pairs that are tokenised already.

The policy starts as the SFT adapter, loaded under the name ``default`` and trainable; TRL copies it to a frozen
adapter ``ref``, the reference. A fully trained model has a second, frozen copy of itself as reference. ORPO
(arXiv:2403.07691) needs no reference; of TRL 1.16 it is an experimental part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset  # type: ignore[import-untyped]
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.kto_config import KTOConfig
from trl.trainer.kto_trainer import KTOTrainer

from training import arguments, base, proofs, steps
from training.config import DpoConfig, TrainConfig
from training.errors import TrainingError

_PEEKED = 2  # pairs whose logits are compared with the base's


@dataclass(frozen=True)
class Pairs:
    """Tokenised pairs of a split: tokens of the prompt, of the better reply and of the worse one, row by row."""

    prompt_ids: Sequence[Sequence[int]]
    chosen_ids: Sequence[Sequence[int]]
    rejected_ids: Sequence[Sequence[int]]

    def __len__(self) -> int:
        return len(self.prompt_ids)

    def dataset(self) -> Dataset:
        """Columns ``prompt_ids``, ``chosen_ids``, ``rejected_ids``."""
        return Dataset.from_dict(
            {
                "prompt_ids": [list(ids) for ids in self.prompt_ids],
                "chosen_ids": [list(ids) for ids in self.chosen_ids],
                "rejected_ids": [list(ids) for ids in self.rejected_ids],
            }
        )

    def unpaired(self) -> Dataset:
        """KTO's rows: each reply with its label, and another pair's reply to the same prompt for the KL term."""
        columns: dict[str, list[Any]] = {"prompt_ids": [], "completion_ids": [], "KL_completion_ids": [], "label": []}
        for at, prompt in enumerate(self.prompt_ids):
            other = (at + 1) % len(self)
            for replies, label in ((self.chosen_ids, True), (self.rejected_ids, False)):
                columns["prompt_ids"].append(list(prompt))
                columns["completion_ids"].append(list(replies[at]))
                columns["KL_completion_ids"].append(list(replies[other]))
                columns["label"].append(label)
        return Dataset.from_dict(columns)

    def for_orpo(self) -> Dataset:
        """ORPO's rows: texts that its trainer looks for but does not need, beside the tokens."""
        rows = self.dataset()
        for name in ("prompt", "chosen", "rejected"):
            rows = rows.add_column(name, [""] * len(self))
        return rows


class _Tokenised:
    """What the three trainers share: the rows are tokenised, and no checkpoint gets a model card."""

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """The card is written once, when all is done."""

    def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
        return dataset


class _Dpo(_Tokenised, DPOTrainer):
    pass


class _Kto(_Tokenised, KTOTrainer):
    pass


def check(settings: DpoConfig) -> None:
    """Refuse settings that TRL would take and not use, or stumble over.

    Raises:
        TrainingError: label smoothing with a loss that has none, or ``exo_pair`` without.
    """
    smoothed = settings.loss in ("robust", "exo_pair") and settings.method == "dpo"
    if settings.label_smoothing and not smoothed:
        raise TrainingError(
            f"dpo.label_smoothing is {settings.label_smoothing} but would change nothing.",
            f"The loss {settings.loss if settings.method == 'dpo' else settings.method} has no label smoothing.",
            "Use --set dpo.loss=robust with it, or leave it at 0.",
        )
    if settings.loss == "exo_pair" and settings.method == "dpo" and not settings.label_smoothing:
        raise TrainingError(
            "The loss exo_pair needs label smoothing.",
            "It compares with a distribution that would put nothing on the worse reply.",
            "Add --set dpo.label_smoothing=0.001 (arXiv:2402.00856).",
        )


def policy(config: TrainConfig, sft: Path) -> Any:
    """The SFT policy, trainable: the base with the SFT adapter, or the fully trained SFT model."""
    if config.method == "full":
        return base.load_model(config, sft)
    return base.open_adapter(base.load_model(config), sft)


def build(
    config: TrainConfig,
    settings: DpoConfig,
    sft: Path,
    tokenizer: Any,
    train: Pairs,
    valid: Pairs | None,
    folder: Path,
    callbacks: Sequence[Any],
    found: list[proofs.Proof],
) -> Any:
    """The trainer, proved to start from the SFT policy, ready for ``train()``.

    Args:
        config: of the whole training.
        settings: of this stage, as settled.
        sft: folder of the SFT adapter (of the whole SFT model for ``full``).
        tokenizer: with a padding token.
        train: the pairs; one at least.
        valid: pairs for the validation loss.
        folder: of the checkpoints.
        callbacks: of the caller.
        found: filled with the proofs.

    Raises:
        ProofFailed: a proof does not hold.
    """
    check(settings)
    rows = [[*p, *c] for p, c in zip(train.prompt_ids[:_PEEKED], train.chosen_ids[:_PEEKED], strict=True)]
    base_logits = None
    if config.method == "full":
        base_logits = proofs.peek(base.load_model(config), rows)
    model = policy(config, sft)
    ref_model = None
    if config.method == "full" and settings.method != "orpo":
        ref_model = base.load_model(config, sft)
        ref_model.requires_grad_(False)
    trainer = assemble(config, settings, model, ref_model, tokenizer, train, valid, folder, callbacks)
    found.extend(prove(trainer, config, settings, sft, rows, base_logits))
    return trainer


def assemble(
    config: TrainConfig,
    settings: DpoConfig,
    model: Any,
    ref_model: Any | None,
    tokenizer: Any,
    train: Pairs,
    valid: Pairs | None,
    folder: Path,
    callbacks: Sequence[Any],
) -> Any:
    """The trainer as :func:`build` makes it, without the proofs: trainable weights in fp32, nothing printed."""
    if config.method != "full":
        proofs.demand([proofs.named(model)])
    count = len(train) * (2 if settings.method == "kto" else 1)
    shared = arguments.common(config, settings, folder, steps.total(settings, count), validate=valid is not None)
    kept = arguments.keep(model)
    trainer: Any
    given: dict[str, Any] = {"model": model, "processing_class": tokenizer, "callbacks": list(callbacks)}
    if settings.method == "kto":
        trainer = _Kto(
            ref_model=ref_model,
            args=KTOConfig(**shared, beta=settings.beta, max_length=None),
            train_dataset=train.unpaired(),
            eval_dataset=valid.unpaired() if valid is not None else None,
            **given,
        )
    elif settings.method == "orpo":
        from training import orpo

        shared.pop("activation_offloading")  # this trainer has no such way
        longest = max(map(len, train.prompt_ids)) + max(map(len, (*train.chosen_ids, *train.rejected_ids)))
        trainer = orpo.Trainer(
            args=orpo.ORPOConfig(**shared, beta=settings.beta, max_length=longest, remove_unused_columns=False),
            train_dataset=train.for_orpo(),
            eval_dataset=valid.for_orpo() if valid is not None else None,
            **given,
        )
    else:
        trainer = _Dpo(
            ref_model=ref_model,
            args=DPOConfig(
                **shared,
                beta=settings.beta,
                loss_type=[settings.loss],
                label_smoothing=settings.label_smoothing,
                max_length=None,
            ),
            train_dataset=train.dataset(),
            eval_dataset=valid.dataset() if valid is not None else None,
            **given,
        )
    arguments.restore(trainer.model, kept)
    return arguments.silent(trainer)


def prove(
    trainer: Any,
    config: TrainConfig,
    settings: DpoConfig,
    sft: Path,
    rows: Sequence[Sequence[int]],
    base_logits: Sequence[Any] | None,
) -> list[proofs.Proof]:
    """Make every proof of the start; under FSDP and DeepSpeed those that need no forward pass.

    Raises:
        ProofFailed: with the first proof that does not hold.
    """
    model = trainer.model
    found = [proofs.fp32(model)]
    referenced = settings.method != "orpo"
    if config.method == "full":
        found += proofs.reference_model(model, trainer.ref_model) if referenced else []
    else:
        found += [proofs.named(model), proofs.same_as_file(model, sft)]
        found += proofs.reference(model, trainer.ref_model) if referenced else []
    proofs.demand(found)
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        return found  # the weights are not placed yet
    if base_logits is None:
        with model.disable_adapter():
            base_logits = proofs.peek(model, rows)
    found.append(proofs.differs(proofs.peek(model, rows), base_logits))
    if referenced:
        found.append(proofs.first_loss(_loss(trainer), settings))
    return proofs.demand(found)


def _loss(trainer: Any) -> float:
    """The loss of the first batch before any step, and nothing of it left in the trainer's averages."""
    count = min(trainer.args.per_device_train_batch_size, len(trainer.train_dataset))
    was_training = trainer.model.training
    trainer.model.eval()
    with torch.no_grad(), trainer.compute_loss_context_manager():
        batch = trainer._prepare_inputs(trainer.data_collator([trainer.train_dataset[at] for at in range(count)]))
        loss = float(trainer.compute_loss(trainer.model, batch))
    trainer.model.train(was_training)
    trainer._metrics["eval"].clear()
    return loss


def two_at_once(settings: DpoConfig) -> DpoConfig:
    """KTO's KL term needs two replies at once: as many rows a step, in half as many batches."""
    if settings.batch > 1:
        return settings
    return settings.model_copy(update={"batch": 2, "accumulation": max(1, settings.accumulation // 2)})
