"""Samples of one side of a split that later ones of the other side are compared with."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from curation.lexical.spool import Spool
from curation.minhash import shingle_all
from curation.words import Hashes
from datagen.core.record import Split

COMMON = 20  # samples that may share an n-gram before it says nothing of one of them
MOST_GRAMS = 2000  # of a text, those with the least hashes, that are remembered
_OWNER = np.uint64(32)  # bits of an entry that say whose it is; the others are of the n-gram's hash
_ROWS = 16_384  # vectors read at once


@dataclass(frozen=True, slots=True)
class Held:
    """A sample as it is remembered: its id, its split, and the text by which it is compared."""

    id: str
    split: Split
    text: str


class Earlier:
    """What is remembered of the samples of one side.

    Memory: 8 bytes for each n-gram of a sample (at most :data:`MOST_GRAMS`; twice that while they are merged) and 17
    more. Texts, ids and vectors lie in temporary files without names, mapped into memory. An n-gram that more than
    :data:`COMMON` samples hold is kept that often alone.
    """

    def __init__(self) -> None:
        self._runs: list[Hashes] = []  # ascending; each more than twice as long as the next
        self._texts, self._rows = Spool(), Spool()
        self._places = array("q", [0])
        self._splits = bytearray()
        self._marks: dict[Split, int] = {}
        self._width = 0  # bytes of a vector
        self._with_row = array("I")  # whose each vector is

    def __len__(self) -> int:
        return len(self._splits)

    def add(self, samples: Sequence[Held], grams: Sequence[Hashes], vectors: Sequence[bytes | None]) -> None:
        """Remember samples.

        Raises:
            DatagenError: no room for the temporary files.
        """
        begun = len(self)
        for sample, vector in zip(samples, vectors, strict=True):
            parts = [part.encode("utf-8", "surrogatepass") for part in (sample.id, sample.text)]
            data = len(parts[0]).to_bytes(4, "little") + len(parts[1]).to_bytes(4, "little") + b"".join(parts)
            self._texts.append(data + bytes(-len(data) % 8))
            self._places.append(self._texts.size)
            mark = self._marks.setdefault(sample.split, len(self._marks))
            if vector is not None and self._fits(vector):
                self._rows.append(vector + bytes(-len(vector) % 8))
                self._with_row.append(len(self))
            self._splits.append(mark)
        least = [part[:MOST_GRAMS] for part in grams]
        owners = np.repeat(np.arange(begun, len(self), dtype=np.uint64), [len(part) for part in least])
        if len(owners):
            entries = (_upper(np.concatenate(least)) << _OWNER) | owners
            entries.sort()
            self._merge(entries)

    def held(self, place: int) -> Held:
        """A remembered sample."""
        begin = self._places[place]
        data = self._texts.bytes[begin : self._places[place + 1]].tobytes()
        named, size = int.from_bytes(data[:4], "little"), int.from_bytes(data[4:8], "little")
        texts = (data[8 : 8 + named], data[8 + named : 8 + named + size])
        split = next(split for split, mark in self._marks.items() if mark == self._splits[place])
        return Held(texts[0].decode("utf-8", "surrogatepass"), split, texts[1].decode("utf-8", "surrogatepass"))

    def sharing(self, grams: Sequence[Hashes], most: int) -> list[list[int]]:
        """For each text, by its n-grams, the samples that share the most of them, at most ``most``; of equal ones
        the first. n-grams that too many hold do not count."""
        sizes = [len(part) for part in grams]
        if not self._runs or not sum(sizes):
            return [[] for _ in grams]
        wanted = _upper(np.concatenate(grams))
        texts = np.repeat(np.arange(len(grams)), sizes)
        telling = self._counted(wanted) <= COMMON
        wanted, texts = wanted[telling], texts[telling]
        pairs: list[npt.NDArray[np.int64]] = []
        for run in self._runs:
            low, high = _bounds(run, wanted)
            counts = high - low
            begins = np.repeat(low - np.concatenate(([0], np.cumsum(counts)[:-1])), counts)
            owners = run[begins + np.arange(counts.sum())].astype(np.uint32).astype(np.int64)
            pairs.append(np.repeat(texts, counts) * len(self) + owners)
        found, times = np.unique(np.concatenate(pairs), return_counts=True)
        of, place = found // len(self), found % len(self)
        order = np.lexsort((place, -times, of))
        out: list[list[int]] = [[] for _ in grams]
        for text, sample in zip(of[order].tolist(), place[order].tolist(), strict=True):
            if len(out[text]) < most:
                out[text].append(sample)
        return out

    def common(self, grams: Hashes) -> npt.NDArray[np.bool_]:
        """Whether too many samples hold each n-gram for it to say anything."""
        return self._counted(_upper(grams)) > COMMON

    def nearest(self, vectors: Sequence[bytes | None], most: int, least: float) -> list[list[tuple[int, float]]]:
        """For each vector the samples whose vectors have the greatest cosines with it, of at least ``least``."""
        out: list[list[tuple[int, float]]] = [[] for _ in vectors]
        asking = [i for i, vector in enumerate(vectors) if vector is not None and len(vector) == self._width]
        if not asking or not len(self._with_row):
            return out
        rows = np.frombuffer(b"".join(vectors[i] or b"" for i in asking), "<f2").reshape(len(asking), -1)
        asked = rows.astype(np.float32)
        stride = self._width + -self._width % 8
        whole = self._rows.bytes[: len(self._with_row) * stride].reshape(-1, stride)[:, : self._width]
        owners = np.frombuffer(self._with_row, np.uint32)
        for low in range(0, len(whole), _ROWS):
            block = np.ascontiguousarray(whole[low : low + _ROWS]).view("<f2").astype(np.float32)
            with np.errstate(invalid="ignore", over="ignore"):  # what is no number is near nothing
                cosines = asked @ block.T
            for row, column in zip(*np.nonzero(cosines >= least), strict=True):
                out[asking[row]].append((int(owners[low + column]), float(cosines[row, column])))
            for i in asking:
                out[i] = sorted(out[i], key=lambda pair: (-pair[1], pair[0]))[:most]
        return out

    def _fits(self, vector: bytes) -> bool:
        if not vector or len(vector) % 2:
            return False
        self._width = self._width or len(vector)
        return len(vector) == self._width

    def _merge(self, entries: Hashes) -> None:
        self._runs.append(entries)
        while len(self._runs) > 1 and len(self._runs[-2]) <= 2 * len(self._runs[-1]):
            both = np.concatenate((self._runs.pop(-2), self._runs.pop()))
            both.sort(kind="stable")  # two sorted runs: a merge
            upper = both >> _OWNER
            # The entry COMMON places before has the same hash: enough of them say that it is a common one.
            kept = np.ones(len(both), np.bool_)
            kept[COMMON + 1 :] = upper[COMMON + 1 :] != upper[: -COMMON - 1]
            self._runs.append(both[kept])

    def _counted(self, wanted: Hashes) -> npt.NDArray[np.int64]:
        """How many samples hold each n-gram; beyond :data:`COMMON` more than that."""
        found = np.zeros(len(wanted), np.int64)
        for run in self._runs:
            low, high = _bounds(run, wanted)
            found += high - low
        return found


def grams_of(texts: Sequence[str], ngram: int) -> list[Hashes]:
    """The n-grams of each text, as ascending 64-bit hashes (see :mod:`curation.minhash`)."""
    out: list[Hashes] = []
    for batch in shingle_all(texts, ngram):
        shingles = np.asarray(batch.shingles, np.uint64)
        bounds = zip(batch.bounds[:-1].tolist(), batch.bounds[1:].tolist(), strict=True)
        out += [shingles[a:b] for a, b in bounds]
    return out


def _upper(grams: Hashes) -> Hashes:
    return grams >> np.uint64(32)


def _bounds(run: Hashes, wanted: Hashes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Where the entries of each n-gram begin and end."""
    low = np.searchsorted(run, wanted << _OWNER, "left")
    return low, np.searchsorted(run, (wanted << _OWNER) | np.uint64(0xFFFFFFFF), "right")
