"""From counts to the geometry of bars. Drawn as inline SVG by the template: no script, no style attribute."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LEAST, MOST = 1.0, 5.0
"""The scale of scores."""
_STEPS = (1.0, 0.5, 0.25)
_GAP = 0.14  # of a bin's width, between bars
_TINIEST = 0.012  # of the height: what is there at all can be seen


@dataclass(frozen=True)
class Bar:
    """One bar: x, y, width and height in the chart's units; ``strong`` in the accent colour."""

    x: float
    y: float
    width: float
    height: float
    strong: bool
    title: str


@dataclass(frozen=True)
class Chart:
    """Bars over an axis.

    Attributes:
        width, height: of the drawing area; y runs down.
        bars: left to right.
        ticks: (x, label) below the axis.
        line: x of a vertical line, or None.
    """

    width: float
    height: float
    bars: list[Bar]
    ticks: list[tuple[float, str]]
    line: float | None = None

    @property
    def told(self) -> str:
        """The bars in words, for those who do not see them."""
        return "; ".join(bar.title for bar in self.bars)


def scores(values: Mapping[str, int], width: float, height: float, threshold: float | None = None) -> Chart:
    """A histogram of scores from 1 to 5.

    Each bin holds its left end and not its right one, so that a threshold that falls on an end parts
    the bars exactly.

    Args:
        values: score, as text, → how many.
        width, height: of the drawing area.
        threshold: draws a line; bars from there on are strong. Without it all are.
    """
    counts = [(min(max(float(value), LEAST), MOST), n) for value, n in values.items()]
    step = next((s for s in _STEPS if all(math.isclose(v / s, round(v / s)) for v, _ in counts)), _STEPS[-1])
    bins = [0] * (round((MOST - LEAST) / step) + 1)
    for value, n in counts:
        bins[math.floor((value - LEAST) / step + 1e-9)] += n
    unit = width / len(bins)
    labels = [LEAST + i * step for i in range(len(bins))]
    titles = [f"{v:g}" if step == 1 or v == MOST else f"{v:g} to {v + step:g}" for v in labels]
    strong = [threshold is None or v >= threshold - 1e-9 for v in labels]
    ticks = [((v - LEAST) / step * unit + unit / 2, f"{v:g}") for v in labels if v == round(v)]
    line = None if threshold is None else max(0.0, (threshold - LEAST) / step * unit)
    return Chart(width, height, _bars(bins, titles, strong, unit, height), ticks, line)


def halves(bins: Sequence[int], width: float, height: float) -> Chart:
    """A small histogram of scores by half points from 1 to 5."""
    titles = [f"{LEAST + i / 2:g}" for i in range(len(bins))]
    return Chart(width, height, _bars(bins, titles, [True] * len(bins), width / len(bins), height), [])


def margins(values: Mapping[str, int], width: float, height: float) -> Chart:
    """A histogram of margins by quarter points: how far the chosen reply outscores the rejected one."""
    steps = {round(4 * float(value)): n for value, n in values.items()}
    first, last = min([0, *steps]), max([4, *steps])
    counts = [steps.get(i, 0) for i in range(first, last + 1)]
    unit = width / len(counts)
    titles = [f"{i / 4:g}" for i in range(first, last + 1)]
    ticks = [((i - first + 0.5) * unit, f"{i // 4}") for i in range(first, last + 1) if i % 4 == 0]
    strong = [i > 0 for i in range(first, last + 1)]
    return Chart(width, height, _bars(counts, titles, strong, unit, height), ticks)


def lengths(found: Mapping[str, Any], width: float, height: float) -> Chart:
    """A histogram of lengths in tokens, with a line at the suggested greatest length where it is in sight."""
    bins: Sequence[Mapping[str, int]] = found["bins"]
    unit = width / len(bins)
    step = bins[0]["to"] - bins[0]["from"] + 1
    suggested = found["suggested_max_length"]
    counts = [b["count"] for b in bins]
    titles = [f"{b['from']:,} to {b['to']:,} tokens" for b in bins]
    strong = [b["from"] <= suggested for b in bins]
    every = max(1, math.ceil(len(bins) / 8))
    ticks = [(i * unit, f"{i * step:,}") for i in range(0, len(bins), every)]
    at = suggested / step * unit
    return Chart(width, height, _bars(counts, titles, strong, unit, height), ticks, at if at <= width else None)


def _bars(
    counts: Sequence[int], titles: Sequence[str], strong: Sequence[bool], unit: float, height: float
) -> list[Bar]:
    top = max([*counts, 1])
    bars = []
    for i, n in enumerate(counts):
        if n:
            tall = max(n / top, _TINIEST) * height
            bars.append(
                Bar(
                    round(i * unit + unit * _GAP / 2, 2),
                    round(height - tall, 2),
                    round(unit * (1 - _GAP), 2),
                    round(tall, 2),
                    strong[i],
                    f"{titles[i]}: {n:,}",
                )
            )
    return bars


def share(count: int, whole: int, tiniest: float = 0.4) -> float:
    """``count`` in percent of ``whole``, for the width of a bar; what is there at all is at least ``tiniest``."""
    if not count or not whole:
        return 0.0
    return round(max(100 * count / whole, tiniest), 2)
