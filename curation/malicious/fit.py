"""Makes the weights of :mod:`curation.malicious.wording` out of our own examples, by Newton's method.

Only features that two of the examples in ``exemplars.txt`` have get a weight. ``python -m benchmarks.malicious --fit``
runs it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from curation.malicious import exemplars
from curation.malicious.fold import fold
from curation.malicious.wording import BY_LETTERS, BY_MEANING, Vector, features, length

_RIDGE = 0.1  # penalty of the squared weights
_PROSE = 1.0  # weight of all prose against that of all attacks
_STEPS = 25
_SMALL = 0.02  # a weight that is not worth its line
_FOLDS = 5
_BLOCK = 20  # examples in a row, which are of one family, are left out together


def fit(prose: Sequence[str] = (), meaning: bool = True) -> dict[str, float]:
    """Weights by feature, and the bias under ``""``; rounded to two decimals.

    Attacks and harmless texts weigh the same, whatever their numbers; all prose together, as much again. What the
    second sum is fitted on is said of each text by weights and examples in whose making its own family had no part.

    Args:
        prose: harmless sentences of documents.
        meaning: fit the weights of the embedding model's word too.

    Raises:
        DatagenError: ``meaning``, and the embedding model cannot be loaded.
    """
    known = exemplars.examples()
    own, harmful = len(known.texts), len(known.kinds)
    every = [fold(text).text for text in (*known.texts, *prose)]
    seen = [features(text) for text in every]
    y = np.array([*(i < harmful for i in range(own)), *(False for _ in prose)], np.float64)
    columns, x = _table(seen, own)
    weigh = _weights(y, len(prose))
    fold_of = (np.arange(len(every), dtype=np.int64) // _BLOCK) % _FOLDS
    words = np.zeros(len(every))
    for one in range(_FOLDS):
        left = fold_of == one
        words[left] = x[left] @ _newton(x[~left], y[~left], weigh[~left], _RIDGE)
    first = _newton(x, y, weigh, _RIDGE)
    out = {feature: float(first[i]) for feature, i in columns.items()}
    out[""] = float(first[-1])
    known_of = [words, *_outside(exemplars.by_letters(every), fold_of, own, harmful)]
    out |= _second(known_of, y, weigh, BY_LETTERS)
    if meaning:
        known_of += _outside(exemplars.by_meaning(every), fold_of, own, harmful)
        out |= _second(known_of, y, weigh, BY_MEANING)
    return {name: round(weight, 2) for name, weight in out.items() if name == "" or abs(weight) >= _SMALL}


def written(weights: dict[str, float]) -> str:
    """The file: a feature and its weight in each line, the heaviest first."""
    head = (
        "#\t# How much each word, kind of word (@) or pair of either speaks for an attack (> 0) or against one.\n"
        "#\t# The line without a name is the bias; those with a colon weigh that sum and the likeness to examples.\n"
        "#\t# Made by python -m benchmarks.malicious --fit\n"
    )
    rows = sorted(weights.items(), key=lambda item: (not item[0].startswith(":"), -item[1], item[0]))
    return head + "".join(f"{feature}\t{weight:.2f}\n" for feature, weight in rows)


def _table(seen: Sequence[set[str]], own: int) -> tuple[dict[str, int], Vector]:
    """The column of each feature that two of the first ``own`` texts have, and the table (n, f + 1)."""
    counts = Counter(feature for features_of in seen[:own] for feature in features_of)
    columns = {feature: i for i, feature in enumerate(sorted(f for f, n in counts.items() if n > 1))}
    x = np.zeros((len(seen), len(columns) + 1))
    for row, features_of in zip(x, seen, strict=True):
        row[[columns[f] for f in features_of if f in columns]] = length(features_of)
    x[:, -1] = 1
    return columns, x


def _weights(y: Vector, prose: int) -> Vector:
    group = np.where(y > 0, 0, 1)
    group[len(y) - prose :] = 2
    sizes = np.bincount(group, minlength=3)
    each = np.array([0.5 * (len(y) - prose) / max(1, size) for size in sizes]) * (1, 1, _PROSE)
    return np.asarray(each[group])


def _outside(likeness: exemplars.Matrix, fold_of: npt.NDArray[np.int64], own: int, harmful: int) -> list[Vector]:
    """The greatest likeness to an attack and to a harmless example that is not of the text's own fold."""
    near = np.where(fold_of[:, None] == fold_of[None, :own], -1.0, likeness)
    return [near[:, :harmful].max(axis=1), near[:, harmful:].max(axis=1)]


def _second(columns: Sequence[Vector], y: Vector, weigh: Vector, names: Sequence[str]) -> dict[str, float]:
    found = _newton(np.column_stack([*columns, np.ones(len(y))]), y, weigh, 1e-3)
    return dict(zip(names, map(float, found), strict=True))


def _newton(x: Vector, y: Vector, weigh: Vector, penalty: float) -> Vector:
    """The weights (f,) of a ridge-penalised logistic regression; x (n, f) with the constant last, y (n,) 0 or 1,
    and how much each row weighs (n,)."""
    ridge = np.full(x.shape[1], penalty)
    ridge[-1] = 1e-6  # the bias is free
    found = np.zeros(x.shape[1])
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-x @ found))
        slope = x.T @ (weigh * (p - y)) + ridge * found
        curve = (x.T * (weigh * p * (1 - p))) @ x + np.diag(ridge)
        step = np.linalg.solve(curve, slope)
        found = found - step
        if float(np.abs(step).max()) < 1e-4:
            break
    return found
