"""Texts to sorted sets of shingle hashes, and those to MinHash keys: the compiled half of :mod:`curation.minhash`.

Importing this module imports numba.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from curation.lexical.jit import kernel
from curation.lexical.tables import ALONE, JOIN, KIND_SHIFT, MARK, NOTHING, SEVERAL, SIGN, SPACE, WORD
from curation.minhash import BASE, STEPS
from curation.words import AFTER_SPACE, APOSTROPHE, FNV_PRIME, SIGN_SEED, WORD_SEED

U8 = npt.NDArray[np.uint8]
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
Int = int | np.signedinteger[Any]

# numba computes with 64 bits only where every operand is unsigned.
_WORD_SEED, _SIGN_SEED, _PRIME = np.uint64(WORD_SEED), np.uint64(SIGN_SEED), np.uint64(FNV_PRIME)
_AFTER_SPACE, _APOSTROPHE = np.uint64(AFTER_SPACE), np.uint64(APOSTROPHE)
_BASE, _STEP0, _STEP1 = BASE, STEPS[0], STEPS[1]
_QUOTE = np.uint64(39)
_M1, _M2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S32 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(32)
_ONE, _ZERO = np.uint64(1), np.uint64(0)
_LOW21 = np.uint32((1 << KIND_SHIFT) - 1)
_SHIFT = np.uint32(KIND_SHIFT)
_EMPTY = np.uint32(0xFFFFFFFF)
_WORD, _SPACE, _SIGN = np.uint32(WORD), np.uint32(SPACE), np.uint32(SIGN)
_BEYOND = np.uint32(SEVERAL)  # any kind that is none of these: the byte is not ASCII
_MANY = 24  # numbers of one bucket from which sorting by comparison is the faster way


@kernel
def mix(value: np.uint64) -> np.uint64:
    """As :func:`curation.minhash.mix`."""
    value = (value ^ (value >> _S30)) * _M1
    value = (value ^ (value >> _S27)) * _M2
    return value ^ (value >> _S31)


@kernel
def sort(row: U64, room: U64) -> None:
    """Sort hashes in place: they are spread evenly, so one pass by their first bits nearly does it.

    Args:
        room: at least as long as ``row``; what it holds is lost.
    """
    n = len(row)
    bits = 4
    while (1 << bits) < n:
        bits += 1
    if n < 24 or bits > 16:
        row.sort()
        return
    shift = np.uint64(64 - bits)
    counts = np.zeros((1 << bits) + 1, np.uint32)
    for k in range(n):
        counts[np.int64(row[k] >> shift) + 1] += np.uint32(1)
    for k in range(1 << bits):
        if counts[k + 1] > _MANY:
            row.sort()
            return
        counts[k + 1] += counts[k]
    for k in range(n):
        room[k] = row[k]
    for k in range(n):
        bucket = np.int64(room[k] >> shift)
        row[counts[bucket]] = room[k]
        counts[bucket] += np.uint32(1)
    for k in range(1, n):
        value = row[k]
        i = k
        while i > 0 and row[i - 1] > value:
            row[i] = row[i - 1]
            i -= 1
        row[i] = value


@kernel
def shingle(
    data: U8,
    offsets: I64,
    blocks: I32,
    entries: U32,
    several: U32,
    ngram: int,
    words: U64,
    out: U64,
    counts: I64,
    exact: U64,
) -> int:
    """Shingles of a batch of texts, as :func:`curation.minhash.shingle_all` gives them.

    Args:
        data: UTF-8 (surrogates passed) of NFKC texts, one after the other; text i is ``offsets[i]:offsets[i + 1]``.
        blocks, entries, several: as in :class:`curation.lexical.tables.Tables`.
        ngram: words in a shingle.
        words: room for the words of the longest text: its bytes.
        out: room for all shingles.
        counts: (n,) gets the shingles of each text.
        exact: (n, 2) gets the hash of each text.

    Returns:
        How many shingles ``out`` holds now.
    """
    filled = 0
    top = _ONE  # what the oldest word of a shingle was multiplied with
    for _ in range(ngram - 1):
        top = top * _BASE
    for i in range(len(offsets) - 1):
        at, end = offsets[i], offsets[i + 1]
        count = 0
        rank = _ZERO
        first = _ZERO
        second = _ZERO
        inside = False  # a word
        space = False  # one before the piece that comes next
        value = _ZERO
        quotes = _ZERO
        left: Int = 0  # entries still to be taken from `several`, at `more`
        more: Int = 0
        while True:
            # Most of all text: ASCII words with a space or a sign between, without the questions that others need.
            while not inside and left == 0 and at < end and data[at] < 0x80:
                entry = entries[data[at]]
                point = np.uint64(entry & _LOW21)
                entry >>= _SHIFT
                if entry == _SPACE:
                    space = bool(rank > _ZERO)
                    at += 1
                    continue
                if entry == _WORD:
                    value = (_WORD_SEED ^ point) * _PRIME
                    at += 1
                    entry = _SPACE  # what ends it, where nothing more comes
                    while at < end:
                        entry = _BEYOND
                        if data[at] >= 0x80:
                            break
                        entry = entries[data[at]]
                        point = np.uint64(entry & _LOW21)
                        entry >>= _SHIFT
                        if entry != _WORD:
                            break
                        value = (value ^ point) * _PRIME
                        at += 1
                        entry = _SPACE
                    if entry != _SPACE and entry != _SIGN:
                        inside = True  # it may go on
                        quotes = _ZERO
                        break
                    value = mix(value)
                    words[count] = value
                    count += 1
                elif entry == _SIGN:
                    value = mix((_SIGN_SEED ^ point) * _PRIME)
                    at += 1
                else:
                    break
                if space:
                    value += _AFTER_SPACE
                rank += _ONE
                first += mix(value + rank * _STEP0)
                second += mix(value + rank * _STEP1)
                space = False
            finished = left == 0 and at >= end
            if finished:
                kind: Int = SPACE
                point = _ZERO
            else:
                if left > 0:
                    entry = several[more]
                    more = more + 1
                    left -= 1
                else:
                    b = np.int64(data[at])
                    if b < 0x80:
                        entry = entries[b]
                        at += 1
                    else:
                        if b < 0xE0:
                            c = (b & 0x1F) << 6 | (np.int64(data[at + 1]) & 0x3F)
                            at += 2
                        elif b < 0xF0:
                            c = (b & 0xF) << 12 | (np.int64(data[at + 1]) & 0x3F) << 6 | (np.int64(data[at + 2]) & 0x3F)
                            at += 3
                        else:
                            c = (b & 7) << 18 | (np.int64(data[at + 1]) & 0x3F) << 12
                            c |= (np.int64(data[at + 2]) & 0x3F) << 6 | (np.int64(data[at + 3]) & 0x3F)
                            at += 4
                        block = np.int64(blocks[c >> 8])
                        entry = np.uint32(c) if block < 0 else entries[block << 8 | (c & 255)]
                kind = np.int64(entry >> _SHIFT)
                point = np.uint64(entry & _LOW21)
                if kind == SEVERAL:
                    more = np.int64(point)
                    left = np.int64(several[more])
                    more = more + 1
                    continue
                if kind == NOTHING:
                    continue
            if inside:
                if kind in (WORD, MARK) or (kind == JOIN and point != _QUOTE):
                    while quotes > _ZERO:
                        value = (value ^ _QUOTE) * _PRIME
                        quotes -= _ONE
                    value = (value ^ point) * _PRIME
                    continue
                if kind == JOIN:
                    quotes += _ONE
                    continue
                value = mix(value)
                words[count] = value
                count += 1
                inside = False
                if space:
                    value += _AFTER_SPACE
                value += quotes * _APOSTROPHE
                rank += _ONE
                first += mix(value + rank * _STEP0)
                second += mix(value + rank * _STEP1)
                space = False
            if finished:
                break
            if kind == WORD:
                inside = True
                quotes = _ZERO
                value = (_WORD_SEED ^ point) * _PRIME
            elif kind == SPACE:
                space = bool(rank > _ZERO)
            else:
                seed = _WORD_SEED if kind == ALONE else _SIGN_SEED
                value = mix((seed ^ point) * _PRIME)
                if kind == ALONE:
                    words[count] = value
                    count += 1
                if space:
                    value += _AFTER_SPACE
                rank += _ONE
                first += mix(value + rank * _STEP0)
                second += mix(value + rank * _STEP1)
                space = False
        exact[i, 0] = first
        exact[i, 1] = second
        begun = filled
        if count >= ngram:
            value = _ZERO
            for k in range(ngram):
                value = value * _BASE + words[k]
            out[filled] = mix(value)
            filled += 1
            for k in range(ngram, count):
                value = (value - words[k - ngram] * top) * _BASE + words[k]
                out[filled] = mix(value)
                filled += 1
            row = out[begun:filled]
            sort(row, words)
            kept = 1
            for k in range(1, len(row)):
                if row[k] != row[kept - 1]:
                    row[kept] = row[k]
                    kept += 1
            filled = begun + kept
        elif count > 0:
            value = _ZERO
            for k in range(count):
                value = value * _BASE + words[k]
            out[filled] = mix(value) + np.uint64(count)
            filled += 1
        elif first != _ZERO:
            out[filled] = first
            filled += 1
        counts[i] = filled - begun
    return filled


@kernel
def sign(shingles: U64, bounds: I64, a: U32, b: U32, out: U32) -> None:
    """(n, num_perm) signatures into ``out``, as :func:`curation.minhash.signatures_of` gives them.

    Args:
        shingles: of n texts.
        bounds: (n + 1,) where each text's begin.
        a, b: :func:`curation.minhash.coefficients`.
    """
    for i in range(len(bounds) - 1):
        least = out[i]
        for k in range(len(a)):
            least[k] = _EMPTY
        for at in range(bounds[i], bounds[i + 1]):
            value = np.uint32(shingles[at] >> _S32)
            for k in range(len(a)):
                permuted = np.uint32(a[k] * value + b[k])
                least[k] = min(least[k], permuted)


@kernel
def bands(signatures: U32, columns: I64, keys: U32, coarse: U8) -> None:
    """What is kept of signatures.

    Args:
        signatures: (n, num_perm).
        columns: (bands, rows) the permutations of each band.
        keys: (n, bands) gets a hash of each band.
        coarse: (n, num_perm) gets the low byte of each value, which estimates similarity.
    """
    for i in range(len(signatures)):
        for k in range(columns.shape[0]):
            value = np.uint64(k)
            for r in range(columns.shape[1]):
                value = (value ^ np.uint64(signatures[i, columns[k, r]])) * _M1
                value ^= value >> _S32
            keys[i, k] = np.uint32(mix(value) >> _S32)
        for k in range(signatures.shape[1]):
            coarse[i, k] = np.uint8(signatures[i, k] & np.uint32(255))
