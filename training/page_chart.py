"""From a curve of any length to a drawing of a few hundred points. Drawn as inline SVG by the template.

A long curve is cut into buckets of equal width. Each gives its least and its greatest value, drawn as a band, so that
no spike is lost, and its median, drawn as the line.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from training.curves import Curve

BUCKETS = 240
"""Points of a line at most: a chart is some 800 pixels wide."""
WIDTH, HEIGHT = 640.0, 200.0
FEW = 24
"""Up to so many values each is also a dot: a look at the validation rows every few hundred steps is no line."""
Scale = Callable[[float], float]


@dataclass(frozen=True)
class Line:
    """One curve in a chart.

    Attributes:
        name: as in the legend.
        style: class of the line, ``"strong"`` or ``"second"``.
        points: of the polyline, ``"x,y x,y"``.
        band: of the polygon between least and greatest values, or "".
        dots: (x, y) of single points, where there are few.
        told: from where to where it goes, in words.
    """

    name: str
    style: str
    points: str
    band: str
    dots: tuple[tuple[float, float], ...]
    told: str


@dataclass(frozen=True)
class Chart:
    """Lines over steps.

    Attributes:
        title: what is drawn.
        about: how to read it, a sentence.
        lines: first the one in the accent colour.
        rows: (y, label) of the horizontal lines.
        columns: (x, label) below.
        told: everything in words, for those who do not see it.
    """

    title: str
    about: str
    lines: tuple[Line, ...]
    rows: tuple[tuple[float, str], ...]
    columns: tuple[tuple[float, str], ...]
    width: float = WIDTH
    height: float = HEIGHT

    @property
    def told(self) -> str:
        """The lines in words."""
        return f"{self.title}: " + "; ".join(line.told for line in self.lines)


@dataclass(frozen=True)
class Thin:
    """A curve in buckets: of each its middle step, least, median and greatest value."""

    steps: tuple[float, ...]
    least: tuple[float, ...]
    middle: tuple[float, ...]
    most: tuple[float, ...]
    whole: bool


def thin(curve: Curve, buckets: int = BUCKETS) -> Thin:
    """At most ``buckets`` points; a curve that is no longer is given as it is."""
    import numpy as np

    if len(curve) <= buckets:
        values = tuple(curve.values)
        return Thin(tuple(float(s) for s in curve.steps), values, values, values, True)
    steps, values_ = np.asarray(curve.steps, dtype=float), np.asarray(curve.values)
    edges = np.linspace(0, len(values_), buckets + 1).astype(int)
    parts = [(steps[a:b], values_[a:b]) for a, b in pairwise(edges)]
    return Thin(
        tuple(float(s[len(s) // 2]) for s, _ in parts),
        tuple(float(v.min()) for _, v in parts),
        tuple(float(np.median(v)) for _, v in parts),
        tuple(float(v.max()) for _, v in parts),
        False,
    )


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten) over a range, the ends inside."""
    span = high - low
    if not span > 0:
        return [low]
    raw = span / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    # Where the range is small beside its numbers, i * step is rounded to outside of it.
    return [min(max(i * step, low), high) for i in range(first, last + 1)]


def number(value: float) -> str:
    """As on an axis: ``"0.05"``, ``"12"``, ``"1.2e-5"``, ``"1,200"``, ``"12k"``."""
    if abs(value) < 1e-3:
        return "0" if value == 0 else f"{value:.2g}".replace("e-0", "e-")
    if abs(value) >= 1e9:
        return f"{value / 1e9:.4g}G"
    if abs(value) >= 1e4:
        return f"{value / 1e3:.4g}k"
    return f"{value:,.0f}" if abs(value) >= 1e3 else f"{value:.3g}"


def chart(
    title: str,
    about: str,
    named: Sequence[tuple[str, Curve]],
    *,
    zero: bool = False,
    unit: float = 1.0,
    suffix: str = "",
) -> Chart | None:
    """A chart of one or two curves over the same steps; None where none has a value.

    Args:
        title, about: as in :class:`Chart`.
        named: the curves by their name in the legend.
        zero: the vertical axis begins at zero.
        unit: that values are divided by.
        suffix: of the labels of the vertical axis.
    """
    drawn = [(name, curve, thin(curve)) for name, curve in named if len(curve)]
    if not drawn:
        return None
    lowest = min(min(t.least) for _, _, t in drawn) / unit
    highest = max(max(t.most) for _, _, t in drawn) / unit
    low, high = _range(min(0.0, lowest) if zero else lowest, highest)
    first = min(t.steps[0] for _, _, t in drawn)
    last = max(t.steps[-1] for _, _, t in drawn)
    across = last - first or 1.0

    def x(step: float) -> float:
        return round((step - first) / across * WIDTH, 1)

    def y(value: float) -> float:
        return round(HEIGHT - (value / unit - low) / (high - low) * HEIGHT, 1)

    lines = tuple(
        _line(name, curve, found, "second" if i else "strong", x, y) for i, (name, curve, found) in enumerate(drawn)
    )
    rows = tuple((round(HEIGHT - (v - low) / (high - low) * HEIGHT, 1), number(v) + suffix) for v in ticks(low, high))
    columns = tuple((x(v), f"{v:,.0f}") for v in ticks(first, last, 6) if v == round(v))
    return Chart(title, about, lines, rows, columns)


def _range(low: float, high: float) -> tuple[float, float]:
    if high > low:
        room = 0.04 * (high - low)
        return low - (room if low != 0 else 0.0), high + room
    room = abs(low) * 0.1 or 1.0
    return low - room, high + room


def _line(name: str, curve: Curve, found: Thin, style: str, x: Scale, y: Scale) -> Line:
    middle = [(x(s), y(v)) for s, v in zip(found.steps, found.middle, strict=True)]
    band = ""
    if not found.whole:
        upper = [(x(s), y(v)) for s, v in zip(found.steps, found.most, strict=True)]
        lower = [(x(s), y(v)) for s, v in zip(found.steps, found.least, strict=True)]
        band = _points([*upper, *reversed(lower)])
    values = curve.values
    told = f"{name}, {len(curve):,} values from {number(values[0])} to {number(values[-1])}, "
    told += f"between {number(min(values))} and {number(max(values))}"
    return Line(name, style, _points(middle), band, tuple(middle) if len(middle) <= FEW else (), told)


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{a:g},{b:g}" for a, b in points)
