"""Intervals by resampling rows, for any figure that is computed from sums over rows.

Percentile bootstrap: B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13. Two systems
on the same rows are resampled together, which is the paired bootstrap of P. Koehn, "Statistical Significance Tests for
Machine Translation Evaluation" (EMNLP 2004).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RESAMPLES = 2_000
LEVEL = 0.95
LEAST_ROWS = 5
"""With fewer rows than this no interval is given: resampling a handful says nothing."""
_CELLS = 2_000_000  # numbers in a batch at most: 16 MB


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % interval.

    Attributes:
        value: None where it is undefined (no rows).
        low, high: None with fewer than :data:`LEAST_ROWS` rows.
        rows: that it rests on.
    """

    value: float | None
    low: float | None
    high: float | None
    rows: int

    def as_dict(self) -> dict[str, float | int | None]:
        """For JSON, to six decimals."""
        shown = {"value": self.value, "low": self.low, "high": self.high}
        return {**{name: None if v is None else round(v, 6) for name, v in shown.items()}, "rows": self.rows}


NOTHING = Interval(None, None, None, 0)


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure as a function of sums over rows.

    Attributes:
        table: (rows, columns): what each row adds.
        of: sums (n, columns) → figures (n,), NaN where undefined.
    """

    table: Floats
    of: Callable[[Floats], Floats]

    @property
    def value(self) -> float | None:
        """The figure over all rows."""
        if not len(self.table):
            return None
        with np.errstate(all="ignore"):
            found = float(self.of(self.table.sum(axis=0, keepdims=True))[0])
        return found if np.isfinite(found) else None


def mean(values: Sequence[float] | Floats) -> Measure:
    """The mean over rows."""
    column = np.asarray(values, dtype=np.float64)
    return Measure(np.column_stack([column, np.ones(len(column))]), ratio_of)


def ratio(over: Sequence[float] | Floats, under: Sequence[float] | Floats) -> Measure:
    """Sum over sum, as in loss per token."""
    return Measure(np.column_stack([np.asarray(over, float), np.asarray(under, float)]), ratio_of)


def ratio_of(sums: Floats) -> Floats:
    """First column over the second; NaN where that is 0."""
    under = np.where(sums[:, 1] > 0, sums[:, 1], np.nan)
    out: Floats = sums[:, 0] / under
    return out


def counts(rows: int, seed: int = 0, resamples: int = RESAMPLES, width: int = 1) -> Iterator[Floats]:
    """How often each row comes up in each resample, in batches (n, rows).

    Args:
        rows: at least 1.
        seed: the same seed and number of rows give the same resamples: that is what pairs two systems.
        width: numbers that are held for each resample besides, for the size of a batch.
    """
    random = np.random.default_rng([seed, rows])
    # Not by the width: the draws must not depend on what is measured.
    step = max(1, min(resamples, 256, _CELLS // max(rows, 1)))
    part = max(1, _CELLS // max(rows, width))
    for start in range(0, resamples, step):
        n = min(step, resamples - start)
        drawn = random.integers(0, rows, size=(n, rows)) + np.arange(n)[:, None] * rows
        times = np.bincount(drawn.ravel(), minlength=n * rows).reshape(n, rows).astype(np.float64)
        for first in range(0, n, part):
            yield times[first : first + part]


def interval(measure: Measure, *, seed: int = 0, resamples: int = RESAMPLES) -> Interval:
    """A figure with its percentile interval."""
    return _around(measure.value, len(measure.table), list(_draws(measure, seed, resamples)))


def centred(measure: Measure, *, seed: int = 0, resamples: int = RESAMPLES) -> Interval:
    """The same, moved so that the resamples' mean lies on the figure.

    For figures that repeated rows push to one side, such as a divergence of distributions; their percentiles would
    miss the figure itself (Efron and Tibshirani 1993, chapter 10, on bias).
    """
    found = interval(measure, seed=seed, resamples=resamples)
    if found.value is None or found.low is None or found.high is None:
        return found
    drawn = np.concatenate(list(_draws(measure, seed, resamples)))
    shift = found.value - float(np.nanmean(drawn))
    return Interval(found.value, found.low + shift, found.high + shift, found.rows)


def difference(before: Measure, after: Measure, *, seed: int = 0, resamples: int = RESAMPLES) -> Interval:
    """``after`` less ``before`` on the same rows, resampled together.

    Raises:
        ValueError: the numbers of rows differ.
    """
    if len(before.table) != len(after.table):
        raise ValueError("a paired difference needs the same rows on both sides")
    if before.value is None or after.value is None:
        return Interval(None, None, None, len(before.table))
    pairs = zip(_draws(before, seed, resamples), _draws(after, seed, resamples), strict=True)
    return _around(after.value - before.value, len(before.table), [b - a for a, b in pairs])


def _draws(measure: Measure, seed: int, resamples: int) -> Iterator[Floats]:
    if len(measure.table) < LEAST_ROWS:
        return
    with np.errstate(all="ignore"):
        for times in counts(len(measure.table), seed, resamples, measure.table.shape[1]):
            yield measure.of(times @ measure.table)


def _around(value: float | None, rows: int, batches: list[Floats]) -> Interval:
    if value is None or not batches:
        return Interval(value, None, None, rows)
    drawn = np.concatenate(batches)
    defined = drawn[np.isfinite(drawn)]
    if 2 * len(defined) < len(drawn):
        return Interval(value, None, None, rows)
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, float(low), float(high), rows)
