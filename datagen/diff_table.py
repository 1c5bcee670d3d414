"""What is held of a sample while two sets are compared: hashes, outcome and scores, never its text."""

from __future__ import annotations

import hashlib
import math
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

KEPT = ""
"""The outcome of what has no verdict."""
OTHER = "(other)"
"""Stands for reasons beyond the first :data:`MAX_OUTCOMES`."""
MAX_OUTCOMES = 1_000
MAX_CRITERIA = 32
SCORE = "score"
"""The weighted mean, which is held as the first criterion."""
_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio: spreads small numbers over all bits


def key(*parts: str) -> int:
    """BLAKE2b (RFC 7693) of texts in 64 bits, never 0. Two of 200,000 samples agree by chance once in 10**9 times."""
    seen = hashlib.blake2b(digest_size=8)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        seen.update(len(data).to_bytes(8, "big"))
        seen.update(data)
    return int.from_bytes(seen.digest(), "big") or 1


class Table:
    """Columns of numbers, one row a sample: ``34 + 4 × criteria`` bytes each, the mean score among them.

    Attributes:
        names: of outcomes, by their code; the first is :data:`KEPT`.
        criteria: names of the columns of scores.
        dropped: were there more criteria than are held?
    """

    def __init__(self) -> None:
        self._ids, self._texts, self._contents, self._places = array("Q"), array("Q"), array("Q"), array("Q")
        self._outcomes = array("H")
        self._scores: dict[str, array[float]] = {SCORE: array("f")}
        self.names: list[str] = [KEPT]
        self._codes: dict[str, int] = {KEPT: 0}
        self.dropped = False

    def __len__(self) -> int:
        return len(self._ids)

    def add(
        self,
        identity: int,
        *,
        text: int = 0,
        content: int = 0,
        outcome: str = KEPT,
        score: float | None = None,
        scores: Mapping[str, float] | None = None,
        place: int = 0,
    ) -> None:
        """Add a sample.

        Args:
            identity: what makes it the same sample elsewhere, from :func:`key`.
            text: of its instruction; 0 where it has none.
            content: of all that is compared of what it says.
            outcome: the reason of its verdict, or :data:`KEPT`.
            score, scores: finite numbers.
            place: where to find it again, 64 bits.
        """
        at = len(self._ids)
        self._ids.append(identity)
        self._texts.append(text)
        self._contents.append(content)
        self._places.append(place)
        self._outcomes.append(self._code(outcome))
        for name in scores or {}:
            if name not in self._scores:
                if len(self._scores) > MAX_CRITERIA:
                    self.dropped = True
                    continue
                self._scores[name] = array("f", [math.nan]) * at
        for name, column in self._scores.items():
            value = score if name == SCORE else (scores or {}).get(name)
            column.append(math.nan if value is None else value)

    def _code(self, outcome: str) -> int:
        code = self._codes.get(outcome)
        if code is None:
            if len(self.names) >= MAX_OUTCOMES and outcome != OTHER:
                return self._code(OTHER)
            code = self._codes[outcome] = len(self.names)
            self.names.append(outcome)
        return code

    @property
    def criteria(self) -> list[str]:
        """Names of the columns of scores that a table has, the mean first."""
        return list(self._scores)

    @property
    def ids(self) -> NDArray[np.uint64]:
        """(n,) identities."""
        return np.frombuffer(self._ids, np.uint64)

    @property
    def texts(self) -> NDArray[np.uint64]:
        """(n,) keys of the instructions, 0 where there is none."""
        return np.frombuffer(self._texts, np.uint64)

    @property
    def contents(self) -> NDArray[np.uint64]:
        """(n,) keys of the contents."""
        return np.frombuffer(self._contents, np.uint64)

    @property
    def places(self) -> NDArray[np.uint64]:
        """(n,) places."""
        return np.frombuffer(self._places, np.uint64)

    @property
    def outcomes(self) -> NDArray[np.uint16]:
        """(n,) codes of outcomes, 0 where kept."""
        return np.frombuffer(self._outcomes, np.uint16)

    def scores(self, criterion: str) -> NDArray[np.float32]:
        """(n,) scores, NaN where there is none."""
        column = self._scores.get(criterion)
        return np.full(len(self), math.nan, np.float32) if column is None else np.frombuffer(column, np.float32)

    def reasons(self, rows: NDArray[np.intp] | None = None) -> Counter[str]:
        """Outcomes counted, of all rows or of some; :data:`KEPT` among them."""
        codes = self.outcomes if rows is None else self.outcomes[rows]
        counts = np.bincount(codes, minlength=len(self.names))
        return Counter({name: int(n) for name, n in zip(self.names, counts, strict=True) if n})

    def nbytes(self) -> int:
        """Bytes of all columns, without what arrays keep in reserve."""
        whole = (self._ids, self._texts, self._contents, self._places, self._outcomes)
        scores = self._scores.values()
        return sum(len(c) * c.itemsize for c in whole) + sum(len(c) * c.itemsize for c in scores)


@dataclass(frozen=True)
class Matched:
    """Which rows of two tables are the same sample.

    Attributes:
        a, b: (n,) rows of the pairs: first the ``by_id`` with the same identity, then those with the same instruction.
        only_a, only_b: the other rows, ascending.
    """

    a: NDArray[np.intp]
    b: NDArray[np.intp]
    by_id: int
    only_a: NDArray[np.intp]
    only_b: NDArray[np.intp]


def match(a: Table, b: Table) -> Matched:
    """Pair the rows of two tables, by identity, then by instruction; of rows that agree, the first with the first."""
    rows_a, rows_b = _pairs(a.ids, b.ids)
    left_a, left_b = _rest(len(a), rows_a), _rest(len(b), rows_b)
    with_a, with_b = left_a[a.texts[left_a] != 0], left_b[b.texts[left_b] != 0]
    more_a, more_b = _pairs(a.texts[with_a], b.texts[with_b])
    all_a, all_b = np.concatenate([rows_a, with_a[more_a]]), np.concatenate([rows_b, with_b[more_b]])
    return Matched(all_a, all_b, len(rows_a), _rest(len(a), all_a), _rest(len(b), all_b))


def _rest(size: int, taken: NDArray[np.intp]) -> NDArray[np.intp]:
    free = np.ones(size, bool)
    free[taken] = False
    return np.flatnonzero(free)


def _pairs(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    _, rows_a, rows_b = np.intersect1d(_numbered(a), _numbered(b), return_indices=True)
    return rows_a, rows_b


def _numbered(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Keys of which no two agree: the second of equal ones becomes another one, the same on both sides."""
    order = np.argsort(keys, kind="stable")
    held = keys[order]
    starts = np.flatnonzero(np.concatenate([[True], held[1:] != held[:-1]])) if len(held) else np.zeros(0, np.intp)
    number = np.arange(len(held)) - np.repeat(starts, np.diff(np.append(starts, len(held))))
    out: NDArray[np.uint64] = np.empty_like(keys)
    out[order] = held + number.astype(np.uint64) * _ODD
    return out


def finite(value: Any) -> float | None:
    """A number that float32 can hold, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -1e30 < value < 1e30 else None
