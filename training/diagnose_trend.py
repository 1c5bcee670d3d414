"""How a noisy curve goes: where it begins and ends, and whether that is more than noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from training.curves import Curve

Level = Literal["good", "watch", "bad"]


@dataclass(frozen=True)
class Finding:
    """One thing that the curves say.

    Attributes:
        level: good; watch: look at it; bad: this is wrong.
        said: what, in a sentence with the figures.
        fix: what to do about it; "" for nothing.
        stage: ``"sft"`` or ``"dpo"``.
        kind: a name for programs, as in ``"overfit"``.
    """

    level: Level
    said: str
    fix: str
    stage: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Shape:
    """A curve in figures: medians of its first and last tenth, the noise of such a median, and its last fall.

    Attributes:
        start, end: medians of the first fiftieth, as a loss falls fast at first, and of the last tenth (of three
            values at least).
        noise: standard error of the difference of two such medians, from the differences of neighbours.
        late: by what share the last quarter lies below the one before it.
    """

    start: float
    end: float
    noise: float
    late: float

    @property
    def change(self) -> float:
        """End less start."""
        return self.end - self.start

    @property
    def clear(self) -> bool:
        """Is the change more than noise (three standard errors)?"""
        return abs(self.change) > 3 * self.noise


def shape(curve: Curve, *, mean: bool = False) -> Shape:
    """The shape of a curve with one value at least.

    Args:
        curve: the values.
        mean: means in place of medians, for values that are shares of a few (an accuracy is often 0 or 1).
    """
    import numpy as np

    values = np.asarray(curve.values, dtype=float)
    middle = np.mean if mean else np.median
    first, last = (max(1, min(len(values), max(3, len(values) // part))) for part in (50, 10))
    start, end = float(middle(values[:first])), float(middle(values[-last:]))
    # Neighbours differ by the noise of two values; 1.4826 makes a standard deviation of a median of distances.
    jumps = np.abs(np.diff(values))
    one = float(np.std(values) if mean else 1.4826 * np.median(jumps) / math.sqrt(2)) if len(jumps) else 0.0
    noise = 1.25 * one * math.sqrt(1 / first + 1 / last)  # a median varies by 1.25 times as much as a mean
    quarter = max(1, len(values) // 4)
    before = float(middle(values[-2 * quarter : -quarter] if len(values) > quarter else values))
    late = (before - float(middle(values[-quarter:]))) / abs(before) if before else 0.0
    return Shape(start, end, noise, late)


def falls(seen: Shape, share: float) -> bool:
    """Does a curve end lower than it began, by more than ``share`` of its start and by more than noise?"""
    return seen.clear and -seen.change > share * abs(seen.start)


def text(value: float) -> str:
    """A value as people read it: three digits."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def finite_findings(stage: str, loss: Curve) -> list[Finding]:
    """A loss that was no number at some step."""
    if not loss.broken:
        return []
    return [
        Finding(
            "bad",
            f"The loss was no number from step {loss.broken[0]} on."
            if not len(loss) or loss.broken[0] > loss.steps[-1]
            else f"The loss was no number in {len(loss.broken)} step(s), first in step {loss.broken[0]}.",
            f"Lower {stage}.learning_rate to a third, keep {stage}.clip at 1 or less, and compute in bfloat16 or "
            "float32 (dtype).",
            stage,
            "not_a_number",
        )
    ]
