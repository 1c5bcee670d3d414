"""How like rows are to each other, in whole numbers: of all pairs, of near neighbours, or to a sample of the rows.

Near neighbours in place of all: E. Lindgren, S. Wu, A. Dimakis, "Leveraging Sparsity for Efficient Submodular Data
Summarization", 2016. A sample in place of all: B. Mirzasoleiman et al., "Distributed Submodular Maximization", 2013,
section 4.5. Neighbours by lists around centres: J. Sivic, A. Zisserman, "Video Google", 2003.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float16] | npt.NDArray[np.float32]
Reals = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Steps = npt.NDArray[np.int32]
Index = slice | npt.NDArray[np.int64]

SCALE = 10_000
"""Steps of likeness: whole numbers add up to the same in any order and on any machine."""
ALL = 4096  # rows up to which all pairs are held: 64 MB
SAMPLE = 4096  # rows that stand for all where few are to be chosen
NEIGHBOURS, FEWEST, EDGES = 48, 8, 5_000_000  # of a row, and how many in all
_BLOCK = 2048
_PROBES = 8  # lists in which neighbours are looked for
_MEMBERS = 20_000  # rows looked at for one list
_ROUNDS = 4  # in which centres settle


class Likeness(Protocol):
    """How like candidates are to rows that are to be represented.

    Attributes:
        rows: how many are to be represented.
        demand: which rows those are.
        each: what a step of likeness counts, so that the whole is of the size it has for all rows.
        batch: candidates that are best asked about together.
    """

    rows: int
    demand: Index
    each: float
    batch: int

    def sums(self) -> Reals:
        """(n,) Steps of each candidate to all rows that are to be represented."""

    def gains(self, rows: list[int], best: Steps) -> Reals:
        """Steps that each candidate adds to the best that the rows to be represented have."""

    def of(self, j: int) -> tuple[Index, Steps]:
        """The rows (positions among ``demand``) that a candidate is like, and by how many steps."""


def likeness(vectors: Vectors, k: int) -> Likeness:
    """The likeness to choose k rows by.

    Up to :data:`ALL` rows that of all pairs. Beyond, that of near neighbours (up to 48, 5 million in all), where k
    choices can reach every row through them; else that to an even sample of 4,096 rows.

    Args:
        vectors: (n, d) unit rows, or zeros.
        k: rows to choose.
    """
    count = len(vectors)
    if count <= ALL:
        return _Pairs(vectors)
    neighbours = max(FEWEST, min(NEIGHBOURS, EDGES // count))
    return _Near(vectors, neighbours) if k * neighbours >= count else _Sampled(vectors)


class _Pairs:
    def __init__(self, vectors: Vectors) -> None:
        self.rows = len(vectors)
        self.demand: Index = slice(None)
        self.each = 1 / SCALE
        self.batch = 8
        rows = np.asarray(vectors, np.float32)
        self._steps = _steps(rows @ rows.T) if len(rows) else np.zeros((0, 0), np.int32)
        np.maximum(self._steps, self._steps.T, out=self._steps)
        np.fill_diagonal(self._steps, SCALE)

    def sums(self) -> Reals:
        found: Reals = self._steps.sum(axis=1, dtype=np.int64).astype(np.float64)
        return found

    def gains(self, rows: list[int], best: Steps) -> Reals:
        return _more(self._steps[rows], best)

    def of(self, j: int) -> tuple[Index, Steps]:
        return slice(None), self._steps[j]


class _Near:
    def __init__(self, vectors: Vectors, neighbours: int) -> None:
        self.rows = count = len(vectors)
        self.demand: Index = slice(None)
        self.each = 1 / SCALE
        self.batch = 1
        i, j, steps = _neighbours(vectors, neighbours)
        keys = np.concatenate([i * count + j, j * count + i, np.arange(count) * (count + 1)])
        values = np.concatenate([steps, steps, np.full(count, SCALE, np.int32)])
        order = np.lexsort((-values, keys))
        keys, values = keys[order], values[order]
        first = np.ones(len(keys), np.bool_)
        np.not_equal(keys[1:], keys[:-1], out=first[1:])
        keys, self._steps = keys[first], values[first]
        self._bounds = np.searchsorted(keys, np.arange(count + 1) * count)
        self._others = keys % count

    def sums(self) -> Reals:
        return np.add.reduceat(self._steps.astype(np.int64), self._bounds[:-1]).astype(np.float64)

    def gains(self, rows: list[int], best: Steps) -> Reals:
        return np.concatenate([_more(steps[None], best[others]) for others, steps in map(self.of, rows)])

    def of(self, j: int) -> tuple[Index, Steps]:
        a, b = self._bounds[j], self._bounds[j + 1]
        return self._others[a:b], self._steps[a:b]


class _Sampled:
    def __init__(self, vectors: Vectors) -> None:
        count = len(vectors)
        places = np.unique(np.linspace(0, count - 1, SAMPLE).astype(np.int64))
        self.rows = len(places)
        self.demand: Index = places
        self.each = count / len(places) / SCALE
        self.batch = 64
        self._vectors = vectors
        self._sample = np.asarray(vectors[places], np.float32)
        self._position = dict(zip(places.tolist(), range(len(places)), strict=True))

    def sums(self) -> Reals:
        out = np.zeros(len(self._vectors))
        for begin in range(0, len(out), _BLOCK):
            block = np.asarray(self._vectors[begin : begin + _BLOCK], np.float32)
            steps = _steps(block @ self._sample.T)
            for place, position in self._within(begin, begin + len(block)):
                steps[place - begin, position] = SCALE
            out[begin : begin + len(block)] = steps.sum(axis=1, dtype=np.int64)
        return out

    def gains(self, rows: list[int], best: Steps) -> Reals:
        steps = _steps(np.asarray(self._vectors[rows], np.float32) @ self._sample.T)
        for at, row in enumerate(rows):
            if row in self._position:
                steps[at, self._position[row]] = SCALE
        return _more(steps, best)

    def of(self, j: int) -> tuple[Index, Steps]:
        steps = _steps(self._sample @ np.asarray(self._vectors[j], np.float32))
        if j in self._position:
            steps[self._position[j]] = SCALE
        return slice(None), steps

    def _within(self, begin: int, end: int) -> list[tuple[int, int]]:
        return [(place, self._position[place]) for place in range(begin, end) if place in self._position]


def _steps(cosines: npt.NDArray[np.float32]) -> Steps:
    return np.rint(np.clip(cosines, 0, 1) * SCALE).astype(np.int32)


def _more(steps: Steps, best: Steps) -> Reals:
    found: Reals = np.maximum(steps - best, 0).sum(axis=1, dtype=np.int64).astype(np.float64)
    return found


def _neighbours(vectors: Vectors, most: int) -> tuple[Whole, Whole, Steps]:
    """Rows, their nearest others found, and the steps of likeness."""
    count = len(vectors)
    centres = _centres(vectors, max(2, int(np.sqrt(count))))
    homes = np.concatenate(
        [
            np.argmax(np.asarray(vectors[a : a + _BLOCK], np.float32) @ centres.T, axis=1)
            for a in range(0, count, _BLOCK)
        ]
    )
    order = np.argsort(homes, kind="stable")
    bounds = np.searchsorted(homes[order], np.arange(len(centres) + 1))
    beside = np.argsort(-(centres @ centres.T), axis=1, kind="stable")[:, :_PROBES]
    found: list[tuple[Whole, Whole, Steps]] = []
    for home in range(len(centres)):
        own = order[bounds[home] : bounds[home + 1]]
        if not len(own):
            continue
        lists = [order[bounds[other] : bounds[other + 1]] for other in {home: None, **dict.fromkeys(beside[home])}]
        others = np.concatenate(lists)
        if len(others) > _MEMBERS:
            others = others[np.linspace(0, len(others) - 1, _MEMBERS).astype(np.int64)]
        columns = np.asarray(vectors[others], np.float32)
        for begin in range(0, len(own), _BLOCK):
            part = own[begin : begin + _BLOCK]
            steps = _steps(np.asarray(vectors[part], np.float32) @ columns.T)
            found.append(_nearest(part, others, steps, most))
    i, j, like = zip(*found, strict=True)
    return np.concatenate(i), np.concatenate(j), np.concatenate(like)


def _nearest(rows: Whole, others: Whole, steps: Steps, most: int) -> tuple[Whole, Whole, Steps]:
    places: Whole = np.tile(np.arange(steps.shape[1]), (len(steps), 1))
    if steps.shape[1] > most:
        places = np.argpartition(-steps, most, axis=1)[:, :most]
    values = np.take_along_axis(steps, places, 1).reshape(-1)
    i, j = np.repeat(rows, places.shape[1]), others[places.reshape(-1)]
    kept = (values > 0) & (i != j)
    return i[kept], j[kept], values[kept]


def _centres(vectors: Vectors, count: int) -> npt.NDArray[np.float32]:
    """Centres of lists by a few rounds of k-means over cosines, on at most 64 rows a list."""
    places = np.unique(np.linspace(0, len(vectors) - 1, 64 * count).astype(np.int64))
    sample = np.asarray(vectors[places], np.float32)
    centres = sample[np.unique(np.linspace(0, len(sample) - 1, count).astype(np.int64))].copy()
    for _ in range(_ROUNDS):
        homes = np.concatenate(
            [np.argmax(sample[a : a + _BLOCK] @ centres.T, axis=1) for a in range(0, len(sample), _BLOCK)]
        )
        order = np.argsort(homes, kind="stable")
        filled, starts = np.unique(homes[order], return_index=True)
        centres[filled] = np.add.reduceat(sample[order], starts, axis=0)
        norms = np.linalg.norm(centres, axis=1, keepdims=True)
        np.divide(centres, norms, out=centres, where=norms > 0)
    return centres
