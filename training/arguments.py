"""What both stages tell transformers' Trainer, and what of its ways is set straight."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Sampler
from transformers import PrinterCallback

from training import base, steps
from training.config import StageConfig, TrainConfig
from training.errors import TrainingError


def common(config: TrainConfig, stage: StageConfig, folder: Path, total: int, *, validate: bool) -> dict[str, Any]:
    """Arguments of a stage of ``total`` steps whose checkpoints go to ``folder``.

    Raises:
        TrainingError: settings that this machine cannot run.
    """
    device = base.device()
    dtype = base.compute_dtype(config)
    if dtype == torch.float16 and device == "cpu":
        raise TrainingError(
            "This computer cannot train in float16.", "There is no GPU.", "Leave dtype at auto: --set dtype=auto."
        )
    checkpointing = config.checkpointing if config.checkpointing is not None else device == "cuda"
    every = max(1, min(stage.evaluate_every, total))
    return {
        "output_dir": str(folder),
        "max_steps": total,
        "per_device_train_batch_size": stage.batch,
        "per_device_eval_batch_size": stage.batch,
        "gradient_accumulation_steps": stage.accumulation,
        "learning_rate": stage.learning_rate,
        "lr_scheduler_type": stage.schedule,
        "warmup_steps": steps.warmup(stage, total),
        "weight_decay": stage.weight_decay,
        "max_grad_norm": stage.clip,
        "optim": "paged_adamw_8bit" if config.optimizer != "adamw" and device == "cuda" else "adamw_torch_fused",
        "seed": config.seed,
        "data_seed": config.seed,
        "bf16": dtype == torch.bfloat16,
        "fp16": dtype == torch.float16,
        "use_cpu": device == "cpu",
        "gradient_checkpointing": checkpointing,
        "gradient_checkpointing_kwargs": {"use_reentrant": False} if checkpointing else None,
        "eval_strategy": "steps" if validate else "no",
        "eval_steps": every,
        "save_strategy": "steps",
        "save_steps": max(1, min(stage.save_every, total)),
        "save_total_limit": None,  # checkpoints.Keeper thins them out, once a newer one is known to be whole
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # it would put a made-up loss in the place of one that is no number
        "activation_offloading": config.offload and device == "cuda",
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": device == "cuda",
    }


def silent(trainer: Any) -> Any:
    """Take out the callback that prints each log line."""
    trainer.remove_callback(PrinterCallback)
    return trainer


def keep(model: Any) -> dict[str, Any]:
    """Copies of the trainable weights of a quantised model, which TRL is about to round to bf16; else none."""
    if not getattr(model, "is_loaded_in_4bit", False):
        return {}
    return {name: weight.detach().clone() for name, weight in model.named_parameters() if weight.requires_grad}


def restore(model: Any, kept: dict[str, Any]) -> None:
    """Give the trainable weights back in fp32, as they were before the trainer was built.

    At the learning rates of preference training a step is smaller than the distance between two bf16 numbers, so
    rounded weights stay where they are.
    """
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            value = kept.get(name, weight.data)
            weight.data = value.to(device=weight.device, dtype=torch.float32)


class Mixed(Sampler[int]):
    """Another order for each epoch, from the seed alone, so that a continued run sees what an undisturbed one saw.

    Args:
        order: gives the positions of all rows for a seed.
        rows: how many there are.
        seed: of the first epoch; the n-th has ``seed + n``.
    """

    def __init__(self, order: Callable[[int], Sequence[int]], rows: int, seed: int) -> None:
        self.order = order
        self.rows = rows
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer when an epoch begins."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        return iter(self.order(self.seed + self.epoch))

    def __len__(self) -> int:
        return self.rows
