"""The measured peak of a stage's memory, to stand beside the estimate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from transformers import TrainerCallback

from training.measure import Peak

STEPS_ON_CPU = 2
"""Steps that are counted on a CPU, where counting costs time: the second is the first beside which the optimizer holds
its moments. On a GPU the allocator counts them all."""


class Counted(TrainerCallback):
    """Counts what training takes, on a GPU with loading; ``bytes`` is the highest of all attempts."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._highest = 0
        self._peak: Peak | None = None
        self._steps = 0

    @property
    def bytes(self) -> int:
        """Bytes of tensors that lived at once, at most; 0 before the first attempt."""
        return max(self._highest, self._peak.bytes if self._peak else 0)

    @contextmanager
    def counting(self) -> Iterator[None]:
        """One attempt at the stage."""
        self._steps = 0
        self._peak = Peak(self.device)
        try:
            if self.device != "cpu":
                self._peak.__enter__()
            yield
        finally:
            self._peak.stop()
            self._highest = max(self._highest, self._peak.bytes)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """On a CPU begin with what lives now: loading reads files that the system maps and gives back by itself."""
        if self._peak is not None and self.device == "cpu":
            self._peak.__enter__()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Add up; on a CPU end the counting after a few steps."""
        self._steps += 1
        if self._peak is None or self.device != "cpu":
            return
        self._peak.step()
        if self._steps == STEPS_ON_CPU:
            self._peak.stop()
