"""How signatures are cut into bands, and how much of a pair has to agree: the numbers of the search.

Locality-sensitive hashing in bands: Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", section 3.4.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import numpy.typing as npt

MISSED = 5e-5  # of the pairs that are just at the threshold, the share that bands may not find
MAX_BUCKET = 256  # earliest texts of one bucket that later ones are compared with
MAX_BANDS = 48  # more cost more than the further row saves
SPREAD = 6.0  # standard deviations by which an estimate may fall short before a pair is not looked at


@functools.lru_cache(maxsize=32)
def columns(threshold: float, num_perm: int) -> npt.NDArray[np.int64]:
    """(bands, rows) the permutations of each band: the most rows that miss no more than :data:`MISSED`.

    A pair of similarity s is found with probability 1 - (1 - s^rows)^bands. The permutations are cut twice,
    once side by side and once at a distance, so that a band of the second cut shares no more than one with any
    band of the first: up to 2·num_perm/rows bands that are nearly independent.
    128 permutations give 33 bands of 6 at 0.8 and 37 of 4 at 0.7.
    """
    best = (num_perm, 1)
    for rows in range(2, num_perm // 2 + 1):
        chance = threshold**rows
        count = 1 if chance >= 1 else math.ceil(math.log(MISSED) / math.log1p(-chance)) if chance > 0 else num_perm + 1
        if count <= min(num_perm, 2 * (num_perm // rows)) and count <= MAX_BANDS:
            best = (count, rows)
    count, rows = best
    cut = num_perm // rows
    beside = np.arange(cut * rows).reshape(cut, rows)
    both = np.concatenate((beside, np.arange(cut * rows).reshape(rows, cut).T))
    return np.ascontiguousarray(both[:count], np.int64)


@functools.lru_cache(maxsize=32)
def least_equal(threshold: float, num_perm: int) -> int:
    """Equal values of two signatures below which a pair is not looked at: six standard deviations under the mean."""
    return max(0, math.floor(num_perm * threshold - SPREAD * math.sqrt(num_perm * threshold * (1 - threshold))))
