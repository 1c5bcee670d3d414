"""A streaming index that says which earlier texts a text is a near-copy of.

Candidates come from bands of MinHash signatures (:mod:`curation.lexical.bands`); each is then checked by the exact
Jaccard index of the shingle hashes, so a pair that is reported is true.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from curation.lexical import bands, rows
from curation.lexical.engine import SMALL, can_compile
from curation.lexical.spool import Spool
from curation.minhash import BEGINS, HEADER, jaccard, unpack
from curation.words import Hashes

MAX_MATCHES = 64  # of one text, of which the guard is asked
_BATCH = 2000  # texts looked up together
_TAIL = struct.Struct("<II")  # bytes of a name, of a text

Guard = Callable[[str, str], str]


@dataclass(frozen=True, slots=True)
class Match:
    """An earlier text that a text is a copy of.

    Attributes:
        number: the earlier text's, counted from 0 in the order of remembering.
        name: the earlier text's.
        similarity: Jaccard index of the shingles; 1.0 for equal texts.
        method: ``exact`` where the normalised texts are equal, ``distinct_facts`` where the guard spared them,
            else ``minhash``.
    """

    number: int
    name: str
    similarity: float
    method: Literal["exact", "minhash", "distinct_facts"]


@dataclass(slots=True, eq=False)
class _Batch:
    """Rows to be looked up. ``keys`` has one column more than there are bands: of the text itself."""

    exact: Hashes
    bounds: npt.NDArray[np.int64]
    shingles: Hashes
    keys: npt.NDArray[np.uint32]
    coarse: npt.NDArray[np.uint8]
    fresh: npt.NDArray[np.int32]  # places of those remembered, in order
    filled: int = 0

    def row(self, place: int) -> Hashes:
        return self.shingles[self.bounds[place] : self.bounds[place + 1]]


class _Engine(Protocol):
    """Looks up a batch from ``at`` on until a text matches: its place (or n), matches' numbers and similarities
    (2.0: equal), in the order of finding. With ``insert`` the first is remembered without looking."""

    def advance(self, batch: _Batch, at: int, insert: bool) -> tuple[int, list[int], list[float]]: ...


class Index:
    """Texts seen so far.

    Memory: 14 bytes a text and band (and one band more, for equal texts) on average, up to 24 just before tables
    are doubled, and 36 more: about 500 bytes a text at 0.8. Shingle hashes, names and (for the guard) texts lie in
    a temporary file without a name, mapped into memory; up to :data:`~curation.lexical.engine.SMALL` texts are
    looked up without compiled code.

    Args:
        threshold: least Jaccard index of a pair, in (0, 1].
        num_perm: permutations of the sketches.
        guard: says what fact two texts differ in, "" for none (:func:`curation.negations.distinct`); those that
            differ in one are no pair. None: not asked.
        every: report all earlier texts that match, not the most similar one, and remember also texts that match
            (but of equal texts only the first). The guard is then asked of equal texts alone: whoever joins pairs asks
            it of those that would join something. Otherwise a text that matches is forgotten.
    """

    def __init__(
        self, threshold: float, num_perm: int = 128, *, guard: Guard | None = None, every: bool = False
    ) -> None:
        self.threshold = threshold
        self.num_perm = num_perm
        self.columns = bands.columns(threshold, num_perm)
        self.least = bands.least_equal(threshold, num_perm)
        self.width = -(-num_perm // 8)  # of a coarse signature, in numbers of eight bytes
        self.spool = Spool()
        self.exacts: Hashes = np.zeros((256, 2), np.uint64)
        self.starts: npt.NDArray[np.int64] = np.zeros(256, np.int64)
        self.sizes: npt.NDArray[np.int32] = np.zeros(256, np.int32)
        self._guard = guard
        self._every = every
        self._count = 0
        self._engine: _Engine = _Plain(self)

    def __len__(self) -> int:
        """Texts remembered."""
        return self._count

    def add(self, sketches: Sequence[bytes], names: Sequence[str], texts: Sequence[str] = ()) -> list[list[Match]]:
        """Look texts up and remember them, one after the other: a text can match one of the same call.

        Args:
            sketches: from :mod:`curation.minhash`.
            names: one a text.
            texts: themselves; needed where there is a guard.

        Returns:
            For each text its matches: none, or the most similar (of these the first), or with ``every`` up to
            :data:`MAX_MATCHES`, most similar first, and those spared by the guard.

        Raises:
            ValueError: a sketch has another number of permutations, or is none.
            DatagenError: no room for the temporary file.
        """
        out: list[list[Match]] = []
        for i in range(0, len(sketches), _BATCH):
            stop = i + _BATCH
            out += self._add(self._read(sketches[i:stop]), names[i:stop], texts[i:stop])
        return out

    def _read(self, sketches: Sequence[bytes]) -> _Batch:
        """A batch of sketches, taken apart together."""
        head, wanted = HEADER.size + 4 * self.num_perm, struct.pack("<H", self.num_perm)
        for data in sketches:
            if data[:3] != BEGINS or data[4:6] != wanted or len(data) < head or (len(data) - head) % 8:
                unpack(data)  # says what is wrong with it, if it is no sketch at all
                raise ValueError(f"the sketches do not have {self.num_perm} permutations")
        heads = np.frombuffer(b"".join(data[:head] for data in sketches), np.uint8).reshape(len(sketches), head)
        exact = heads[:, HEADER.size - 16 : HEADER.size].copy().view(np.uint64)
        signatures = heads[:, HEADER.size :].copy().view(np.uint32)
        sizes = np.fromiter(map(len, sketches), np.int64, len(sketches))
        bounds = np.concatenate(([0], np.cumsum((sizes - head) // 8)))
        shingles = np.frombuffer(b"".join(data[head:] for data in sketches), np.uint64)
        keys, coarse = rows.banded(signatures, self.columns, compiled=isinstance(self._engine, _Compiled))
        own = (exact[:, :1] >> np.uint64(32)).astype(np.uint32)
        return _Batch(exact, bounds, shingles, np.hstack((keys, own)), coarse, np.empty(len(sketches), np.int32))

    def _add(self, batch: _Batch, names: Sequence[str], texts: Sequence[str]) -> list[list[Match]]:
        self._reserve(self._count + len(batch.exact))
        out: list[list[Match]] = [[] for _ in names]
        at, insert = 0, False
        while True:
            at, numbers, values = self._engine.advance(batch, at, insert)
            if at == len(names):
                break
            ranked = sorted(zip(numbers, values, strict=True), key=lambda pair: (-pair[1], pair[0]))
            matches = self._judge(batch, at, ranked, names, texts)
            found = [match for match in matches if match.method != "distinct_facts"]
            out[at] = matches if self._every else found
            insert = not found or (self._every and found[0].method != "exact")
            if not insert:
                at += 1
        self._keep(batch, names, texts)
        if isinstance(self._engine, _Plain) and self._count > SMALL and can_compile():
            self._engine = _Compiled(self, self._engine)
        return out

    def _judge(
        self, batch: _Batch, at: int, ranked: list[tuple[int, float]], names: Sequence[str], texts: Sequence[str]
    ) -> list[Match]:
        matches: list[Match] = []
        for number, value in ranked:
            name, text = self._named(batch, number, names, texts)
            asked = self._guard is not None and (value > 1 or not self._every)
            if asked and self._guard is not None and differs(text, texts[at]) and self._guard(text, texts[at]):
                matches.append(Match(number, name, min(value, 1.0), "distinct_facts"))
                continue
            matches.append(Match(number, name, min(value, 1.0), "exact" if value > 1 else "minhash"))
            if not self._every:
                break
        return matches

    def _named(self, batch: _Batch, number: int, names: Sequence[str], texts: Sequence[str]) -> tuple[str, str]:
        if number >= self._count:
            place = int(batch.fresh[number - self._count])
            return names[place], texts[place] if self._guard is not None else ""
        at = 8 * (int(self.starts[number]) + self.width + int(self.sizes[number]))
        named, size = _TAIL.unpack(self.spool.bytes[at : at + _TAIL.size].tobytes())
        at += _TAIL.size
        both = self.spool.bytes[at : at + named + size].tobytes()
        return both[:named].decode("utf-8", "surrogatepass"), both[named:].decode("utf-8", "surrogatepass")

    def text(self, number: int) -> str:
        """A remembered text; "" where there is no guard."""
        at = 8 * (int(self.starts[number]) + self.width + int(self.sizes[number]))
        named, size = _TAIL.unpack(self.spool.bytes[at : at + _TAIL.size].tobytes())
        at += _TAIL.size + named
        return self.spool.bytes[at : at + size].tobytes().decode("utf-8", "surrogatepass")

    def row(self, number: int) -> tuple[npt.NDArray[np.uint8], Hashes]:
        """Coarse signature and shingles of a remembered text."""
        at = int(self.starts[number])
        coarse = self.spool.bytes[8 * at : 8 * at + self.num_perm]
        at += self.width
        return coarse, self.spool.numbers[at : at + int(self.sizes[number])]

    def _reserve(self, count: int) -> None:
        if count > len(self.sizes):
            room = 2 * count - len(self.sizes)
            self.exacts = np.concatenate((self.exacts, np.zeros((room, 2), np.uint64)))
            self.starts = np.concatenate((self.starts, np.zeros(room, np.int64)))
            self.sizes = np.concatenate((self.sizes, np.zeros(room, np.int32)))

    def _keep(self, batch: _Batch, names: Sequence[str], texts: Sequence[str]) -> None:
        """Write what was remembered of the batch to the temporary file."""
        pad = bytes(8 * self.width - self.num_perm)
        parts: list[bytes] = []
        at = self.spool.size
        for place in batch.fresh[: batch.filled].tolist():
            name = names[place].encode("utf-8", "surrogatepass")
            text = texts[place].encode("utf-8", "surrogatepass") if self._guard is not None else b""
            tail = _TAIL.pack(len(name), len(text)) + name + text
            row = batch.coarse[place].tobytes() + pad + batch.row(place).tobytes() + tail + bytes(-len(tail) % 8)
            self.starts[self._count] = at // 8
            at += len(row)
            self._count += 1
            parts.append(row)
        if parts:
            self.spool.append(b"".join(parts))


def differs(a: str, b: str) -> bool:
    """Is there anything but white space between two texts, so that the guard has to be asked?"""
    return a != b and a.split() != b.split()


class _Plain:
    """Looks up in dictionaries, for few texts."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self.buckets: dict[int, list[int]] = {}  # band << 32 | key → numbers

    def advance(self, batch: _Batch, at: int, insert: bool) -> tuple[int, list[int], list[float]]:
        for place in range(at, len(batch.exact)):
            if not (insert and place == at):
                numbers, values = self._look(batch, place)
                if numbers:
                    return place, numbers, values
            self._remember(batch, place)
        return len(batch.exact), [], []

    def _look(self, batch: _Batch, place: int) -> tuple[list[int], list[float]]:
        index = self.index
        keys = batch.keys[place].tolist()
        last = len(keys) - 1
        for number in self.buckets.get(last << 32 | keys[last], ()):
            if (index.exacts[number] == batch.exact[place]).all():
                return [number], [2.0]
        mine = batch.row(place)
        if not len(mine):
            return [], []
        near: dict[int, None] = {}
        for k, key in enumerate(keys[:last]):
            near.update(dict.fromkeys(self.buckets.get(k << 32 | key, ())))
        numbers: list[int] = []
        values: list[float] = []
        for number in near:
            if number < len(index):
                coarse, row = index.row(number)
            else:
                other = int(batch.fresh[number - len(index)])
                coarse, row = batch.coarse[other], batch.row(other)
            fewer, more = sorted((len(row), len(mine)))
            if fewer < index.threshold * more or np.count_nonzero(coarse == batch.coarse[place]) < index.least:
                continue
            value = jaccard(row, mine)
            if value >= index.threshold:
                numbers.append(number)
                values.append(value)
                if len(numbers) == MAX_MATCHES:
                    break
        return numbers, values

    def _remember(self, batch: _Batch, place: int) -> None:
        index = self.index
        number = len(index) + batch.filled
        batch.fresh[batch.filled] = place
        batch.filled += 1
        index.exacts[number] = batch.exact[place]
        size = batch.bounds[place + 1] - batch.bounds[place]
        index.sizes[number] = size
        keys = batch.keys[place].tolist()
        for k in range(len(keys)) if size else (len(keys) - 1,):
            held = self.buckets.setdefault(k << 32 | keys[k], [])
            if len(held) < bands.MAX_BUCKET:
                held.append(number)


class _Compiled:
    """Looks up in hash tables, by compiled code."""

    def __init__(self, index: Index, before: _Plain) -> None:
        self.index = index
        self.tables: Hashes = np.zeros((len(index.columns) + 1, 1 << 13), np.uint64)
        self.seen: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self.stamp, self._next = 1, 1
        self._numbers = np.zeros(MAX_MATCHES, np.int64)
        self._values = np.zeros(MAX_MATCHES, np.float64)
        kept: list[list[int]] = [[] for _ in self.tables]
        for key, held in before.buckets.items():
            kept[key >> 32] += [(key & 0xFFFFFFFF) << 32 | number + 1 for number in held]
        for band, entries in enumerate(kept):
            self._put(band, np.array(entries, np.uint64))

    def _put(self, band: int, entries: Hashes) -> None:
        """Fill a band's table; texts of one key in the order of their numbers."""
        from curation.lexical import stream

        ordered = entries[np.argsort(entries & np.uint64(0xFFFFFFFF))]
        stream.refill(self.tables[band], ordered, bands.MAX_BUCKET)

    def _reserve(self, count: int) -> None:
        """Tables are at most three quarters full."""
        size = self.tables.shape[1]
        while 4 * count > 3 * size:
            size *= 2
        if size > self.tables.shape[1]:
            old, self.tables = self.tables, np.zeros((len(self.tables), size), np.uint64)
            for band, table in enumerate(old):
                self._put(band, table[table != 0])
        if count > len(self.seen):
            self.seen = np.concatenate((self.seen, np.zeros(2 * count - len(self.seen), np.int64)))

    def advance(self, batch: _Batch, at: int, insert: bool) -> tuple[int, list[int], list[float]]:
        from curation.lexical import stream

        index = self.index
        if at == 0 and not insert:
            self._reserve(len(index) + len(batch.exact))
            self.stamp, self._next = self._next, self._next + len(batch.exact)
        place, found, batch.filled = stream.advance(
            at, insert, batch.keys, batch.exact, batch.coarse, batch.shingles, batch.bounds,
            batch.fresh, batch.filled, len(index),
            self.tables, index.exacts, index.starts, index.sizes, index.spool.numbers, index.spool.bytes, index.width,
            self.seen, self.stamp, index.least, index.threshold, bands.MAX_BUCKET, self._numbers, self._values,
        )  # fmt: skip
        return place, self._numbers[:found].tolist(), self._values[:found].tolist()
