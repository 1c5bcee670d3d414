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

    def shrink(self, most: int) -> None:
        """Give up the items with the greatest keys until at most ``most`` are left."""
        self.most = most
        del self._entries[most:]

    def __iter__(self) -> Iterator[T]:
        return (entry[2] for entry in self._entries)

    def __len__(self) -> int:
        return len(self._entries)


class Fair(Generic[T]):
    """Keeps at most ``most`` items and gives each group as equal a share as its size allows.

    When there are too many, the largest group gives up its item with the greatest key. The level to
    which the largest groups are cut only falls as items come in, so an item once given up is never
    missed: the outcome is the max-min fair share of each group, filled with its least keys.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._groups: dict[str, Least[T]] = {}
        self._total = 0

    def offer(self, group: str, key: Any, make: Callable[[], T]) -> None:
        """Take an item if it has a place; ``make`` is called only if it is worth a look."""
        kept = self._groups.setdefault(group, Least(self.most + 1))
        level = max(map(len, self._groups.values()))
        cut = self._total >= self.most and len(kept) == level
        kept.most = level if cut else self.most + 1
        self._total += kept.offer(key, make)
        self.shrink(self.most)

    def shrink(self, most: int) -> None:
        """Give up items until at most ``most`` are left."""
        self.most = most
        while self._total > most:
            largest = self._groups[max(self._groups, key=lambda name: (len(self._groups[name]), name))]
            largest.shrink(len(largest) - 1)
            self._total -= 1

    def __iter__(self) -> Iterator[T]:
        for name in sorted(self._groups):
            yield from self._groups[name]

    def __len__(self) -> int:
        return self._total
