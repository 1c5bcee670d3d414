"""MinHash sketches of texts: what near-duplicate search needs to know of a text, in a few kilobytes.

A text is the set of its shingles (runs of ``ngram`` words; Broder, "On the resemblance and
containment of documents", 1997). Two texts' similarity is the Jaccard index of their sets. The
least value of a random permutation agrees between two sets with just that probability; 128 such
permutations (multiply-add modulo 2^32, as in Carter and Wegman's universal hashing, 1979) find
candidates, and the shingle hashes themselves, which the sketch also holds, decide.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from curation.words import Hashes, normalise, pieces, vocabulary

Signature = npt.NDArray[np.uint32]
Bounds = npt.NDArray[np.int64]

HEADER = struct.Struct("<2sBBHxx16s")  # magic, version, ngram, permutations; hash of the text
_MAGIC = b"MH"
_VERSION = 2
BEGINS = _MAGIC + bytes([_VERSION])
_EMPTY = 0xFFFFFFFF
_BATCH = 400_000  # words hashed at once: bounds the memory of a call to some tens of megabytes
_CACHED = 1 << 16  # shingles whose signatures are made together
BASE = np.uint64(0x9E3779B97F4A7C15)  # of the polynomial over a shingle's words: 2^64 by the golden ratio
STEPS = (BASE, np.uint64(0xC2B2AE3D27D4EB4F))  # what tells a text's places apart, for each half of its hash
_M1 = np.uint64(0xBF58476D1CE4E5B9)  # finaliser of SplitMix64 (Steele, Lea and Flood 2014)
_M2 = np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True, slots=True, eq=False)
class Sketched:
    """A sketch, unpacked.

    Attributes:
        ngram: words in a shingle.
        exact: hash of the normalised text, 16 bytes: equal texts have equal ones.
        signature: (num_perm,) least value of each permutation.
        shingles: (n,) hashes, ascending, each once.
    """

    ngram: int
    exact: bytes
    signature: Signature
    shingles: Hashes


def sketch(text: str, ngram: int = 3, num_perm: int = 128) -> bytes:
    """The sketch of one text; see :func:`sketch_all`."""
    return sketch_all([text], ngram, num_perm)[0]


def sketch_all(texts: Sequence[str], ngram: int = 3, num_perm: int = 128) -> list[bytes]:
    """Sketches of texts.

    Args:
        texts: any texts. One with fewer than ``ngram`` words is one shingle as a whole; one without
            any word is a shingle of its normalised signs.
        ngram: words in a shingle, 1 to 255.
        num_perm: permutations, 1 to 65,535.

    Returns:
        For each text ``24 + 4 * num_perm + 8 * n`` bytes for its ``n`` different shingles, the same on
        every machine.
    """
    out: list[bytes] = []
    for shingled in shingle_all(texts, ngram):
        signatures = signatures_of(shingled.shingles, shingled.bounds, num_perm)
        for i in range(len(shingled.exact)):
            head = HEADER.pack(_MAGIC, _VERSION, ngram, num_perm, shingled.exact[i].tobytes())
            row = shingled.shingles[shingled.bounds[i] : shingled.bounds[i + 1]]
            out.append(head + signatures[i].tobytes() + row.tobytes())
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Shingled:
    """The shingles of n texts.

    Attributes:
        exact: (n, 2) hash of each normalised text.
        bounds: (n + 1,) where each text's shingles begin.
        shingles: of all texts, one after the other; a text's ascending, each once.
    """

    exact: Hashes
    bounds: Bounds
    shingles: Hashes


def shingle_all(texts: Sequence[str], ngram: int) -> Iterator[Shingled]:
    """The shingles of texts, in batches of some tens of megabytes."""
    batch: list[list[str]] = []
    size = 0
    for text in texts:
        batch.append(pieces(normalise(text)))
        size += len(batch[-1])
        if size > _BATCH:
            yield _shingle_batch(batch, ngram)
            batch, size = [], 0
    if batch:
        yield _shingle_batch(batch, ngram)


def _shingle_batch(batch: Sequence[list[str]], ngram: int) -> Shingled:
    table = vocabulary()
    numbers = table.numbers([piece for found in batch for piece in found])
    bounds = np.cumsum([0, *map(len, batch)])
    exact = _exact(table.signs[numbers], bounds)
    holds = table.holds[numbers]
    bounds = np.concatenate(([0], np.cumsum(holds)))[bounds]
    shingles, rows = _shingles(exact[:, 0], table.hashes[numbers[holds]], bounds, ngram)
    return Shingled(exact, rows, shingles)


def _shingles(exact: Hashes, hashes: Hashes, bounds: Bounds, ngram: int) -> tuple[Hashes, Bounds]:
    """The sets of shingles of texts, one after the other, each ascending; and their bounds.

    Args:
        exact: hash of each text, for those without words; 0 for one without any sign.
        hashes: of all texts' words; text i has ``hashes[bounds[i]:bounds[i + 1]]``.
        ngram: words in a shingle.
    """
    sizes = np.diff(bounds)
    counts = np.where(sizes >= ngram, sizes - ngram + 1, (sizes > 0) | (exact != 0))
    rows = np.concatenate(([0], np.cumsum(counts)))
    full = np.repeat(sizes >= ngram, counts)
    within = np.arange(rows[-1]) - np.repeat(rows[:-1], counts)  # position in its own text
    values = np.zeros(rows[-1], np.uint64)
    values[full] = _grams(hashes, ngram)[(np.repeat(bounds[:-1], counts) + within)[full]]
    for i in np.flatnonzero((sizes < ngram) & (counts > 0)).tolist():
        a, n = int(bounds[i]), int(sizes[i])
        if n:
            values[rows[i]] = _grams(hashes[a : a + n], n)[0] + np.uint64(n)
        else:
            values[rows[i]] = exact[i]
    for a, b in itertools.pairwise(rows.tolist()):
        values[a:b].sort()
    keep = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=keep[1:])
    keep[rows[:-1][counts > 0]] = True
    return values[keep].astype("<u8", copy=False), np.concatenate(([0], np.cumsum(keep)))[rows]


def signatures_of(shingles: Hashes, rows: Bounds, num_perm: int) -> Signature:
    """(texts, num_perm) least value of each permutation over the upper halves of a text's shingle hashes."""
    a, b = coefficients(num_perm)
    values = (shingles >> np.uint64(32)).astype(np.uint32)
    filled = np.flatnonzero(np.diff(rows))
    least = np.full((num_perm, len(rows) - 1), _EMPTY, np.uint32)
    begun = 0
    while begun < len(filled):
        # As many texts as fit the processor's cache, and one at least.
        stop = int(np.searchsorted(rows, rows[filled[begun]] + _CACHED, "right")) - 1
        these = filled[begun : max(int(np.searchsorted(filled, stop)), begun + 1)]
        first, last = rows[these[0]], rows[these[-1] + 1]
        starts, part = rows[these] - first, values[first:last]
        permuted = np.empty_like(part)
        for k in range(num_perm):
            np.multiply(part, a[k], out=permuted)
            np.add(permuted, b[k], out=permuted)
            least[k, these] = np.minimum.reduceat(permuted, starts)
        begun += len(these)
    return np.ascontiguousarray(least.T).astype("<u4", copy=False)


def unpack(data: bytes) -> Sketched:
    """Read a sketch; raises ValueError for bytes that are none."""
    try:
        magic, version, ngram, num_perm, exact = HEADER.unpack_from(data)
    except struct.error as error:
        raise ValueError("too short for a sketch") from error
    split = HEADER.size + 4 * num_perm
    if magic != _MAGIC or version != _VERSION or len(data) < split or (len(data) - split) % 8:
        raise ValueError("no sketch of this version")
    signature = np.frombuffer(data, "<u4", num_perm, HEADER.size)
    return Sketched(ngram, exact, signature, np.frombuffer(data, "<u8", offset=split))


def jaccard(a: Hashes, b: Hashes) -> float:
    """Share of common shingles among all of two ascending sets without repetition; 0 for two empty ones."""
    if not len(a) or not len(b):
        return 0.0
    both = np.concatenate((a, b))
    both.sort(kind="stable")  # two sorted runs: a merge
    common = int(np.count_nonzero(both[1:] == both[:-1]))
    return common / (len(a) + len(b) - common)


@functools.lru_cache(maxsize=4)
def coefficients(num_perm: int) -> tuple[Signature, Signature]:
    """``num_perm`` permutations x → a·x + b modulo 2^32 (a odd), the same in every process."""
    stream = hashlib.shake_128(b"datagen minhash 1").digest(8 * num_perm)
    both = np.frombuffer(stream, "<u4").astype(np.uint32)
    return both[:num_perm] | np.uint32(1), both[num_perm:]


def _grams(hashes: Hashes, n: int) -> Hashes:
    """Hash of each run of ``n`` words: a polynomial in 2^64, then mixed."""
    count = max(0, len(hashes) - n + 1)
    value = np.zeros(count, np.uint64)
    for k in range(n):
        value *= BASE
        value += hashes[k : k + count]
    return mix(value)


def mix(value: Hashes) -> Hashes:
    """A bijection of 64-bit numbers after which each bit depends on all."""
    value = (value ^ (value >> np.uint64(30))) * _M1
    value = (value ^ (value >> np.uint64(27))) * _M2
    return value ^ (value >> np.uint64(31))


def _exact(signs: Hashes, bounds: Bounds) -> Hashes:
    """(texts, 2) hash of each text's pieces in their order; 0 where there are none."""
    sizes = np.diff(bounds)
    rank = (np.arange(len(signs)) - np.repeat(bounds[:-1], sizes) + 1).astype(np.uint64)
    out = np.zeros((len(sizes), 2), np.uint64)
    for k, step in enumerate(STEPS):
        terms = mix(signs + rank * step)
        sums = np.concatenate((np.zeros(1, np.uint64), np.cumsum(terms, dtype=np.uint64)))
        out[:, k] = sums[bounds[1:]] - sums[bounds[:-1]]
    return out
