"""The streaming search: each text against those remembered, then remembered itself. Compiled.

Importing this module imports numba.
"""

from __future__ import annotations

import numpy as np

from curation.lexical.jit import kernel
from curation.lexical.join import equal, similarity
from curation.lexical.kernel import I32, I64, U8, U32, U64, Int

_IDS = np.uint64(0xFFFFFFFF)
_HIGH = np.uint64(32)
_ZERO, _ONE = np.uint64(0), np.uint64(1)


@kernel
def remember(table: U64, key: np.uint32, number: Int, max_bucket: int) -> None:
    """Put a text into a table, unless ``max_bucket`` texts with its key are there.

    Args:
        table: (2^n,) key << 32 | number + 1, or 0; linear probing; texts of one key stay in their order.
    """
    mask = len(table) - 1
    slot = np.int64(key) * 0x9E3779B1 >> 7 & mask
    held = 0
    while table[slot] != _ZERO:
        held += np.uint32(table[slot] >> _HIGH) == key
        if held >= max_bucket:
            return
        slot = (slot + 1) & mask
    table[slot] = np.uint64(key) << _HIGH | (np.uint64(number) + _ONE)


@kernel
def refill(table: U64, entries: U64, max_bucket: int) -> None:
    """Put entries of a smaller table, ascending by number, into an empty one."""
    for k in range(len(entries)):
        number = np.int64(entries[k] & _IDS) - 1
        remember(table, np.uint32(entries[k] >> _HIGH), number, max_bucket)


@kernel
def advance(
    at: int,
    insert: bool,
    keys: U32,
    exact: U64,
    coarse: U8,
    shingles: U64,
    bounds: I64,
    fresh: I32,
    filled: int,
    base: int,
    tables: U64,
    exacts: U64,
    starts: I64,
    sizes: I32,
    spool: U64,
    spool_bytes: U8,
    width: int,
    seen: I64,
    stamp: int,
    least: int,
    threshold: float,
    max_bucket: int,
    numbers: I64,
    values: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> tuple[int, int, int]:
    """Go on with a batch until a text matches.

    Args:
        at: text of the batch to begin with; ``insert``: remember that one without looking.
        keys: (n, bands + 1) of the batch, the last of the text itself; exact, coarse, shingles, bounds: its rows.
        fresh, filled: places of the batch's texts that were remembered: text ``base + k`` is ``fresh[k]``.
        tables: (bands + 1, 2^n), see :func:`remember`.
        exacts, sizes, starts: of remembered texts: hash, shingles, where in ``spool`` its ``width`` numbers of
            coarse signature and then its shingles begin (before the batch alone).
        spool, spool_bytes: the same memory.
        seen: by which text each was last looked at; text i of the batch is ``stamp + i``.
        least, threshold, max_bucket: as in :func:`curation.lexical.join.join_band`.
        numbers, values: get the matches; similarity 2 is an equal text.

    Returns:
        The text that matches (or n), how many matches, the new ``filled``.
    """
    count = keys.shape[1]
    for j in range(at, len(keys)):
        mine = shingles[bounds[j] : bounds[j + 1]]
        found = 0
        if not insert:
            for q in range(count):
                k = count - 1 if q == 0 else q - 1  # equal texts first
                if q > 0 and len(mine) == 0:
                    break
                key = keys[j, k]
                mask = tables.shape[1] - 1
                slot = np.int64(key) * 0x9E3779B1 >> 7 & mask
                while tables[k, slot] != _ZERO and found < len(numbers):
                    entry = tables[k, slot]
                    slot = (slot + 1) & mask
                    if np.uint32(entry >> _HIGH) != key:
                        continue
                    i = np.int64(entry & _IDS) - 1
                    if q == 0:
                        if exacts[i, 0] == exact[j, 0] and exacts[i, 1] == exact[j, 1]:
                            numbers[0], values[0] = i, 2.0
                            found = 1
                            break
                        continue
                    if seen[i] == stamp + j:
                        continue
                    seen[i] = stamp + j
                    if i < base:
                        start = starts[i]
                        if equal(spool_bytes[start * 8 : start * 8 + coarse.shape[1]], coarse[j]) < least:
                            continue
                        value = similarity(spool[start + width : start + width + sizes[i]], mine, threshold)
                    else:
                        other = fresh[i - base]
                        if equal(coarse[other], coarse[j]) < least:
                            continue
                        value = similarity(shingles[bounds[other] : bounds[other + 1]], mine, threshold)
                    if value >= 0:
                        numbers[found], values[found] = i, value
                        found += 1
                if q == 0 and found:
                    break
            if found:
                return j, found, filled
        insert = False
        number = base + filled
        fresh[filled] = j
        filled += 1
        exacts[number] = exact[j]
        sizes[number] = len(mine)
        remember(tables[count - 1], keys[j, count - 1], number, max_bucket)
        if len(mine):
            for k in range(count - 1):
                remember(tables[k], keys[j, k], number, max_bucket)
    return len(keys), 0, filled
