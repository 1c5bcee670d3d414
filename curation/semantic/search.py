"""All pairs of unit vectors with at least a cosine: exactly up to some 20,000, through faiss beyond.

faiss: M. Douze et al., "The Faiss library", 2024; the index is an inverted file of flat vectors (``IndexIVFFlat``).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

EXACT = 20_000  # rows up to which every pair is multiplied
_BLOCK = 1024  # rows multiplied at once: 1024 × 20,000 products are 80 MB
_PROBES = 8  # least number of lists looked at for each vector
_TRAINED_ON = 64  # vectors a list, about, that the lists are made from
_MOST = 2_000_000  # pairs held; beyond, the nearest of each text alone

Vectors = npt.NDArray[np.float16] | npt.NDArray[np.float32]
Found = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float32]]
Tell = Callable[[int], None]


def neighbours(vectors: Vectors, least: float, tell: Tell = lambda rows: None, *, exact: bool | None = None) -> Found:
    """All pairs i < j of rows with a cosine of at least ``least``, ascending.

    Args:
        vectors: (n, d) unit rows, float16 or float32; may be mapped from disk.
        tell: called with the number of rows that are done.
        exact: True multiplies every pair, False asks faiss; None decides by size and by what is installed.

    Returns:
        i, j and the cosine of each pair. Where they are more than two million only those of highest cosine.
    """
    if exact is None:
        exact = len(vectors) <= EXACT or importlib.util.find_spec("faiss") is None
    blocks = _multiplied(vectors, least, tell) if exact else _asked(vectors, least, tell)
    held: list[Found] = []
    count = 0
    for block in blocks:
        held.append(block)
        count += len(block[0])
        if count > 2 * _MOST:
            held = [_nearest(_joined(held))]
            count = len(held[0][0])
    i, j, cosine = _joined(held)
    if len(i) > _MOST:
        i, j, cosine = _nearest((i, j, cosine))
    order = np.lexsort((j, i))
    return i[order], j[order], cosine[order]


def _joined(held: list[Found]) -> Found:
    empty: Found = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))
    i, j, cosine = zip(*[empty, *held], strict=True)
    return np.concatenate(i), np.concatenate(j), np.concatenate(cosine)


def _nearest(found: Found) -> Found:
    best = np.argsort(-found[2], kind="stable")[:_MOST]
    return found[0][best], found[1][best], found[2][best]


def _multiplied(vectors: Vectors, least: float, tell: Tell) -> Iterator[Found]:
    for begin in range(0, len(vectors), _BLOCK):
        rows = np.asarray(vectors[begin : begin + _BLOCK], np.float32)
        for other in range(begin, len(vectors), EXACT):
            columns = rows if other == begin and len(vectors) - begin <= len(rows) else None
            if columns is None:
                columns = np.asarray(vectors[other : other + EXACT], np.float32)
            products = rows @ columns.T
            i, j = np.nonzero(products >= least)
            cosine = products[i, j]
            i, j = i + begin, j + other
            later = j > i
            yield i[later], j[later], np.minimum(cosine[later], 1)
        tell(len(rows))


def _asked(vectors: Vectors, least: float, tell: Tell) -> Iterator[Found]:
    import faiss

    count, dimension = vectors.shape
    lists = max(16, int(2 * np.sqrt(count)))
    quantizer = faiss.IndexFlatIP(dimension)
    index = faiss.IndexIVFScalarQuantizer(
        quantizer, dimension, lists, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    index.cp.seed = 1234
    step = max(1, count // (lists * _TRAINED_ON))
    index.train(np.ascontiguousarray(vectors[::step], np.float32))
    for begin in range(0, count, EXACT):
        index.add(np.ascontiguousarray(vectors[begin : begin + EXACT], np.float32))
    index.nprobe = max(_PROBES, lists // 24)  # more lists, more of them near a vector
    for begin in range(0, count, _BLOCK):
        rows = np.ascontiguousarray(vectors[begin : begin + _BLOCK], np.float32)
        # faiss takes what is over the radius; a hair less, so that what is equal to it counts
        limits, cosine, j = index.range_search(rows, float(np.nextafter(np.float32(least), np.float32(-1))))
        counts: npt.NDArray[np.int64] = np.asarray(limits[1:] - limits[:-1], np.int64)
        i = np.repeat(np.arange(begin, begin + len(rows)), counts)
        # Either row may have missed the other: both directions, each pair once.
        low, high = np.minimum(i, j), np.maximum(i, j)
        apart = low != high
        keys = low[apart] * count + high[apart]
        _, first = np.unique(keys, return_index=True)
        yield low[apart][first], high[apart][first], np.minimum(cosine[apart][first], 1)
        tell(len(rows))
