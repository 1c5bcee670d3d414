"""How far two raters agree: weighted kappa, rank correlations, exact agreement, bias, with bootstrap intervals.

All functions take plain sequences of finite numbers and give plain numbers; None says that a figure is undefined for
these rows (a correlation with a constant, anything of no rows), and no result is ever NaN.

Sources: Cohen, "Weighted kappa" (1968); Lin, "A concordance correlation coefficient to evaluate reproducibility"
(1989); Kendall, "Rank Correlation Methods" (1948), for midranks; Hanley and McNeil, "The meaning and use of the area
under a receiver operating characteristic curve" (1982).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.calibrate_bootstrap import RESAMPLES, Figure, Floats, Rows, Statistic, figures, number

Values = Sequence[float] | Floats
Places = NDArray[np.intp]
LEVELS = (1, 2, 3, 4, 5)


@dataclass(frozen=True, slots=True)
class Agreement:
    """What two raters have in common. In all that follows the first is the judge, the second people.

    Attributes:
        rows: pairs of scores.
        kappa: quadratic-weighted kappa.
        spearman: rank correlation.
        partial: the same with length held fixed; undefined where no lengths are known.
        lean: rank correlation of length with what the first gives beyond the second: does the judge, measured by
            people, overrate what is long? Undefined where no lengths are known.
        exact, near: share of rows with the same whole score, and with whole scores at most 1 apart.
        bias: mean of the first's score less the second's.
        error: mean of the absolute difference.
        confusion: count of rows by the second's whole score (from 1, down) and the first's (across).
    """

    rows: int
    kappa: Figure
    spearman: Figure
    partial: Figure
    lean: Figure
    exact: Figure
    near: Figure
    bias: Figure
    error: Figure
    confusion: tuple[tuple[int, ...], ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        found = {name: getattr(self, name).as_dict() for name in FIGURES}
        return {"rows": self.rows, **found, "confusion": [list(row) for row in self.confusion]}


FIGURES = ("kappa", "spearman", "partial", "lean", "exact", "near", "bias", "error")


def quadratic_kappa(first: Values, second: Values) -> float | None:
    """Quadratic-weighted kappa: 1 for full agreement, 0 for what chance gives.

    One less the mean squared difference over the one expected if the two were independent. For whole scores that is
    Cohen's kappa with quadratic weights; for any others it is Lin's concordance correlation, so that expected scores
    need no rounding. Undefined where both are the same constant.
    """
    return _one(_kappa, first, second)


def spearman(first: Values, second: Values) -> float | None:
    """Spearman's rank correlation, ties at their mean rank. Undefined where either is constant."""
    return _one(_spearman, first, second)


def partial_spearman(first: Values, second: Values, given: Values) -> float | None:
    """Spearman's rank correlation with ``given`` held fixed: the partial correlation of the ranks.

    Undefined where any is constant, or where one of the two ranks rows as ``given`` does.
    """
    return _one(_partial, first, second, given)


def exact_agreement(first: Values, second: Values) -> float | None:
    """Share of rows with the same whole score (halves go up)."""
    return _one(_exact, first, second)


def near_agreement(first: Values, second: Values) -> float | None:
    """Share of rows with whole scores at most 1 apart (halves go up)."""
    return _one(_near, first, second)


def mean_bias(first: Values, second: Values) -> float | None:
    """Mean of the first's score less the second's: above 0 the first is the milder one."""
    return _one(_bias, first, second)


def auc(scores: Values, accepted: Sequence[bool]) -> float | None:
    """Chance that an accepted row has a higher score than one that is not, ties counting half.

    Undefined where all or none are accepted.
    """
    return _one(_auc, scores, [float(a) for a in accepted])


def confusion(first: Values, second: Values, levels: Sequence[int] = LEVELS) -> tuple[tuple[int, ...], ...]:
    """Count of rows by the second's whole score (down) and the first's (across); others than ``levels`` are left out.

    Raises:
        ValueError: the sequences differ in length.
    """
    across, down = whole(first), whole(second)
    if across.shape != down.shape:
        raise ValueError("the columns differ in length")
    return tuple(tuple(int(np.sum((down == d) & (across == a))) for a in levels) for d in levels)


def midranks(values: Values) -> Floats:
    """Ranks with ties at their mean rank, less the mean of all ranks, (n,)."""
    column = np.asarray(values, dtype=np.float64)
    return _ranks(column, np.ones((1, len(column))))[0][0] if len(column) else column


def whole(scores: Values) -> Floats:
    """Scores as whole numbers, halves up."""
    return np.floor(np.asarray(scores, dtype=np.float64) + 0.5)


def compare(
    first: Values,
    second: Values,
    *,
    lengths: Sequence[float | None] | None = None,
    units: Sequence[Hashable] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Agreement:
    """All figures of two raters, with 95 % intervals.

    Args:
        first: the judge's scores, (n,).
        second: a person's scores of the same rows, (n,).
        lengths: of the texts; rows where it is None take no part in ``partial`` and ``lean``.
        units: what each row belongs to (a sample that several people rated); its rows are drawn together.
        resamples: of the bootstrap; 0 gives no intervals.
        seed: of the bootstrap.

    Raises:
        ValueError: the sequences differ in length.
    """
    table = Rows((first, second), units)
    found = figures(table, _STATISTICS, resamples, seed)
    by_length = dict.fromkeys(_BY_LENGTH, Figure(None))
    known = [i for i, length in enumerate(lengths or ()) if length is not None]
    if lengths is not None and len(lengths) != table.rows:
        raise ValueError("the columns differ in length")
    if lengths is not None and known:
        columns = [[float(column[i] or 0.0) for i in known] for column in (first, second, lengths)]
        held = Rows(columns, None if units is None else [units[i] for i in known])
        by_length = figures(held, _BY_LENGTH, resamples, seed)
    return Agreement(rows=table.rows, confusion=confusion(first, second), **found, **by_length)


def compare_accepted(scores: Values, accepted: Sequence[bool], *, resamples: int = RESAMPLES, seed: int = 0) -> Figure:
    """:func:`auc` with its 95 % interval."""
    return figures(Rows((scores, [float(a) for a in accepted])), {"auc": _auc}, resamples, seed)["auc"]


def _one(statistic: Statistic, *columns: Values) -> float | None:
    rows = Rows(columns)
    if not rows.rows:
        return None
    with np.errstate(all="ignore"):
        return number(statistic(rows.columns, rows.counts)[0])


def _kappa(columns: Sequence[Floats], counts: Floats) -> Floats:
    first, second = columns[0] - columns[0][0], columns[1] - columns[0][0]
    size = max(np.abs(first).max(), np.abs(second).max())
    first, second = first / size, second / size  # so that "no spread" can be told from a rounding error
    n = counts.sum(axis=1)
    a, b = counts @ first / n, counts @ second / n
    apart = counts @ np.square(first - second) / n
    spread = counts @ np.square(first) / n - a * a + counts @ np.square(second) / n - b * b
    by_chance = np.maximum(spread, 0) + np.square(a - b)
    return np.where(by_chance > 1e-13, 1 - apart / by_chance, np.nan)


def _spearman(columns: Sequence[Floats], counts: Floats) -> Floats:
    return _correlation(_ranks(columns[0], counts), _ranks(columns[1], counts), counts)


def _partial(columns: Sequence[Floats], counts: Floats) -> Floats:
    a, b, c = (_ranks(column, counts) for column in columns)
    ab, ac, bc = _correlation(a, b, counts), _correlation(a, c, counts), _correlation(b, c, counts)
    left = (1 - ac * ac) * (1 - bc * bc)
    return np.where(left > 1e-12, np.clip((ab - ac * bc) / np.sqrt(left), -1, 1), np.nan)


def _lean(columns: Sequence[Floats], counts: Floats) -> Floats:
    return _spearman((columns[0] - columns[1], columns[2]), counts)


def _ranks(column: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """Midranks of the rows, less their mean (resamples, cells), and the sum of their squares (resamples,)."""
    order, starts, inverse = _grouped(column)
    held = np.add.reduceat(counts[:, order], starts, axis=1)
    middle = np.cumsum(held, axis=1)
    middle -= held / 2
    middle -= counts.sum(axis=1, keepdims=True) / 2
    squares = np.einsum("rv,rv,rv->r", held, middle, middle)
    return middle[:, inverse], squares


def _grouped(column: Floats) -> tuple[Places, Places, Places]:
    """The order that brings equal values together, where each value starts in it, and the value of each row."""
    values, inverse = np.unique(column, return_inverse=True)
    inverse = inverse.reshape(-1)
    order = np.argsort(inverse, kind="stable")
    return order, np.searchsorted(inverse[order], np.arange(len(values))), inverse


def _correlation(a: tuple[Floats, Floats], b: tuple[Floats, Floats], counts: Floats) -> Floats:
    shared = np.einsum("rc,rc,rc->r", counts, a[0], b[0])
    spread = np.sqrt(a[1]) * np.sqrt(b[1])
    return np.where(spread > 0, np.clip(shared / spread, -1, 1), np.nan)


def _exact(columns: Sequence[Floats], counts: Floats) -> Floats:
    return _mean((whole(columns[0]) == whole(columns[1])).astype(np.float64), counts)


def _near(columns: Sequence[Floats], counts: Floats) -> Floats:
    return _mean((np.abs(whole(columns[0]) - whole(columns[1])) <= 1).astype(np.float64), counts)


def _bias(columns: Sequence[Floats], counts: Floats) -> Floats:
    return _mean(columns[0] - columns[1], counts)


def _error(columns: Sequence[Floats], counts: Floats) -> Floats:
    return _mean(np.abs(columns[0] - columns[1]), counts)


def _mean(values: Floats, counts: Floats) -> Floats:
    return np.asarray(counts @ values / counts.sum(axis=1), dtype=np.float64)


def _auc(columns: Sequence[Floats], counts: Floats) -> Floats:
    order, starts, _ = _grouped(columns[0])
    accepted = counts * columns[1]
    good = np.add.reduceat(accepted[:, order], starts, axis=1)
    bad = np.add.reduceat((counts - accepted)[:, order], starts, axis=1)
    below = np.cumsum(bad, axis=1) - bad / 2
    both = good.sum(axis=1) * bad.sum(axis=1)
    return np.where(both > 0, np.einsum("rv,rv->r", good, below) / both, np.nan)


_STATISTICS: dict[str, Statistic] = {
    "kappa": _kappa,
    "spearman": _spearman,
    "exact": _exact,
    "near": _near,
    "bias": _bias,
    "error": _error,
}
_BY_LENGTH: dict[str, Statistic] = {"partial": _partial, "lean": _lean}
