"""Texts as rows of shingle hashes, by the compiled kernel where there are many of them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from curation.minhash import Bounds, Shingled, Signature, coefficients, mix, shingle_all, signatures_of
from curation.words import Hashes

BATCH_BYTES = 4 << 20  # of UTF-8 that one call of the kernel takes


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """n texts as the search sees them.

    Attributes:
        exact: (n, 2) hash of each normalised text.
        bounds: (n + 1,) where each text's shingles begin.
        shingles: of all texts, one after the other; a text's ascending, each once.
        keys: (n, bands) hash of each band; (n, 0) where none were wanted.
        coarse: (n, num_perm) low bytes of the signatures; (n, 0) where none were wanted.
    """

    exact: Hashes
    bounds: Bounds
    shingles: Hashes
    keys: Signature
    coarse: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.exact)

    def take(self, places: npt.NDArray[np.int64]) -> Rows:
        """Some of the rows, in the order of ``places``."""
        sizes = np.diff(self.bounds)[places]
        bounds = np.concatenate(([0], np.cumsum(sizes)))
        starts = np.repeat(self.bounds[:-1][places] - bounds[:-1], sizes)
        shingles = self.shingles[starts + np.arange(bounds[-1])]
        return Rows(self.exact[places], bounds, shingles, self.keys[places], self.coarse[places])


def of(
    texts: Sequence[str],
    ngram: int,
    num_perm: int,
    columns: npt.NDArray[np.int64] | None,
    *,
    compiled: bool,
    threads: int,
) -> Rows:
    """The rows of texts.

    Args:
        texts: any texts.
        ngram: words in a shingle.
        num_perm: permutations of the signatures.
        columns: those of each band; None makes no signatures.
        compiled: by the kernel; else by numpy, with the same result.
        threads: at work at once.
    """
    if not len(texts):
        return Rows(
            np.zeros((0, 2), np.uint64),
            np.zeros(1, np.int64),
            np.zeros(0, np.uint64),
            np.zeros((0, 0), np.uint32),
            np.zeros((0, 0), np.uint8),
        )
    if not compiled:
        return _joined([_plain(part, num_perm, columns) for part in shingle_all(texts, ngram)])
    if threads == 1:
        return _joined([_compiled(batch, ngram, num_perm, columns) for batch in _batches(texts)])
    with ThreadPoolExecutor(threads) as pool:
        return _joined(list(pool.map(lambda batch: _compiled(batch, ngram, num_perm, columns), _batches(texts))))


def _batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    begun, size = 0, 0
    for i, text in enumerate(texts):
        size += len(text) + 8
        if size >= BATCH_BYTES:
            yield texts[begun : i + 1]
            begun, size = i + 1, 0
    if begun < len(texts):
        yield texts[begun:]


def _compiled(texts: Sequence[str], ngram: int, num_perm: int, columns: npt.NDArray[np.int64] | None) -> Rows:
    from curation.lexical import kernel
    from curation.lexical.tables import tables

    encoded = [
        text.encode() if text.isascii() else unicodedata.normalize("NFKC", text).encode("utf-8", "surrogatepass")
        for text in texts
    ]
    sizes = np.fromiter(map(len, encoded), np.int64, len(encoded))
    offsets = np.concatenate(([0], np.cumsum(sizes)))
    data = np.frombuffer(b"".join(encoded) or b" ", np.uint8)
    del encoded
    words = np.empty(int(sizes.max()) + 1, np.uint64)
    # Never more shingles than half the bytes and one: a word of one byte has a space or a sign beside it.
    out = np.empty(len(data) // 2 + len(texts) + 1, np.uint64)
    counts = np.empty(len(texts), np.int64)
    exact = np.empty((len(texts), 2), np.uint64)
    filled = kernel.shingle(data, offsets, *tables(), ngram, words, out, counts, exact)
    shingles = out[:filled].copy()
    del out, data
    bounds = np.concatenate(([0], np.cumsum(counts)))
    if columns is None:
        return _bare(exact, bounds, shingles)
    signatures = np.empty((len(texts), num_perm), np.uint32)
    kernel.sign(shingles, bounds, *coefficients(num_perm), signatures)
    keys, coarse = banded(signatures, columns, compiled=True)
    return Rows(exact, bounds, shingles, keys, coarse)


def _bare(exact: Hashes, bounds: Bounds, shingles: Hashes) -> Rows:
    n = len(exact)
    return Rows(exact, bounds, shingles, np.zeros((n, 0), np.uint32), np.zeros((n, 0), np.uint8))


def banded(
    signatures: Signature, columns: npt.NDArray[np.int64], *, compiled: bool
) -> tuple[Signature, npt.NDArray[np.uint8]]:
    """``keys`` and ``coarse`` of :class:`Rows` from (n, num_perm) signatures."""
    if compiled:
        from curation.lexical import kernel

        keys = np.empty((len(signatures), len(columns)), np.uint32)
        coarse = np.empty(signatures.shape, np.uint8)
        kernel.bands(signatures, columns, keys, coarse)
        return keys, coarse
    values = np.broadcast_to(np.arange(len(columns), dtype=np.uint64), (len(signatures), len(columns))).copy()
    for r in range(columns.shape[1]):
        values = (values ^ signatures[:, columns[:, r]].astype(np.uint64)) * np.uint64(0xBF58476D1CE4E5B9)
        values ^= values >> np.uint64(32)
    return (mix(values) >> np.uint64(32)).astype(np.uint32), (signatures & np.uint32(255)).astype(np.uint8)


def _plain(part: Shingled, num_perm: int, columns: npt.NDArray[np.int64] | None) -> Rows:
    if columns is None:
        return _bare(part.exact, part.bounds, part.shingles)
    keys, coarse = banded(signatures_of(part.shingles, part.bounds, num_perm), columns, compiled=False)
    return Rows(part.exact, part.bounds, part.shingles, keys, coarse)


def _joined(parts: list[Rows]) -> Rows:
    """One after the other; each is let go as soon as it is copied, so that they never lie in memory twice."""
    if len(parts) == 1:
        return parts[0]
    n = sum(map(len, parts))
    bounds = np.zeros(n + 1, np.int64)
    exact = np.empty((n, 2), np.uint64)
    keys = np.empty((n, parts[0].keys.shape[1]), np.uint32)
    coarse = np.empty((n, parts[0].coarse.shape[1]), np.uint8)
    shingles = np.empty(sum(len(part.shingles) for part in parts), np.uint64)
    row = 0
    parts.reverse()
    while parts:
        part = parts.pop()
        end, filled = row + len(part), bounds[row]
        exact[row:end], keys[row:end], coarse[row:end] = part.exact, part.keys, part.coarse
        bounds[row + 1 : end + 1] = part.bounds[1:] + filled
        shingles[filled : filled + len(part.shingles)] = part.shingles
        row = end
    return Rows(exact, bounds, shingles, keys, coarse)
