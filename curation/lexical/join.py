"""Near-copies among many texts at once: the band join, and the exact join by prefixes. Compiled.

Importing this module imports numba.
"""

from __future__ import annotations

import numpy as np

from curation.lexical import plain
from curation.lexical.jit import kernel
from curation.lexical.kernel import I32, I64, U8, U32, U64, Int, mix
from curation.lexical.plain import Found

_NONE = np.int32(-1)
_HIGH, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)


@kernel
def common(a: U64, b: U64) -> int:
    """How many numbers two ascending sets share."""
    i, j, n = 0, 0, 0
    while i < len(a) and j < len(b):
        x, y = a[i], b[j]
        n += x == y
        i += x <= y
        j += y <= x
    return n


@kernel
def similarity(a: U64, b: U64, threshold: float) -> float:
    """Jaccard index of two ascending sets; -1 where it is under the threshold, or both are empty."""
    fewer, more = min(len(a), len(b)), max(len(a), len(b))
    if fewer == 0 or fewer < threshold * more:
        return -1.0
    shared = common(a, b)
    value = shared / (fewer + more - shared)
    return value if value >= threshold else -1.0


@kernel
def equal(a: U8, b: U8) -> int:
    """At how many places two signatures are equal."""
    n = 0
    for k in range(len(a)):
        n += a[k] == b[k]
    return n


@kernel
def root(parent: I32, i: Int) -> Int:
    """The first of the group of ``i``."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


union = kernel(plain.union)
greedy = kernel(plain.greedy)


@kernel
def join_band(
    band: int,
    ordered: U64,
    keys: U32,
    coarse: U8,
    least: int,
    shingles: U64,
    starts: I64,
    ends: I64,
    threshold: float,
    max_bucket: int,
    listed: int,
) -> Found:
    """Pairs that share a band, and none before it, and reach the threshold.

    Args:
        band: number of the band.
        ordered: ``key << 32 | text`` of all n texts, ascending: texts with one key lie side by side, so that those
            whose key nobody shares cost nothing.
        keys: (n, bands) hashes of the bands.
        coarse: (n, num_perm) signatures' low bytes.
        least: of which so many must be equal.
        shingles, starts, ends: of the texts.
        threshold: least Jaccard index.
        max_bucket: earliest texts with one key that a text is compared with.
        listed: pairs beyond which only those are listed that join two groups of this band.

    Returns:
        Left, right (left < right), Jaccard index.
    """
    n = len(ordered)
    parent = np.arange(n).astype(np.int32)
    room = 1024
    left, right, values = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.float64)
    found = 0
    at = 0
    while at < n:
        key = ordered[at] >> _HIGH
        end = at + 1
        while end < n and ordered[end] >> _HIGH == key:
            end += 1
        for second in range(at + 1, end):
            j = np.int64(ordered[second] & _LOW)
            for first in range(at, min(second, at + max_bucket)):
                i = np.int64(ordered[first] & _LOW)
                new = True
                for q in range(band):
                    if keys[i, q] == keys[j, q]:
                        new = False
                        break
                full = found >= listed
                if new and not (full and root(parent, i) == root(parent, j)) and equal(coarse[i], coarse[j]) >= least:
                    one, other = shingles[starts[i] : ends[i]], shingles[starts[j] : ends[j]]
                    value = similarity(one, other, threshold)
                    if value >= 0:
                        if found == room:
                            room *= 2
                            left = np.concatenate((left, np.empty(room - found, np.int32)))
                            right = np.concatenate((right, np.empty(room - found, np.int32)))
                            values = np.concatenate((values, np.empty(room - found, np.float64)))
                        left[found], right[found], values[found] = i, j, value
                        found += 1
                        a, b = root(parent, i), root(parent, j)
                        parent[max(a, b)] = min(a, b)
        at = end
    return left[:found], right[:found], values[:found]


@kernel
def rare_first(shingles: U64, starts: I64, ends: I64, threshold: float, ranked: U64, prefixes: I64, bits: int) -> None:
    """Order each text's shingles by how many texts have them, as far as counters of ``2^bits`` tell.

    Any order that is the same for all texts makes the prefix filter right; rare first makes it fast.

    Args:
        shingles, starts, ends, threshold: as in :func:`join_band`.
        ranked: gets the shingles in their new order.
        prefixes: (n,) gets how many of a text's a partner must have one of.
    """
    mask = np.uint64((1 << bits) - 1)
    counters = np.zeros(1 << bits, np.uint32)
    for at in range(len(shingles)):
        counters[shingles[at] & mask] += np.uint32(1)
    for i in range(len(starts)):
        row = shingles[starts[i] : ends[i]]
        weights = np.empty(len(row), np.uint32)
        for k in range(len(row)):
            weights[k] = counters[row[k] & mask]
        order = np.argsort(weights, kind="mergesort")  # stable: those of one weight stay ascending
        for k in range(len(row)):
            ranked[starts[i] + k] = row[order[k]]
        # A partner shares at least ceil(threshold * size); the margin is for rounding, and only adds candidates.
        least = max(1, int(np.ceil(threshold * len(row) - 1e-9)))
        prefixes[i] = len(row) - least + 1 if len(row) else 0


@kernel
def join_prefixes(
    begin: int, step: int, ranked: U64, prefixes: I64, shingles: U64, starts: I64, ends: I64, threshold: float
) -> Found:
    """All pairs that reach the threshold: none is missed.

    Prefix filtering (S. Chaudhuri, V. Ganti, R. Kaushik, "A primitive operator for similarity joins in data
    cleaning", 2006): of two sets that share enough, one of the first few shingles of each is common to both.

    Args:
        begin, step: texts ``begin``, ``begin + step`` … are compared with all before them.
        ranked, prefixes: from :func:`rare_first`.
        shingles, starts, ends, threshold: as in :func:`join_band`.

    Returns:
        As :func:`join_band`.
    """
    n = len(prefixes)
    total = 0
    for i in range(n):
        total += prefixes[i]
    size = 16
    while size < 2 * total:
        size *= 2
    mask = np.uint64(size - 1)
    heads = np.full(size, _NONE, np.int32)  # entries of one slot, in the order of their texts
    tails = np.full(size, _NONE, np.int32)
    after = np.full(max(1, total), _NONE, np.int32)
    owner = np.empty(max(1, total), np.int32)
    value_of = np.empty(max(1, total), np.uint64)
    entry = 0
    for i in range(n):
        for k in range(prefixes[i]):
            shingle = ranked[starts[i] + k]
            slot = np.int64(mix(shingle) & mask)
            owner[entry], value_of[entry] = i, shingle
            if heads[slot] < 0:
                heads[slot] = entry
            else:
                after[tails[slot]] = entry
            tails[slot] = entry
            entry += 1
    seen = np.full(n, _NONE, np.int32)
    room = 1024
    left, right, values = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.float64)
    found = 0
    for j in range(begin, n, step):
        mine = shingles[starts[j] : ends[j]]
        for k in range(prefixes[j]):
            shingle = ranked[starts[j] + k]
            at = heads[np.int64(mix(shingle) & mask)]
            while at >= 0 and owner[at] < j:
                i = owner[at]
                if value_of[at] == shingle and seen[i] != j:
                    seen[i] = j
                    value = similarity(shingles[starts[i] : ends[i]], mine, threshold)
                    if value >= 0:
                        if found == room:
                            room *= 2
                            left = np.concatenate((left, np.empty(room - found, np.int32)))
                            right = np.concatenate((right, np.empty(room - found, np.int32)))
                            values = np.concatenate((values, np.empty(room - found, np.float64)))
                        left[found], right[found], values[found] = i, j, value
                        found += 1
                at = after[at]
    return left[:found], right[:found], values[:found]
