"""What goes wrong in the middle of training, told apart: out of memory, a full disk, a loss that is no number."""

from __future__ import annotations

import errno
import math
from collections.abc import Iterator
from typing import Any

from transformers import TrainerCallback

from training.errors import StoppedTraining

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FULL_WORDS = ("no space left", "disk quota", "os error 28", "file too large", "pytorchstreamwriter failed writing")
_MEMORY_WORDS = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory")


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    for _ in range(10):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__ or seen.__context__


def disk_full(error: BaseException) -> bool:
    """Whether ``error`` (or what caused it) is a full disk or quota; the savers wrap it in errors of their own."""
    for one in _chain(error):
        if isinstance(one, OSError) and one.errno in _FULL:
            return True
        if not isinstance(one, StoppedTraining) and any(word in str(one).lower() for word in _FULL_WORDS):
            return True
    return False


def out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` is memory that could not be had, on the GPU or on the host."""
    import torch

    if isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in _MEMORY_WORDS)


def no_disk(stage: str) -> StoppedTraining:
    """The disk is full."""
    return StoppedTraining(
        f"The {stage.upper()} stage could not be saved.",
        "The disk is full or a quota is reached.",
        "Free some space and run the same command again: it goes on from the last whole checkpoint.",
    )


def no_memory(stage: str) -> StoppedTraining:
    """Out of memory although there is one row on the device at once."""
    return StoppedTraining(
        f"The {stage.upper()} stage does not fit into memory.",
        "It ran out of memory with a single row at once.",
        "Try --auto-fit, a shorter --set max_length, --set checkpointing=true, --method qlora or a smaller base; "
        "the same command goes on from the last whole checkpoint.",
    )


class Numbers(TrainerCallback):
    """Ends training at the first loss or gradient that is no number, before such weights are saved."""

    def __init__(self, stage: str, half: bool) -> None:
        self.stage = stage
        self.half = half  # fp16: an overflowing gradient is skipped by the loss scaler, which is no fault

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """See transformers.TrainerCallback."""
        names = ("loss", "eval_loss") if self.half else ("loss", "eval_loss", "grad_norm")
        for name in names:
            value = (logs or {}).get(name)
            if isinstance(value, (int, float)) and not math.isfinite(value):
                what = {"loss": "loss", "eval_loss": "validation loss", "grad_norm": "gradient"}[name]
                raise StoppedTraining(
                    f"The {what} is no number at step {state.global_step} of {self.stage.upper()}.",
                    f"It is {value}: the learning rate is too high, or a row is out of the ordinary.",
                    f"Try a third of the rate (--set {self.stage}.learning_rate={args.learning_rate / 3:.1e}), a "
                    f"longer --set {self.stage}.warmup=0.1, a lower --set {self.stage}.clip=0.3, or "
                    "--set dtype=float32.",
                )
