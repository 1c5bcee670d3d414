"""Rows that stand for many: facility location by lazy greedy, and farthest-first traversal.

Facility location: G. Cornuéjols, M. Fisher, G. Nemhauser, "Location of bank accounts to optimize float", 1977. Greedy
reaches 1 − 1/e of the optimum (G. Nemhauser, L. Wolsey, M. Fisher, "An analysis of approximations for maximizing
submodular set functions", 1978), half of it where groups are capped (Fisher, Nemhauser, Wolsey, part II, 1978); lazy
evaluation gives the same (M. Minoux, "Accelerated greedy algorithms", 1978). Farthest-first: T. Gonzalez, "Clustering
to minimize the maximum intercluster distance", 1985.
"""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from curation.likeness import SCALE, likeness

Vectors = npt.NDArray[np.float16] | npt.NDArray[np.float32]
Reals = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

FARTHEST = 2.0  # of two unit rows
TOP = 1024  # rows whose distances are brought up to date together


@dataclass(frozen=True, slots=True, eq=False)
class Picked:
    """What was chosen.

    Attributes:
        chosen: (≤ k,) rows in the order of choice.
        gains: (≤ k,) what each added: to the objective, or its (weighted) distance from those before it.
        nearest: (n,) the chosen row that stands for each row; −1 where none is known to.
    """

    chosen: Whole
    gains: Reals
    nearest: Whole


def facility_location(
    vectors: Vectors,
    k: int,
    weights: npt.ArrayLike | None = None,
    *,
    groups: npt.ArrayLike | None = None,
    most: int = 0,
) -> Picked:
    """Rows S that maximise Σᵢ max over j in S of likeness(i, j), plus the sum of the weights of S.

    Likeness is the cosine where it is above 0, in steps of 1/10,000, so that sums are the same in any order; a row is
    like itself by 1. Up to 4,096 rows it is that of all pairs; beyond, see :func:`curation.likeness.likeness`.

    Args:
        vectors: (n, d) unit rows, or zeros; may be mapped from disk.
        k: rows to choose; all rows where there are fewer.
        weights: (n,) what having a row is worth by itself, 0 or more; None: nothing.
        groups: (n,) whose each row is, as numbers.
        most: rows of one group that may be chosen; 0: any number.

    Returns:
        Rows in the order of choice. Of equals the first is taken.
    """
    count = len(vectors)
    worth = _weights(weights, count, 0.0)
    places = _Places(groups, most, count)
    found = likeness(vectors, min(k, count))
    best = np.zeros(found.rows, np.int32)
    by = np.full(found.rows, -1, np.int64)
    heap = [(-float(gain), j, 0) for j, gain in enumerate(found.sums() * found.each + worth)] if k > 0 else []
    heapq.heapify(heap)
    chosen: list[int] = []
    gains: list[float] = []
    while heap and len(chosen) < k:
        bound, j, seen = heap[0]
        if not places.free(j):
            heapq.heappop(heap)
            continue
        if seen < len(chosen):
            stale: list[int] = []
            while heap and len(stale) < found.batch and heap[0][2] < len(chosen):
                stale.append(heapq.heappop(heap)[1])
            for row, gain in zip(stale, found.gains(stale, best) * found.each + worth[stale], strict=True):
                heapq.heappush(heap, (-float(gain), row, len(chosen)))
            continue
        heapq.heappop(heap)
        rows, like = found.of(j)
        better = like > best[rows]
        best[rows] = np.maximum(best[rows], like)
        by[rows] = np.where(better, j, by[rows])
        places.take(j)
        chosen.append(j)
        gains.append(-bound)
    picked = np.array(chosen, np.int64)
    nearest = np.full(count, -1, np.int64)
    nearest[found.demand] = by
    nearest[picked] = picked
    return Picked(picked, np.array(gains, np.float64), nearest)


def max_min(
    vectors: Vectors,
    k: int,
    weights: npt.ArrayLike | None = None,
    *,
    groups: npt.ArrayLike | None = None,
    most: int = 0,
) -> Picked:
    """Rows far from each other: the first of greatest weight, then always the one farthest from those chosen.

    Farthest is the greatest Euclidean distance from the nearest chosen row, times the row's weight.

    Args:
        vectors, k, groups, most: as of :func:`facility_location`.
        weights: (n,) what a distance is multiplied with, above 0; None: 1.
    """
    count = len(vectors)
    worth = _weights(weights, count, 1.0)
    places = _Places(groups, most, count)
    far = np.full(count, FARTHEST)  # never too small: distances shrink as rows are chosen
    seen = np.zeros(count, np.int64)  # chosen rows that a distance takes into account
    nearest = np.full(count, -1, np.int64)
    wanted = max(0, min(k, count))
    centres = np.zeros((wanted, vectors.shape[1]), np.float32)
    chosen: list[int] = []
    gains: list[float] = []

    def choose(j: int, value: float) -> None:
        centres[len(chosen)] = vectors[j]
        chosen.append(j)
        gains.append(value)
        places.take(j)
        far[j], nearest[j] = -np.inf, j

    if wanted:
        first = int(np.argmax(worth))
        choose(first, float(worth[first]))
    while len(chosen) < wanted:
        value = far * worth
        top, rest = _greatest(value, TOP)
        if value[top[0]] == -np.inf:
            break
        rows = np.asarray(vectors[top], np.float32)
        _refresh(rows, centres[: len(chosen)], chosen, top, far, seen, nearest)
        while len(chosen) < wanted:
            held = far[top] * worth[top]
            at = int(np.argmax(held))
            j, value_j = int(top[at]), float(held[at])
            if value_j == -np.inf or (value_j, -j) < rest:
                break
            if not places.free(j):
                far[j] = -np.inf
                continue
            choose(j, value_j)
            _nearer(rows, centres[len(chosen) - 1 : len(chosen)], chosen[-1:], top, far, nearest)
            seen[top] = len(chosen)
    return Picked(np.array(chosen, np.int64), np.array(gains, np.float64), nearest)


def _greatest(value: Reals, count: int) -> tuple[Whole, tuple[float, int]]:
    """Rows of the greatest values, ascending by row within equals, and the (value, −row) of the first left out."""
    if len(value) <= count:
        return np.lexsort((np.arange(len(value)), -value)).astype(np.int64), (-np.inf, -len(value))
    edge = np.partition(value, len(value) - count)[len(value) - count]
    above, equal = np.flatnonzero(value > edge), np.flatnonzero(value == edge)
    taken = equal[: count - len(above)]
    top = np.concatenate([above, taken])
    top = top[np.lexsort((top, -value[top]))]
    if len(taken) < len(equal):
        return top, (float(edge), -int(equal[len(taken)]))
    below = value[value < edge]
    greatest = float(below.max())
    return top, (greatest, -int(np.argmax(value == greatest)))


def _refresh(
    rows: npt.NDArray[np.float32], centres: npt.NDArray[np.float32], chosen: list[int],
    top: Whole, far: Reals, seen: Whole, nearest: Whole,
) -> None:  # fmt: skip
    """Bring distances up to date, those that miss as many centres together."""
    order = np.argsort(seen[top], kind="stable")
    for part in np.array_split(order, 8):
        if len(part) and (since := int(seen[top[part]].min())) < len(centres):
            for begin in range(since, len(centres), 4 * TOP):
                end = min(begin + 4 * TOP, len(centres))
                _nearer(rows[part], centres[begin:end], chosen[begin:end], top[part], far, nearest)
    seen[top] = len(centres)


def _nearer(
    rows: npt.NDArray[np.float32], centres: npt.NDArray[np.float32], names: list[int],
    top: Whole, far: Reals, nearest: Whole,
) -> None:  # fmt: skip
    cosine = rows @ centres.T
    closest = np.argmax(cosine, axis=1)
    # In steps, so that the product of a matrix and that of a row are the same.
    steps = np.round(cosine[np.arange(len(rows)), closest].astype(np.float64) * SCALE) / SCALE
    distance = np.sqrt(np.maximum(0, 2 - 2 * steps))
    closer = distance < far[top]
    far[top] = np.where(closer, distance, far[top])
    nearest[top] = np.where(closer, np.asarray(names, np.int64)[closest], nearest[top])


def _weights(weights: npt.ArrayLike | None, count: int, otherwise: float) -> Reals:
    return np.full(count, otherwise) if weights is None else np.asarray(weights, np.float64)


class _Places:
    """How many rows of a group may still be chosen."""

    def __init__(self, groups: npt.ArrayLike | None, most: int, count: int) -> None:
        capped = groups is not None and most > 0
        self._groups: Any = np.asarray(groups).tolist() if capped else None
        self._most = most
        self._taken: Counter[Any] = Counter()

    def free(self, j: int) -> bool:
        return self._groups is None or self._taken[self._groups[j]] < self._most

    def take(self, j: int) -> None:
        if self._groups is not None:
            self._taken[self._groups[j]] += 1
