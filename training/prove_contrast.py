"""Did one way of training do better than another? Over rows and seeds, and what it would take to tell.

The test rows are the same under every seed, so rows and seeds are crossed, and the chance of both must be in the
interval (A. B. Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 2007). Rows are resampled. Seeds are too
few for that: of three, all agree by chance in one experiment out of four. So the seeds' part is drawn from Student's t
with one degree of freedom less than there are seeds, which is what the mean of a few normal differences follows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from training.bootstrap import LEAST_ROWS, LEVEL, RESAMPLES, Floats, Interval, Measure, counts

Verdict = Literal["helped", "hurt", "unclear"]
POWER = 0.8
_Z = 1.959964  # of the normal distribution, two-sided 95 %
_Z_POWER = 0.841621  # one-sided 80 %
_MOST_SEEDS = 30
_ROW_FACTORS = (1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0)


@dataclass(frozen=True, slots=True)
class Needed:
    """What would tell a difference of the size seen, in four experiments out of five.

    Attributes:
        seeds: in all.
        rows: of the test split, in all; no more than there are where more seeds alone do it.
    """

    seeds: int
    rows: int


@dataclass(frozen=True, slots=True)
class Contrast:
    """One arm against another.

    Attributes:
        figure: what is compared, as in ``loss per token``; ``group`` is ``replies`` or a task family.
        before, after: names of the arms.
        by: ``after`` less ``before``, with its interval over rows and seeds.
        each_seed: the difference with each seed.
        verdict: of ``after``: ``unclear`` where the interval holds 0, or where there is none.
        needed: where it is unclear; None where nothing within reason would tell.
    """

    figure: str
    group: str
    before: str
    after: str
    by: Interval
    each_seed: tuple[float, ...]
    verdict: Verdict
    needed: Needed | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        needed = {"seeds": self.needed.seeds, "rows": self.needed.rows} if self.needed else None
        told = {name: getattr(self, name) for name in ("figure", "group", "before", "after", "verdict")}
        return {**told, "by": self.by.as_dict(), "each_seed": [round(v, 6) for v in self.each_seed], "needed": needed}


def contrast(
    figure: str,
    group: str,
    before: tuple[str, Sequence[Measure]],
    after: tuple[str, Sequence[Measure]],
    *,
    lower_is_better: bool,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Contrast:
    """Compare two arms.

    Args:
        before, after: name, and a measure for each seed in the same order; all over the same rows.

    Raises:
        ValueError: the numbers of seeds or rows differ.
    """
    (first, olds), (second, news) = before, after
    if len(olds) != len(news) or len({len(one.table) for one in (*olds, *news)}) > 1:
        raise ValueError("a contrast needs the same seeds and rows on both sides")
    rows = len(olds[0].table)
    each = [_less(new.value, old.value) for new, old in zip(news, olds, strict=True)]
    if any(math.isnan(v) for v in each):
        return Contrast(figure, group, first, second, Interval(None, None, None, rows), (), "unclear", None)
    drawn = _drawn(olds, news, seed, resamples)
    by = Interval(float(np.mean(each)), None, None, rows)
    if len(each) > 1 and rows >= LEAST_ROWS:
        spread = drawn.std(axis=0, ddof=1) / math.sqrt(len(each))
        chance = np.random.default_rng([seed, 1]).standard_t(len(each) - 1, size=drawn.shape[1])
        low, high = np.nanquantile(drawn.mean(axis=0) + chance * spread, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        by = Interval(by.value, float(low), float(high), rows)
    said = _verdict(by, lower_is_better)
    need = needed(each, float(np.nanvar(drawn.mean(axis=0))), rows) if said == "unclear" and drawn.size else None
    return Contrast(figure, group, first, second, by, tuple(each), said, need)


def over(measures: Sequence[Measure], *, seed: int = 0, resamples: int = RESAMPLES) -> Interval:
    """An arm's own figure over rows and seeds; seeds that all give the same add no chance."""
    zero = [Measure(np.zeros((len(one.table), 1)), lambda sums: sums[:, 0]) for one in measures]
    found = contrast("", "", ("", zero), ("", measures), lower_is_better=True, seed=seed, resamples=resamples)
    return found.by


def needed(each: Sequence[float], row_variance: float, rows: int) -> Needed | None:
    """The fewest seeds, with as few more rows as possible, that would tell a difference of this size.

    Args:
        each: the difference with each seed, at least two.
        row_variance: of the mean difference, by the chance of the rows.
        rows: at hand.
    """
    size = abs(float(np.mean(each)))
    if len(each) < 2 or size == 0:
        return None
    seed_variance = float(np.var(each, ddof=1))
    for factor in _ROW_FACTORS:
        for seeds in range(2, _MOST_SEEDS + 1):
            error = math.sqrt(seed_variance / seeds + row_variance / factor)
            if (_t(seeds - 1) + _Z_POWER) * error <= size and (seeds > len(each) or factor > 1):
                return Needed(seeds, math.ceil(rows * factor))
    return None


def _verdict(by: Interval, lower_is_better: bool) -> Verdict:
    if by.low is None or by.high is None or by.low <= 0 <= by.high:
        return "unclear"
    return "helped" if (by.high < 0) == lower_is_better else "hurt"


def _drawn(olds: Sequence[Measure], news: Sequence[Measure], seed: int, resamples: int) -> Floats:
    """Differences (seeds, resamples) on resampled rows."""
    rows = len(olds[0].table)
    if rows < LEAST_ROWS:
        return np.zeros((len(olds), 0))
    width = max(one.table.shape[1] for one in (*olds, *news))
    parts = []
    with np.errstate(all="ignore"):
        for times in counts(rows, seed, resamples, width):
            parts.append(
                np.stack([n.of(times @ n.table) - o.of(times @ o.table) for o, n in zip(olds, news, strict=True)])
            )
    return np.concatenate(parts, axis=1)


def _less(a: float | None, b: float | None) -> float:
    return math.nan if a is None or b is None else a - b


def _t(freedom: int) -> float:
    """The 97.5 % quantile of Student's t (Abramowitz and Stegun 1964, 26.7.5; exact for 1 and 2)."""
    if freedom == 1:
        return 12.7062
    if freedom == 2:
        return 4.3027
    z, v = _Z, float(freedom)
    return (
        z
        + (z**3 + z) / (4 * v)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
    )
