"""Made-up curves: one for each thing that can be said about training."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

Line = dict[str, Any]


def run(
    stage: str,
    steps: int = 200,
    *,
    every: int = 20,
    noise: float = 0.05,
    seed: int = 0,
    evaluate: Callable[[float], float] | None = None,
    **curves: Callable[[float], float],
) -> list[Line]:
    """Lines as in ``metrics.jsonl``; each curve is given as a function of the share of the steps done, 0 to 1."""
    draw = random.Random(seed)
    lines: list[Line] = []
    for step in range(1, steps + 1):
        at = step / steps
        line: Line = {"stage": stage, "step": step, "steps": steps, "epoch": 3 * at, "seconds": step * 0.5}
        for key, curve in curves.items():
            line[key] = curve(at) * (1 + draw.gauss(0, noise))
        if evaluate and step % every == 0:
            line["eval_loss"] = evaluate(at) * (1 + draw.gauss(0, noise / 10))
        lines.append(line)
    return lines


def falling(start: float, end: float, speed: float = 6.0) -> Callable[[float], float]:
    return lambda t: end + (start - end) * math.exp(-speed * t)


def straight(start: float, end: float) -> Callable[[float], float]:
    return lambda t: start + (end - start) * t


def sft(seed: int = 0, **options: Any) -> list[Line]:
    """A healthy run."""
    made: dict[str, Any] = {
        "loss": falling(2.4, 0.9),
        "grad_norm": falling(2.0, 0.8),
        "learning_rate": straight(1e-4, 0),
        "evaluate": falling(2.4, 1.05),
        "tokens_per_s": lambda t: 900.0,
        "memory_bytes": lambda t: 6.4e9,
    }
    return run("sft", seed=seed, **{**made, **options})


def dpo(seed: int = 0, **options: Any) -> list[Line]:
    """A healthy run on pairs."""
    made: dict[str, Any] = {
        "loss": falling(0.693, 0.35),
        "margin": straight(0.0, 2.0),
        "accuracy": straight(0.5, 0.85),
        "chosen_logps": straight(-80, -84),
        "rejected_logps": straight(-85, -105),
        "chosen_reward": straight(0, -0.4),
        "rejected_reward": straight(0, -2.4),
        "grad_norm": falling(1.5, 0.9),
        "learning_rate": straight(1e-5, 0),
        "evaluate": falling(0.693, 0.45),
    }
    return run("dpo", seed=seed, **{**made, **options})
