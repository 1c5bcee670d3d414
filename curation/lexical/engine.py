"""Near-copies among texts: which engine looks, and what it finds."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from curation.lexical import bands, plain, rows
from curation.lexical.plain import Found
from curation.lexical.rows import Rows
from datagen.core.errors import UsageError

SMALL = 2000  # texts up to which the compiled kernel's start costs more than it saves
LISTED = 1 << 25  # pairs beyond which only those are listed that join two groups of one band
_COUNTER_BITS = 22

Method = Literal["minhash", "exact", "datasketch"]


@dataclass(frozen=True, slots=True, eq=False)
class Near:
    """What is alike among n texts.

    Attributes:
        firsts: (n,) the first text that is equal to this one after normalisation.
        left, right: near-copies, left < right, ascending by right, then left; of equal texts the first stands for all.
        similarity: their Jaccard index.
    """

    firsts: npt.NDArray[np.int64]
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    similarity: npt.NDArray[np.float64]


@functools.cache
def can_compile() -> bool:
    """Is numba installed?"""
    return importlib.util.find_spec("numba") is not None


def search(
    texts: Sequence[str],
    threshold: float,
    ngram: int = 3,
    num_perm: int = 128,
    method: Method = "minhash",
    *,
    threads: int = 2,
    compiled: bool | None = None,
) -> Near:
    """Find equal texts and near-copies.

    Args:
        texts: any texts; one without any word is compared as a whole.
        threshold: least Jaccard index of the shingles, in (0, 1].
        ngram: words in a shingle, 1 to 255; a text with fewer is one shingle as a whole.
        num_perm: permutations of the signatures.
        method: ``minhash`` misses up to :data:`~curation.lexical.bands.MISSED` of the pairs at the threshold, fewer
            above it; ``exact`` none; ``datasketch`` takes that library's candidates. All are verified.
        threads: at work at once; they change nothing in the result.
        compiled: by numba; None decides by the number of texts.

    Raises:
        UsageError: ``datasketch`` is wanted and not installed.
    """
    if compiled is None:
        compiled = len(texts) > SMALL and can_compile()
    columns = bands.columns(threshold, num_perm) if method == "minhash" else None
    made = rows.of(texts, ngram, num_perm, columns, compiled=compiled, threads=threads)
    firsts, places = _collapse(made.exact)
    if len(places) < len(made):
        made = made.take(places)
    if method == "minhash":
        found = _bands(made, threshold, num_perm, compiled, threads)
    elif method == "exact":
        found = _all(made, threshold, compiled, threads)
    else:
        found = _datasketch(made, threshold, num_perm)
    left, right, similarity = found
    order = np.argsort(right.astype(np.int64) << 32 | left, kind="stable")
    numbers = places.astype(np.int32)
    return Near(firsts, numbers[left[order]], numbers[right[order]], similarity[order])


def _collapse(exact: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The first text equal to each, and the places of those that are their own."""
    n = len(exact)
    order = np.lexsort((exact[:, 1], exact[:, 0]))  # stable: equal ones stay in their order
    fresh = np.ones(n, np.bool_)
    ordered = exact[order]
    fresh[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    firsts = np.empty(n, np.int64)
    firsts[order] = order[np.flatnonzero(fresh)][np.cumsum(fresh) - 1]
    return firsts, np.flatnonzero(firsts == np.arange(n))


def _bands(made: Rows, threshold: float, num_perm: int, compiled: bool, threads: int) -> Found:
    least = bands.least_equal(threshold, num_perm)
    if not compiled:
        return plain.join_bands(made, least, threshold, bands.MAX_BUCKET)
    from curation.lexical import join

    listed = LISTED // max(1, made.keys.shape[1])
    across = np.ascontiguousarray(made.keys.T)
    rows_of = (made.shingles, made.starts, made.ends)

    def work(begin: int) -> Found:
        numbers = np.arange(len(made), dtype=np.uint64)
        parts = [plain.found([])]
        for band in range(begin, len(across), threads):
            ordered = across[band].astype(np.uint64)
            ordered <<= np.uint64(32)
            ordered |= numbers
            ordered.sort()
            parts.append(
                join.join_band(
                    band, ordered, made.keys, made.coarse, least, *rows_of, threshold, bands.MAX_BUCKET, listed
                )
            )
        return _joined(parts)

    return _parallel(work, threads)


def _all(made: Rows, threshold: float, compiled: bool, threads: int) -> Found:
    if not compiled:
        return plain.join_all(made, threshold)
    from curation.lexical import join

    ranked = np.empty_like(made.shingles)
    prefixes = np.empty(len(made), np.int64)
    join.rare_first(made.shingles, made.starts, made.ends, threshold, ranked, prefixes, _COUNTER_BITS)
    return _parallel(
        lambda begin: join.join_prefixes(
            begin, threads, ranked, prefixes, made.shingles, made.starts, made.ends, threshold
        ),
        threads,
    )


def _parallel(work: Callable[[int], Found], threads: int) -> Found:
    if threads == 1:
        return work(0)
    with ThreadPoolExecutor(threads) as pool:
        return _joined(pool.map(work, range(threads)))


def _joined(parts: Iterable[Found]) -> Found:
    left, right, values = zip(*parts, strict=True)
    return np.concatenate(left), np.concatenate(right), np.concatenate(values)


def _datasketch(made: Rows, threshold: float, num_perm: int) -> Found:
    try:
        from datasketch import MinHash, MinHashLSH  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise UsageError(
            "Duplicates cannot be looked for with datasketch.",
            "The library is not installed.",
            "Install it with `pip install 'datagen[semantic]'`, or set curation.dedupe.method to minhash.",
        ) from error
    from curation.minhash import jaccard

    sets = [made.row(i) for i in range(len(made))]
    lsh = MinHashLSH(threshold=threshold, num_perm=num_perm)
    pairs: list[tuple[int, int, float]] = []
    for j, minhash in enumerate(MinHash.generator(([s.tobytes() for s in row] for row in sets), num_perm=num_perm)):
        if len(sets[j]):
            for i in sorted(lsh.query(minhash)):
                value = jaccard(sets[i], sets[j])
                if value >= threshold:
                    pairs.append((i, j, value))
            lsh.insert(j, minhash)
    return plain.found(pairs)
