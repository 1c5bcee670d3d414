"""``metrics.jsonl``: one JSON object for each look at training, whatever else watches it.

Fields of a line: stage, step, steps, epoch, seconds (since the stage began, breaks left out); loss, learning_rate,
grad_norm, tokens (since the stage began), tokens_per_s, memory_bytes; for pairs margin, accuracy, chosen_logps,
rejected_logps, chosen_reward, rejected_reward; and the same with ``eval_`` in front for the validation rows.
"""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from training.files import write_text

FILE = "metrics.jsonl"
_NAMES = {
    "loss": "loss",
    "learning_rate": "learning_rate",
    "grad_norm": "grad_norm",
    "rewards/margins": "margin",
    "rewards/accuracies": "accuracy",
    "logps/chosen": "chosen_logps",
    "logps/rejected": "rejected_logps",
    "rewards/chosen": "chosen_reward",
    "rewards/rejected": "rejected_reward",
}


def read(file: Path) -> list[dict[str, Any]]:
    """The lines of ``metrics.jsonl``; a last line that a crash cut short is left out. Empty where there is no file."""
    found: list[dict[str, Any]] = []
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return found
    for line in text.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def rewind(file: Path, stage: str, step: int) -> list[dict[str, Any]]:
    """Forget what ``stage`` logged after ``step``, which is done again; returns what is kept of that stage."""
    kept = [line for line in read(file) if line.get("stage") != stage or int(line.get("step", 0)) <= step]
    if file.exists():
        write_text(file, "".join(_line(line) for line in kept))
    return [line for line in kept if line.get("stage") == stage]


def memory_bytes() -> int | None:
    """Memory in use at its highest: the allocator's on a GPU, else this process's resident set; None if unknown."""
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


class Metrics(TrainerCallback):
    """Appends to ``metrics.jsonl`` in the main process.

    Args:
        file: the file.
        stage: ``sft`` or ``dpo``.
        before: this stage's lines from before it was interrupted, whose clock and token count go on.
    """

    def __init__(self, file: Path, stage: str, before: list[dict[str, Any]]) -> None:
        self.file = file
        self.stage = stage
        last = before[-1] if before else {}
        self.seconds = float(last.get("seconds", 0.0))
        self.tokens = max((int(line.get("tokens", 0)) for line in before), default=0)
        self.started = time.monotonic()
        self._seen = (self.seconds, self.tokens)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The clock starts with the first batch, not with the loading of the model."""
        self.started = time.monotonic()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        """One line for a step, one for a look at the validation rows; the trainer's closing summary is left out."""
        values = _renamed(logs or {})
        if not state.is_world_process_zero or not ("loss" in values or "eval_loss" in values):
            return
        seconds = self.seconds + time.monotonic() - self.started
        line: dict[str, Any] = {
            "stage": self.stage,
            "step": state.global_step,
            "steps": state.max_steps,
            "epoch": round(float(state.epoch or 0.0), 6),
            **values,
            "seconds": round(seconds, 3),
        }
        if "loss" in values:
            tokens = self.tokens + int((logs or {}).get("num_tokens", 0))
            if "num_tokens" in (logs or {}):
                line["tokens"] = tokens
                passed = seconds - self._seen[0]
                if passed > 0:
                    line["tokens_per_s"] = round((tokens - self._seen[1]) / passed, 1)
                self._seen = (seconds, tokens)
            if (memory := memory_bytes()) is not None:
                line["memory_bytes"] = memory
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a", encoding="utf-8") as file:
            file.write(_line(line))


def _renamed(logs: dict[str, Any]) -> dict[str, float]:
    found = {}
    for name, value in logs.items():
        prefix = "eval_" if name.startswith("eval_") else ""
        ours = _NAMES.get(name.removeprefix("eval_"))
        if ours and isinstance(value, (int, float)) and math.isfinite(value):
            found[prefix + ours] = float(value)
    return found


def _line(line: dict[str, Any]) -> str:
    return json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n"
