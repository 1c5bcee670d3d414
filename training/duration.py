"""How long training takes, as far as that can be known before it has run: no figure here is made up.

Where the same base was trained in the same way before, its measured tokens a second are used. Else the time is that
of a rule with one unknown, the tokens a second; and where the device's speed in one large multiplication was measured,
it cannot be less than the arithmetic takes at that speed.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from training.config import Stage, TrainConfig
from training.shape import ModelShape


@dataclass(frozen=True)
class Duration:
    """Time of a stage.

    Args:
        tokens: tokens that go through the model in all.
        operations: floating-point operations a token.
        rate: tokens a second as measured, or None.
        speed: floating-point operations a second as measured, or None.
    """

    tokens: int
    operations: int
    rate: float | None = None
    speed: float | None = None

    @property
    def seconds(self) -> float | None:
        """By the measured rate; None without one."""
        return self.tokens / self.rate if self.rate else None

    @property
    def at_least(self) -> float | None:
        """What the arithmetic alone takes at the measured speed; None without one."""
        return self.tokens * self.operations / self.speed if self.speed else None

    def said(self) -> str:
        """In words, with what it rests on."""
        if self.seconds is not None:
            return f"about {spell(self.seconds)}, at the {self.rate:,.0f} tokens a second of the training before"
        rule = (
            f"{self.tokens:,} tokens / tokens a second, which the first steps show; "
            f"at 1,000 a second {spell(self.tokens / 1000)}"
        )
        if self.at_least is None or self.speed is None:
            return rule
        return (
            f"{rule}. Not under {spell(self.at_least)}: {self.operations / 1e9:,.3g} billion operations a token, at "
            f"the {self.speed / 1e9:,.3g} billion a second measured here in one large multiplication"
        )


def operations(shape: ModelShape, config: TrainConfig, stage: Stage, *, recomputed: bool) -> int:
    """Floating-point operations for a token, without attention's, so never too many.

    Two for each weight forward and two backward for what comes in; two more where the weights train, two where the
    layers are computed again, and two for a reference (Kaplan et al. 2020, arXiv:2001.08361, section 2.1).
    """
    weights = shape.quantised + shape.vocabulary * shape.hidden
    passes = 2 + (config.method == "full") + recomputed + (stage == "dpo" and config.dpo.method != "orpo")
    return 2 * weights * passes


def measured_rates(out: Path, config: TrainConfig) -> dict[Stage, float]:
    """Tokens a second of each stage in an earlier training of the same base in the same way: the median of its steps.

    Empty where there is none, or it cannot be read.
    """
    try:
        before = json.loads((out / "training.json").read_text(encoding="utf-8"))["config"]
        same = all(before[key] == getattr(config, key) for key in ("base", "method", "dtype", "checkpointing"))
        lines = (out / "metrics.jsonl").read_text(encoding="utf-8", errors="replace").splitlines() if same else []
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    found: dict[Stage, list[float]] = {}
    for line in lines:
        entry = _entry(line)
        rate = entry.get("tokens_per_s")
        if isinstance(rate, int | float) and rate > 0:
            for stage in get_args(Stage):
                if entry.get("stage") == stage:
                    found.setdefault(stage, []).append(float(rate))
    return {stage: statistics.median(rates) for stage, rates in found.items()}


def _entry(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def spell(seconds: float) -> str:
    """As ``40 s``, ``12 min``, ``3.5 h`` or ``2.1 days``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"
