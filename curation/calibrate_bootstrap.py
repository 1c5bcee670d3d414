"""Bootstrap intervals: rows drawn again with replacement, as counts of distinct rows.

Drawing rows and drawing how often each distinct row comes up are the same experiment (the counts are multinomial), so
that a statistic is computed from a table of counts, for many resamples at once. Efron, "Bootstrap methods: another
look at the jackknife" (1979); percentile intervals as in Efron and Tibshirani, "An Introduction to the Bootstrap"
(1993), chapter 13. Several ratings of one sample are drawn together (Davison and Hinkley, "Bootstrap Methods and their
Application" (1997), section 3.8).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Statistic = Callable[[Sequence[Floats], Floats], Floats]
"""Columns (cells,) and counts (resamples, cells) → values (resamples,), NaN where undefined."""

RESAMPLES = 2_000
LEAST_UNITS = 5
"""With fewer samples than this no interval is given: resampling a handful says nothing."""
_CELLS = 1_000_000
"""Numbers in a batch of counts: 8 MB, so that what is computed from it stays in memory that is near."""
_DRAWS = 100_000_000
"""Rows times resamples at most where rows are hardly ever alike; beyond, fewer resamples are made, never under 200."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number and its 95 % interval; None is "undefined", as a correlation with a constant."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def as_dict(self) -> dict[str, float | None]:
        """For JSON, to six decimals."""
        shown = {"value": self.value, "low": self.low, "high": self.high}
        return {name: None if v is None else round(v, 6) for name, v in shown.items()}


class Rows:
    """Rows of numbers, equal ones held once.

    Args:
        columns: of one length, finite.
        units: what each row belongs to; rows of one unit are drawn together. None: each row stands alone.

    Raises:
        ValueError: the columns differ in length.
    """

    def __init__(self, columns: Sequence[Sequence[float] | Floats], units: Sequence[Hashable] | None = None) -> None:
        plain = [np.asarray(column, dtype=np.float64) for column in columns]
        if len({len(column) for column in plain}) > 1 or (units is not None and len(units) != len(plain[0])):
            raise ValueError("the columns differ in length")
        self.rows = len(plain[0])
        names = list(dict.fromkeys(units)) if units is not None else []
        self._of_unit: NDArray[np.intp] | None = None
        if units is not None and len(names) < self.rows:
            place = {name: i for i, name in enumerate(names)}
            self._of_unit = np.array([place[unit] for unit in units], dtype=np.intp)
            self.units = len(names)
            self.columns = plain
            self.counts: Floats = np.ones((1, self.rows))
            return
        self.units = self.rows
        table, self._cell, counts = _distinct(plain)
        self.columns = table
        self.counts = counts[None, :].astype(np.float64)

    def resampled(self, resamples: int, seed: int) -> Iterator[Floats]:
        """Counts of the rows in each resample, in batches (batch, cells)."""
        random = np.random.default_rng(seed)
        cells = self.counts.shape[1]
        alike = self._of_unit is None and cells * 8 <= self.rows
        if not alike:
            resamples = min(resamples, max(200, _DRAWS // max(1, self.rows)))
        batch = max(1, _CELLS // max(1, cells))
        for start in range(0, resamples, batch):
            count = min(batch, resamples - start)
            if alike:
                yield random.multinomial(self.rows, self.counts[0] / self.rows, size=count).astype(np.float64)
            else:
                yield self._drawn(random, count)

    def _drawn(self, random: np.random.Generator, count: int) -> Floats:
        drawn = random.integers(0, self.units, size=(count, self.units), dtype=np.int32)
        wide = self.units if self._of_unit is not None else self.counts.shape[1]
        cells = drawn if self._of_unit is not None else self._cell[drawn]
        flat = (cells + np.arange(count)[:, None] * wide).ravel()
        times = np.bincount(flat, minlength=count * wide).reshape(count, wide).astype(np.float64)
        return times if self._of_unit is None else times[:, self._of_unit]


def figures(
    rows: Rows, statistics: Mapping[str, Statistic], resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Figure]:
    """Each statistic with its 95 % percentile interval.

    The interval is None with under :data:`LEAST_UNITS` samples, without resamples, and where the statistic is
    undefined in over half of the resamples.
    """
    if not rows.rows:
        return dict.fromkeys(statistics, Figure(None))
    with np.errstate(all="ignore"):
        point = {name: number(f(rows.columns, rows.counts)[0]) for name, f in statistics.items()}
        found: dict[str, list[Floats]] = {name: [] for name in statistics}
        if rows.units >= LEAST_UNITS:
            for counts in rows.resampled(resamples, seed):
                for name, statistic in statistics.items():
                    found[name].append(statistic(rows.columns, counts))
    return {name: _figure(point[name], values) for name, values in found.items()}


def number(value: Any) -> float | None:
    """As a plain float, None for what is not finite."""
    return float(value) if np.isfinite(value) else None


def _figure(point: float | None, batches: list[Floats]) -> Figure:
    if point is None or not batches:
        return Figure(point)
    values = np.concatenate(batches)
    defined = values[np.isfinite(values)]
    if 2 * len(defined) < len(values):
        return Figure(point)
    low, high = np.percentile(defined, [2.5, 97.5])
    return Figure(point, float(low), float(high))


def _distinct(columns: list[Floats]) -> tuple[list[Floats], NDArray[np.intp], NDArray[np.intp]]:
    """Distinct rows as columns, which of them each row is, and how often each comes up."""
    cell = np.zeros(len(columns[0]), dtype=np.intp)
    for column in columns:
        values, inverse = np.unique(column, return_inverse=True)
        # Numbered anew after each column, so that the numbers stay below the count of rows squared.
        cell = np.unique(cell * max(1, len(values)) + inverse.reshape(-1), return_inverse=True)[1].reshape(-1)
    _, first, counts = np.unique(cell, return_index=True, return_counts=True)
    return [column[first] for column in columns], cell, counts
