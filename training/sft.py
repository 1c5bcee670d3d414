"""Supervised fine-tuning: TRL's SFTTrainer on rows that are tokenised already, with loss on the replies alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset  # type: ignore[import-untyped]
from trl.data_utils import pack_dataset
from trl.trainer.sft_config import SFTConfig as Arguments
from trl.trainer.sft_trainer import SFTTrainer

from training import arguments, base, steps
from training.config import SftConfig, TrainConfig

IGNORED = -100  # label of a token without loss, as in torch.nn.CrossEntropyLoss


@dataclass(frozen=True)
class Rows:
    """Tokenised rows of a split.

    Attributes:
        input_ids: tokens of each row.
        masks: 1 where a token belongs to a reply (its end-of-turn token among them), else 0.
        order: gives the positions of all rows for a seed, families mixed.
    """

    input_ids: Sequence[Sequence[int]]
    masks: Sequence[Sequence[int]]
    order: Callable[[int], Sequence[int]]

    def dataset(self) -> Dataset:
        """Columns ``input_ids`` and ``labels``."""
        labels = [
            [token if kept else IGNORED for token, kept in zip(ids, mask, strict=True)]
            for ids, mask in zip(self.input_ids, self.masks, strict=True)
        ]
        return Dataset.from_dict({"input_ids": [list(ids) for ids in self.input_ids], "labels": labels})


class _Trainer(SFTTrainer):
    """SFTTrainer with our order of rows, and without a model card in each checkpoint."""

    sampler: arguments.Mixed | None = None

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """The card is written once, when all is done."""

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        return self.sampler or super()._get_train_sampler(train_dataset)


def packed(settings: SftConfig, model: Any) -> bool:
    """Whether rows are packed: asked for, and kept apart by the attention at hand."""
    return settings.packing and base.keeps_apart(model)


def build(
    config: TrainConfig,
    settings: SftConfig,
    model: Any,
    tokenizer: Any,
    train: Rows,
    valid: Rows | None,
    folder: Path,
    max_length: int,
    callbacks: Sequence[Any],
) -> Any:
    """The trainer, ready for ``train()``: trainable weights in fp32, nothing printed, checkpoints to ``folder``.

    Args:
        config: of the whole training.
        settings: of this stage, as settled.
        model: with its adapter (without one for ``full``).
        tokenizer: with a padding token.
        train: the rows; there must be one at least.
        valid: rows for the validation loss.
        folder: of the checkpoints.
        max_length: tokens of a packed sequence.
        callbacks: of the caller.
    """
    rows = train.dataset()
    packing = packed(settings, model)
    sampler: arguments.Mixed | None = arguments.Mixed(train.order, len(rows), config.seed)
    if packing:
        rows = pack_dataset(rows.select(list(train.order(config.seed))), max_length, "bfd")
        sampler = None
    total = steps.total(settings, len(rows))
    args = Arguments(
        **arguments.common(config, settings, folder, total, validate=valid is not None),
        max_length=None,  # the rows were cut to it when they were encoded
        padding_free=packing,
        neftune_noise_alpha=settings.neftune or None,
        dataset_kwargs={"skip_prepare_dataset": True},
    )
    kept = arguments.keep(model)
    trainer = _Trainer(
        model=model,
        args=args,
        train_dataset=rows,
        eval_dataset=valid.dataset() if valid is not None else None,
        processing_class=tokenizer,
        callbacks=list(callbacks),
    )
    trainer.sampler = sampler
    arguments.restore(trainer.model, kept)
    return arguments.silent(trainer)
