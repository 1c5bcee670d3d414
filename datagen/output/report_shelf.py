"""The samples that report.html lets one look through: listed in columns, their texts packed in pages.

Texts wait in a temporary file, so memory does not grow with them. At the end as many as fit the page are chosen, a
fair share of each group, and packed with zlib (RFC 1950), which browsers unpack page by page when it is looked at.
"""

from __future__ import annotations

import base64
import json
import tempfile
import zlib
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from datagen.core.hashing import fraction
from datagen.core.record import Sample
from datagen.core.text import scrub
from datagen.output.report_body import body

LISTED = 200_000
"""Samples that are listed at most; of more, those whose ids come first in an order drawn by hash."""
PACKED_BYTES = 19_000_000
"""Size of the packed texts in the page at most: with all else that it holds, the page stays under 25 MB."""
PAGE_SAMPLES = 100
"""Samples packed together: enough for a good ratio, few enough to be unpacked while one waits for nothing."""
ID_DIGITS = 10
"""First characters of an id by which a listed sample is found: two of a million agree with probability 0.37."""
_IN_MEMORY = 16_000_000  # bytes of waiting texts before they go to disk
_LEVEL = 6  # of zlib: its own balance of time and size
_RECENT = 64  # passages that the next samples may rest on too
_FIT = 0.97  # of the size aimed at in a further try, so that there is no third one

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Packed:
    """What is embedded.

    Attributes:
        columns: JSON, packed: the values of :class:`Shelf` for each listed sample.
        pages: texts of the chosen samples, packed, :data:`PAGE_SAMPLES` each, in the order of the list.
        listed, chosen: how many samples.
    """

    columns: str
    pages: list[str]
    listed: int
    chosen: int

    @property
    def size(self) -> int:
        """Bytes in the page."""
        return len(self.columns) + sum(map(len, self.pages))


class Shelf:
    """Feed it with the samples after the last stage, then :meth:`pack`.

    Memory: about 250 bytes a listed sample, and a buffer; the texts are in a file that nobody else sees.
    """

    def __init__(self, listed: int = LISTED) -> None:
        self._most = listed
        self._below = 1.0  # samples with a greater draw are not listed
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - lives as long as this
        self._end = 0
        self._recent: dict[int, tuple[int, int]] = {}
        self._tables: dict[str, dict[str, int]] = {"path": {}, "outcome": {}, "recipe": {}, "split": {}, "group": {}}
        self._columns: dict[str, array[int]] = {name: array("l") for name in (*self._tables, "score")}
        self._at, self._size, self._passage, self._passage_size = (array("q") for _ in range(4))
        self._draw = array("d")
        self.ids: list[str] = []
        self.seen = 0

    def __len__(self) -> int:
        """Samples listed so far."""
        return len(self.ids)

    def sample(self, sample: Sample) -> None:
        """List a sample and keep its texts."""
        self.seen += 1
        draw = fraction(sample.id)
        if draw >= self._below:
            return
        outcome = sample.verdict.reason if sample.verdict else "kept"
        group = f"{sample.verdict.stage} {outcome}" if sample.verdict else f"{sample.recipe} {sample.split}"
        values = {
            "path": sample.lineage.path,
            "outcome": outcome,
            "recipe": sample.recipe,
            "split": sample.split,
            "group": group,
        }
        for name, value in values.items():
            table = self._tables[name]
            self._columns[name].append(table.setdefault(scrub(value), len(table)))
        self._columns["score"].append(-1 if sample.score is None else round(100 * sample.score))
        told, passage = body(sample)
        at, size = self._remembered(passage)
        text = _bytes(told)
        self._at.append(self._write(text))
        self._size.append(len(text))
        self._passage.append(at)
        self._passage_size.append(size)
        self._draw.append(draw)
        self.ids.append(sample.id)
        if len(self.ids) >= 2 * self._most:
            self._thin()

    def _remembered(self, passage: Any) -> tuple[int, int]:
        text = _bytes(passage)
        key = hash(text)
        if key not in self._recent:
            if len(self._recent) >= _RECENT:
                del self._recent[next(iter(self._recent))]
            self._recent[key] = (self._write(text), len(text))
        return self._recent[key]

    def _write(self, data: bytes) -> int:
        at = self._end
        self._file.seek(at)
        self._file.write(data)
        self._end += len(data)
        return at

    def _thin(self) -> None:
        """Leave the :attr:`_most` samples with the least draws."""
        draws = np.array(self._draw)
        left = np.sort(np.argsort(draws, kind="stable")[: self._most])
        self._below = float(draws[left].max())
        arrays: list[Any] = [
            *self._columns.values(),
            self._at,
            self._size,
            self._passage,
            self._passage_size,
            self._draw,
        ]
        for held in arrays:
            values = np.array(held)[left]
            del held[:]
            held.frombytes(values.tobytes())
        self.ids = [self.ids[i] for i in left]

    def pack(self, rows: Mapping[str, Sequence[tuple[int, int]]] | None = None, most: int = PACKED_BYTES) -> Packed:
        """Choose and pack.

        Args:
            rows: file → for each listed sample, in order, its first row in it from 1 and how many, or (0, 0).
            most: bytes of the packed texts.
        """
        if len(self) > self._most:
            self._thin()
        chosen = np.arange(len(self), dtype=np.int64)
        aim = float(self._sizes().sum())
        pages: list[str] = []
        if aim > most:  # it may fit nevertheless: look at a part first
            ratio = self._ratio()
            aim, chosen = self._fair(most / ratio * _FIT) if aim * ratio > most else (aim, chosen)
        for _ in range(8):
            pages = self._pages(chosen)
            size = sum(map(len, pages))
            if size <= most:
                break
            aim, chosen = self._fair(aim * most / size * _FIT)
        else:
            chosen, pages = chosen[:0], []
        return Packed(self._listing(chosen, rows or {}), pages, len(self), len(chosen))

    def _sizes(self) -> npt.NDArray[np.float64]:
        """Bytes of each sample with its passage, which may be shared."""
        sizes: npt.NDArray[np.float64] = np.array(self._size, float) + np.array(self._passage_size, float)
        return sizes

    def _ratio(self) -> float:
        """Packed bytes for a byte of :meth:`_sizes`, seen on pages spread over the list."""
        starts = range(0, len(self), max(PAGE_SAMPLES, len(self) // 12 // PAGE_SAMPLES * PAGE_SAMPLES))
        held = np.concatenate([np.arange(s, min(s + PAGE_SAMPLES, len(self))) for s in starts])
        return sum(map(len, self._pages(held))) / float(self._sizes()[held].sum())

    def _fair(self, aim: float) -> tuple[float, Places]:
        """Samples of together ``aim`` bytes: the first by draw of each group in turn."""
        group, draw = np.array(self._columns["group"]), np.array(self._draw)
        order = np.lexsort((draw, group))
        begins = np.r_[True, group[order][1:] != group[order][:-1]]
        starts = np.flatnonzero(begins)
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order)) - starts[np.cumsum(begins) - 1]
        turn = np.lexsort((draw, rank))
        fits = int(np.searchsorted(np.cumsum(self._sizes()[turn]), aim, side="right"))
        return aim, np.sort(turn[:fits]).astype(np.int64)

    def _pages(self, chosen: Places) -> list[str]:
        return [_pack(self._page(chosen[i : i + PAGE_SAMPLES])) for i in range(0, len(chosen), PAGE_SAMPLES)]

    def _page(self, places: Places) -> bytes:
        """Passages, which of them each sample rests on, and the samples, as JSON."""
        numbers: dict[int, int] = {}
        passages, samples = [], []
        for i in places:
            at = self._passage[i]
            if at not in numbers:
                numbers[at] = len(numbers)
                passages.append(self._read(at, self._passage_size[i]))
            samples.append(self._read(self._at[i], self._size[i]))
        rests = [numbers[self._passage[i]] for i in places]
        parts = (b'{"passages":[', b",".join(passages), b'],"rests":', _bytes(rests))
        return b"".join((*parts, b',"samples":[', b",".join(samples), b"]}"))

    def _read(self, at: int, size: int) -> bytes:
        self._file.seek(at)
        return self._file.read(size)

    def _listing(self, chosen: Places, rows: Mapping[str, Sequence[tuple[int, int]]]) -> str:
        packed = np.full(len(self), -1, np.int64)
        packed[chosen] = np.arange(len(chosen))
        named = {name: list(table) for name, table in self._tables.items() if name != "group"}
        columns = {name: list(column) for name, column in self._columns.items() if name != "group"}
        files = {
            scrub(name): {"lines": max((n for _, n in found), default=1) or 1, "at": [at for at, _ in found]}
            for name, found in rows.items()
        }
        ids = [scrub(name[:ID_DIGITS]) for name in self.ids]
        sizes = {"page": PAGE_SAMPLES, "digits": ID_DIGITS}
        whole = {"names": named, **columns, "id": ids, "packed": packed.tolist(), "files": files, **sizes}
        return _pack(_bytes(whole))


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def _bytes(value: Any) -> bytes:
    return scrub(_encode(value)).encode()


def _pack(data: bytes) -> str:
    return base64.urlsafe_b64encode(zlib.compress(data, _LEVEL)).decode()  # no "//": nothing looks like an address
