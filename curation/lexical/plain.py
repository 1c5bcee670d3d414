"""The search without compiled code: for inputs so small that starting numba would take longer, or where it is missing.

It gives the same pairs as :mod:`curation.lexical.join`. The last two functions are compiled there as they stand.
"""

from __future__ import annotations

from array import array
from collections import defaultdict

import numpy as np
import numpy.typing as npt

from curation.lexical.rows import Rows
from curation.minhash import jaccard

I32 = npt.NDArray[np.int32]
F64 = npt.NDArray[np.float64]
Found = tuple[I32, I32, F64]


def found(pairs: list[tuple[int, int, float]]) -> Found:
    """Pairs as three arrays: left, right, similarity."""
    left, right, values = zip(*pairs, strict=True) if pairs else ((), (), ())
    return np.array(left, np.int32), np.array(right, np.int32), np.array(values, np.float64)


def join_bands(rows: Rows, least: int, threshold: float, max_bucket: int) -> Found:
    """Pairs that share a band and reach the threshold; arguments as of :func:`curation.lexical.join.join_band`."""
    buckets: dict[int, list[int]] = {}
    pairs: list[tuple[int, int, float]] = []
    sizes = rows.ends - rows.starts
    for j in range(len(rows)):
        near: set[int] = set()
        for k, key in enumerate(rows.keys[j].tolist()):
            held = buckets.setdefault(k << 32 | key, [])
            near.update(held)
            if len(held) < max_bucket:
                held.append(j)
        if not near or not sizes[j]:
            continue
        candidates = np.array(sorted(near), np.int64)
        possible = (rows.coarse[candidates] == rows.coarse[j]).sum(axis=1) >= least
        other = sizes[candidates]
        possible &= np.minimum(other, sizes[j]) >= threshold * np.maximum(other, sizes[j])
        mine = rows.row(j)
        for i in candidates[possible].tolist():
            value = jaccard(rows.row(i), mine)
            if value >= threshold:
                pairs.append((i, j, value))
    return found(pairs)


def join_all(rows: Rows, threshold: float) -> Found:
    """All pairs that reach the threshold, by counting what each text shares with every earlier one."""
    holders: defaultdict[int, array[int]] = defaultdict(lambda: array("i"))
    pairs: list[tuple[int, int, float]] = []
    sizes = rows.ends - rows.starts
    for j in range(len(rows)):
        mine = rows.row(j).tolist()
        held = [np.frombuffer(holders[s], np.int32) for s in mine if s in holders]
        if held:
            earlier, shared = np.unique(np.concatenate(held), return_counts=True)
            values = shared / (sizes[earlier] + sizes[j] - shared)
            for at in np.flatnonzero(values >= threshold).tolist():
                pairs.append((int(earlier[at]), j, float(values[at])))
            del held
        for s in mine:
            holders[s].append(j)
    return found(pairs)


def union(parent: I32, left: I32, right: I32) -> None:
    """Join the groups of pairs; each text's group is then named by its first member, in ``parent``.

    Args:
        parent: (n,) each text's own number, or what an earlier call made of it.
        left, right: the pairs.
    """
    for k in range(len(left)):
        a, b = left[k], right[k]
        while parent[a] != a:
            parent[a] = parent[parent[a]]
            a = parent[a]
        while parent[b] != b:
            parent[b] = parent[parent[b]]
            b = parent[b]
        if a < b:
            parent[b] = a
        else:
            parent[a] = b
    for i in range(len(parent)):
        parent[i] = parent[parent[i]]  # a root is never after its members, so theirs is settled


def greedy(owner: I32, better: I32, worse: I32) -> None:
    """Drop each text that is like a better one that is kept.

    Args:
        owner: (n,) each text's own number; gets the text for which it is dropped.
        better, worse: the pairs, by the rank of the worse one, best first, then by that of the better one.
    """
    for k in range(len(better)):
        if owner[better[k]] == better[k] and owner[worse[k]] == worse[k]:
            owner[worse[k]] = better[k]
