"""Training as it goes, on standard error: a panel that is kept up to date in a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from typing import IO, Any

from transformers import TrainerCallback

from training.metrics import memory_bytes
from training.page import duration, size

EVERY_S = 10.0
"""Seconds between two plain lines, so that a log of a long training stays readable."""
WINDOW_S = 30.0
_BAR = 32


class Live(TrainerCallback):
    """Shows loss, margin, learning rate, tokens a second, memory and the time left.

    Args:
        stream: to write to; standard error without it.
        every_s: seconds between two plain lines where the stream is no terminal.
    """

    def __init__(self, stream: IO[str] | None = None, every_s: float = EVERY_S) -> None:
        from rich.console import Console

        self.console = Console(file=stream or sys.stderr, highlight=False, soft_wrap=True)
        self.every_s = every_s
        self._panel: Any = None
        self._said = 0.0
        self._line = ""
        self._clear("", 0, 0)

    def say(self, text: str) -> None:
        """A line of text, above the panel where there is one."""
        self.console.print(text, markup=False)

    def close(self) -> None:
        """End the panel, also where training ended with an error. May be called more than once."""
        if self._panel is not None:
            self._panel.stop()
            self._panel = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """A stage begins, or goes on."""
        self.close()
        stage = type(args).__name__.removesuffix("Config").removesuffix("TrainingArguments")
        self._clear(stage or "Training", int(state.global_step), int(state.max_steps))
        if not state.is_world_process_zero:
            return
        if self.console.is_terminal:
            from rich.live import Live as Panel

            self._panel = Panel(get_renderable=self.panel, console=self.console, refresh_per_second=2)
            self._panel.start()
        else:
            self.say(f"{self.stage}: {self.steps:,} steps.")

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """A step more."""
        self.step = int(state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        """New figures."""
        logs = logs or {}
        if not state.is_world_process_zero or not ("loss" in logs or "eval_loss" in logs):
            return  # the trainer's closing summary is for others
        self.step, self.epoch = int(state.global_step), float(state.epoch or 0.0)
        self._take(logs)
        now = time.monotonic()
        if "num_tokens" in logs and isinstance(logs["num_tokens"], int | float):
            self._speed(float(logs["num_tokens"]), now)
        plain = not self.console.is_terminal
        if plain and ("eval_loss" in logs or now - self._said >= self.every_s or self.step == self.steps):
            self._said = now
            if (line := self.line()) != self._line:
                self._line = line
                self.say(line)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The stage is done."""
        if self._panel is not None:
            self._panel.refresh()
        self.close()

    def figures(self) -> list[tuple[str, str]]:
        """What is known by now, as (name, text)."""
        found = [(name, f"{value:.4g}") for name, value in self._shown.items()]
        if self._tokens_per_s:
            found.append(("tokens/s", f"{self._tokens_per_s:,.0f}"))
        if (memory := memory_bytes()) is not None:
            found.append(("memory", size(float(memory))))
        if (left := self.left_s()) is not None:
            found.append(("left", duration(left)))
        return found

    def left_s(self) -> float | None:
        """Seconds until the end, from the pace of this session; None until a step was done."""
        done = self.step - self._from
        if done <= 0 or self.steps <= 0:
            return None
        return max(0.0, (self.steps - self.step) * (time.monotonic() - self._began) / done)

    def line(self) -> str:
        """All in one line."""
        told = ", ".join(f"{name} {text}" for name, text in self.figures())
        return f"{self.stage} {self.step:,}/{self.steps:,}" + (f": {told}" if told else "")

    def panel(self) -> Any:
        """All as a bar with the figures beneath."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        head = Table.grid(padding=(0, 1))
        epoch = f"epoch {self.epoch:.2f}" if self.epoch else ""
        bar = ProgressBar(total=max(1, self.steps), completed=self.step, width=_BAR)
        head.add_row(Text(self.stage, style="bold"), bar, f"{self.step:,}/{self.steps:,}", Text(epoch, style="dim"))
        row = Table.grid(padding=(0, 3))
        pairs = self.figures()
        if pairs:
            row.add_row(*(Text(name, style="dim") for name, _ in pairs))
            row.add_row(*(Text(text) for _, text in pairs))
        return Group(head, row)

    def _clear(self, stage: str, step: int, steps: int) -> None:
        self.stage, self.step, self.steps, self.epoch = stage, step, steps, 0.0
        self._from, self._began = step, time.monotonic()
        self._said = self._began - self.every_s
        self._shown: dict[str, float] = {}
        self._tokens: deque[tuple[float, float]] = deque(maxlen=1000)
        self._tokens_per_s = 0.0

    def _take(self, logs: dict[str, Any]) -> None:
        for key, name in _SHOWN.items():
            value = logs.get(key)
            if isinstance(value, int | float) and math.isfinite(value):
                self._shown[name] = float(value)

    def _speed(self, tokens: float, now: float) -> None:
        """Over the last half minute: a single step is short and uneven."""
        self._tokens.append((tokens, now))
        while len(self._tokens) > 2 and now - self._tokens[1][1] > WINDOW_S:
            self._tokens.popleft()
        first, began = self._tokens[0]
        if tokens > first and now > began:
            self._tokens_per_s = (tokens - first) / (now - began)


_SHOWN = {
    "loss": "loss",
    "eval_loss": "validation",
    "rewards/margins": "margin",
    "rewards/accuracies": "accuracy",
    "learning_rate": "rate",
}
