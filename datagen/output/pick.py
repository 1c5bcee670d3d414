"""Choosing a few of many in one pass, by keys that depend on the records alone: a run shows the same ones again."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


def _key(entry: tuple[Any, ...]) -> tuple[Any, ...]:
    return entry[:-1]


class Least(Generic[T]):
    """Keeps the ``most`` items with the least keys; equal keys in their order of arrival."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._entries: list[tuple[Any, int, T]] = []
        self._seen = 0

    def offer(self, key: Any, make: Callable[[], T]) -> bool:
        """Take an item if it is among the least; ``make`` is called only then. True if the count grew."""
        self._seen += 1
        full = len(self._entries) >= self.most
        if full and (self.most == 0 or not key < self._entries[-1][0]):
            return False
        if full:
            self._entries.pop()
        insort(self._entries, (key, self._seen, make()), key=_key)
        return not full

    def __iter__(self) -> Iterator[T]:
        return (entry[2] for entry in self._entries)

    def __len__(self) -> int:
        return len(self._entries)
