"""Texts as rows of shingle hashes, by the compiled kernel where there are many of them."""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from curation.minhash import Bounds, Shingled, Signature, coefficients, mix, shingle_all, signatures_of
from curation.words import Hashes

Places = npt.NDArray[np.int64]
BATCH_BYTES = 1 << 20  # of UTF-8 that one call of the kernel takes


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """n texts as the search sees them.

    Attributes:
        exact: (n, 2) hash of each normalised text.
        starts, ends: (n,) where each text's shingles lie.
        shingles: of all texts, in any order of texts; a text's ascending, each once.
        keys: (n, bands) hash of each band; (n, 0) where none were wanted.
        coarse: (n, num_perm) low bytes of the signatures; (n, 0) where none were wanted.
    """

    exact: Hashes
    starts: Places
    ends: Places
    shingles: Hashes
    keys: Signature
    coarse: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.exact)

    def take(self, places: npt.NDArray[np.int64]) -> Rows:
        """Some of the rows, in the order of ``places``."""
        return Rows(
            self.exact[places],
            self.starts[places],
            self.ends[places],
            self.shingles,
            self.keys[places],
            self.coarse[places],
        )

    def row(self, place: int) -> Hashes:
        """The shingles of a text."""
        return self.shingles[self.starts[place] : self.ends[place]]


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
    made = _Maker(len(texts), ngram, num_perm, columns)
    if not compiled:
        for part in shingle_all(texts, ngram):
            made.plain(part)
    elif threads == 1:
        for begun, end in _batches(texts):
            made.compiled(begun, texts[begun:end])
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda span: made.compiled(span[0], texts[span[0] : span[1]]), _batches(texts)))
    return made.rows()


def _batches(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    begun, size = 0, 0
    for i, text in enumerate(texts):
        size += len(text) + 8
        if size >= BATCH_BYTES:
            yield begun, i + 1
            begun, size = i + 1, 0
    if begun < len(texts):
        yield begun, len(texts)


class _Maker:
    """Fills the rows of n texts, batch by batch, from any thread."""

    def __init__(self, n: int, ngram: int, num_perm: int, columns: npt.NDArray[np.int64] | None) -> None:
        self.ngram, self.num_perm, self.columns = ngram, num_perm, columns
        self.exact: Hashes = np.empty((n, 2), np.uint64)
        self.starts: Places = np.zeros(n, np.int64)
        self.ends: Places = np.zeros(n, np.int64)
        self.keys: Signature = np.empty((n, 0 if columns is None else len(columns)), np.uint32)
        self.coarse: npt.NDArray[np.uint8] = np.empty((n, 0 if columns is None else num_perm), np.uint8)
        self._shingles: Hashes = np.empty(1 << 16, np.uint64)
        self._filled = 0
        self._row = 0
        self._lock = threading.Lock()

    def rows(self) -> Rows:
        """What was filled."""
        shingles = self._shingles[: self._filled]
        return Rows(self.exact, self.starts, self.ends, shingles, self.keys, self.coarse)

    def plain(self, part: Shingled) -> None:
        """Add the next texts, as numpy made them."""
        begun = self._row
        self._row += len(part.exact)
        here = slice(begun, self._row)
        self._put(here, part.exact, part.bounds, part.shingles)
        if self.columns is not None:
            signatures = signatures_of(part.shingles, part.bounds, self.num_perm)
            self.keys[here], self.coarse[here] = banded(signatures, self.columns, compiled=False)

    def compiled(self, begun: int, texts: Sequence[str]) -> None:
        """Add the texts from place ``begun`` on."""
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
        filled = kernel.shingle(data, offsets, *tables(), self.ngram, words, out, counts, exact)
        bounds = np.concatenate(([0], np.cumsum(counts)))
        here = slice(begun, begun + len(texts))
        self._put(here, exact, bounds, out[:filled])
        if self.columns is not None:
            signatures = np.empty((len(texts), self.num_perm), np.uint32)
            kernel.sign(out[:filled], bounds, *coefficients(self.num_perm), signatures)
            kernel.bands(signatures, self.columns, self.keys[here], self.coarse[here])

    def _put(self, here: slice, exact: Hashes, bounds: Bounds, shingles: Hashes) -> None:
        with self._lock:
            begun = self._filled
            self._filled += len(shingles)
            if self._filled > len(self._shingles):
                # The system moves large arrays without copying, and room that was never written to costs nothing.
                self._shingles.resize(self._filled + (self._filled >> 1), refcheck=False)
            self._shingles[begun : self._filled] = shingles
        self.exact[here], self.starts[here], self.ends[here] = exact, bounds[:-1] + begun, bounds[1:] + begun


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
