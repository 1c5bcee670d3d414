"""A streaming index that says which earlier texts a text is a near-copy of.

Candidates come from locality-sensitive hashing of MinHash signatures in bands (Leskovec, Rajaraman
and Ullman, "Mining of Massive Datasets", section 3.4), cut so fine that a true pair is missed once
in five hundred times or less; each candidate is then checked by the exact Jaccard index of the
shingle hashes, so a pair that is reported is true.
"""

from __future__ import annotations

import functools
import os
import struct
import tempfile
import weakref
from array import array
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Literal

import numpy as np
import numpy.typing as npt

from curation.minhash import Sketched, jaccard, mix, unpack
from curation.words import Hashes
from datagen.core.errors import from_os_error

MISSED = 0.002  # of the pairs that are just at the threshold, the share that bands may not find
MAX_BUCKET = 1000  # earliest texts of one bucket that are looked at
MAX_CHECKED = 200  # candidates of one text that are compared exactly, those that share most bands first
_BATCH = 1000  # texts looked up together
_ROW = struct.Struct("<16s8sHxxI")  # hash of the text, of what must agree; bytes of its name; shingles
_LOW = np.uint64(32)
_IDS = np.uint64(0xFFFFFFFF)


@dataclass(frozen=True, slots=True)
class Match:
    """An earlier text that a text is a copy of.

    Attributes:
        name: the earlier text's.
        similarity: Jaccard index of the shingles; 1.0 for equal texts.
        method: ``exact`` where the normalised texts are equal, else ``minhash``.
    """

    name: str
    similarity: float
    method: Literal["exact", "minhash"]


@functools.lru_cache(maxsize=32)
def bands(threshold: float, num_perm: int) -> tuple[int, int]:
    """Bands and rows a band: the most rows with which a pair at ``threshold`` is missed at most :data:`MISSED` times.

    A pair of similarity s is found with probability 1 - (1 - s^rows)^bands. 128 permutations give
    21 bands of 6 at 0.8 and 32 of 4 at 0.7.
    """
    best = (num_perm, 1)
    for rows in range(2, num_perm + 1):
        count = num_perm // rows
        if (1 - threshold**rows) ** count <= MISSED:
            best = (count, rows)
    return best


class Index:
    """Texts seen so far.

    Memory: 8 bytes a text and band (and one band more, for equal texts) plus 20, that is 196 bytes a
    text at 0.8; up to twice that for a moment while tables are merged. Names and shingle hashes
    lie in a temporary file without a name, 32 bytes and 8 a shingle for each text.

    Args:
        threshold: least Jaccard index of a pair, in (0, 1].
        num_perm: permutations of the sketches.
        guard: texts whose numbers, negations or comparisons differ are no pair.
        every: report all earlier texts that match, not one; and remember also texts that match
            (but of equal texts only the first). Otherwise a text that matches is forgotten.
    """

    def __init__(self, threshold: float, num_perm: int = 128, *, guard: bool = False, every: bool = False) -> None:
        self.threshold = threshold
        self.num_perm = num_perm
        self.bands, self.rows = bands(threshold, num_perm)
        self._guard = guard
        self._every = every
        self._offsets = array("Q", [0])
        # What rules most candidates out without reading them: questions of one pattern share many bands.
        self._sizes = array("I")
        self._agree = array("Q")
        self._tables: list[Hashes] = []  # sorted (key << 32 | number), older ones before newer ones
        self._file: IO[bytes] | None = None

    def __len__(self) -> int:
        """Texts remembered."""
        return len(self._offsets) - 1

    @property
    def memory(self) -> int:
        """Bytes held in memory between calls."""
        arrays = (self._offsets, self._sizes, self._agree)
        return sum(t.nbytes for t in self._tables) + sum(a.itemsize * len(a) for a in arrays)

    def add(self, sketches: Sequence[bytes], names: Sequence[str]) -> list[list[Match]]:
        """Look texts up and remember them, one after the other: a text can match one of the same call.

        Args:
            sketches: from :mod:`curation.minhash`.
            names: one a text, at most 65,535 bytes.

        Returns:
            For each text its matches: none, or one (the first found among those that share most), or
            with ``every`` all, by descending number of common bands.

        Raises:
            ValueError: a sketch has another number of permutations, or is none.
            DatagenError: no room for the temporary file.
        """
        out: list[list[Match]] = []
        for i in range(0, len(sketches), _BATCH):
            batch = [unpack(data) for data in sketches[i : i + _BATCH]]
            out += self._add(batch, names[i : i + _BATCH])
        return out

    def _add(self, batch: Sequence[Sketched], names: Sequence[str]) -> list[list[Match]]:
        keys = self._keys(batch)
        room = np.full(keys.shape, MAX_BUCKET, np.int64)
        earlier = self._earlier(keys, room)
        _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
        shared = counts[inverse.reshape(keys.shape)] > 1
        buckets: defaultdict[int, list[int]] = defaultdict(list)
        fresh: dict[int, int] = {}  # number → place in the batch
        out: list[list[Match]] = []
        for place, text in enumerate(batch):
            mine = [(int(keys[place, b]), int(room[place, b])) for b in np.flatnonzero(shared[place]).tolist()]
            near = [number for key, left in mine if key in buckets for number in buckets[key][:left]]
            found: list[Match] = []
            if near or place in earlier:
                candidates = np.concatenate([*earlier.get(place, []), np.array(near, np.int64)])
                found = self._verify(text, candidates, batch, names, fresh)
            out.append(found)
            if not found or (self._every and found[0].method != "exact"):
                number = len(self) + len(fresh)
                fresh[number] = place
                for key, _ in mine:
                    buckets[key].append(number)
        self._remember(batch, names, keys, fresh)
        return out

    def _keys(self, batch: Sequence[Sketched]) -> Hashes:
        """(texts, bands + 1) keys of 32 bits, in the upper half; the last is of the text itself."""
        if any(len(text.signature) != self.num_perm for text in batch):
            raise ValueError(f"the sketches do not have {self.num_perm} permutations")
        signatures = np.stack([text.signature for text in batch]).astype(np.uint64)
        used = signatures[:, : self.bands * self.rows].reshape(len(batch), self.bands, self.rows)
        value = np.zeros((len(batch), self.bands + 1), np.uint64)
        for k in range(self.rows):
            value[:, :-1] = mix(value[:, :-1] + used[:, :, k] + np.uint64(1))
        value[:, -1] = np.frombuffer(b"".join(text.exact[:8] for text in batch), "<u8")
        value = mix(value + np.arange(self.bands + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
        keys: Hashes = value >> _LOW << _LOW
        return keys

    def _earlier(self, keys: Hashes, room: npt.NDArray[np.int64]) -> dict[int, list[npt.NDArray[np.int64]]]:
        """For each text of a batch the numbers of remembered texts in its buckets, once a bucket.

        ``room`` is how many may still be taken of each bucket, and is lowered by what was.
        """
        out: defaultdict[int, list[npt.NDArray[np.int64]]] = defaultdict(list)
        for table in self._tables:
            first = np.searchsorted(table, keys)
            count = np.minimum(np.searchsorted(table, keys | _IDS, "right") - first, room)
            room -= count
            for place in np.flatnonzero(count.any(axis=1)).tolist():
                hits = np.flatnonzero(count[place]).tolist()
                spans = [table[first[place, b] : first[place, b] + count[place, b]] & _IDS for b in hits]
                out[place].append(np.concatenate(spans).astype(np.int64))
        return out

    def _verify(
        self,
        text: Sketched,
        candidates: npt.NDArray[np.int64],
        batch: Sequence[Sketched],
        names: Sequence[str],
        fresh: dict[int, int],
    ) -> list[Match]:
        numbers, common = np.unique(candidates, return_counts=True)
        order = np.lexsort((numbers, -common))[:MAX_CHECKED]
        found: list[Match] = []
        for number in self._possible(text, numbers[order]):
            if number in fresh:
                other = batch[fresh[number]]
                name, exact, agree, shingles = names[fresh[number]], other.exact, other.agree, other.shingles
            else:
                name, exact, agree, shingles = self._read(number)
            if exact == text.exact:
                return [Match(name, 1.0, "exact")]
            fewer, more = sorted((len(shingles), len(text.shingles)))
            if fewer < self.threshold * more or (self._guard and agree != text.agree):
                continue
            similarity = jaccard(shingles, text.shingles)
            if similarity >= self.threshold:
                found.append(Match(name, similarity, "minhash"))
                if not self._every:
                    break
        return found

    def _possible(self, text: Sketched, numbers: npt.NDArray[np.int64]) -> list[int]:
        """The numbers without those of remembered texts whose size or numbers and negations rule a pair out."""
        possible = np.ones(len(numbers), np.bool_)
        known = numbers < len(self)  # the others are of the same batch, at hand anyway
        if known.any():
            own = len(text.shingles)
            sizes = np.frombuffer(self._sizes, np.uint32)[numbers[known]]
            fits = np.minimum(sizes, own) >= self.threshold * np.maximum(sizes, own)
            if self._guard:
                fits &= np.frombuffer(self._agree, np.uint64)[numbers[known]] == int.from_bytes(text.agree, "little")
            possible[known] = fits
        left: list[int] = numbers[possible].tolist()
        return left

    def _read(self, number: int) -> tuple[str, bytes, bytes, Hashes]:
        assert self._file is not None
        start, end = self._offsets[number], self._offsets[number + 1]
        try:
            row = os.pread(self._file.fileno(), end - start, start)
        except OSError as error:
            raise from_os_error(error, "read the temporary file of the duplicate search") from error
        exact, agree, named, count = _ROW.unpack_from(row)
        name = row[_ROW.size : _ROW.size + named].decode("utf-8", "surrogatepass")
        return name, exact, agree, np.frombuffer(row, "<u8", count, len(row) - 8 * count)

    def _remember(self, batch: Sequence[Sketched], names: Sequence[str], keys: Hashes, fresh: dict[int, int]) -> None:
        if not fresh:
            return
        rows: list[bytes] = []
        for place in fresh.values():
            text, name = batch[place], names[place].encode("utf-8", "surrogatepass")
            row = _ROW.pack(text.exact, text.agree, len(name), len(text.shingles)) + name + text.shingles.tobytes()
            self._offsets.append(self._offsets[-1] + len(row))
            self._sizes.append(len(text.shingles))
            self._agree.append(int.from_bytes(text.agree, "little"))
            rows.append(row)
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  (closed with the index)
                weakref.finalize(self, self._file.close)
            data = memoryview(b"".join(rows))
            while data:
                data = data[self._file.write(data) :]
        except OSError as error:
            raise from_os_error(error, "write the temporary file of the duplicate search") from error
        places = np.fromiter(fresh.values(), np.int64, len(fresh))
        numbers = np.fromiter(fresh, np.uint64, len(fresh))
        self._tables.append(np.sort((keys[places] | numbers[:, None]).ravel()))
        while len(self._tables) > 1 and len(self._tables[-2]) <= 2 * len(self._tables[-1]):
            merged = np.concatenate((self._tables[-2], self._tables[-1]))
            merged.sort(kind="stable")  # of two sorted runs: a merge
            self._tables[-2:] = [merged]
