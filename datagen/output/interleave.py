"""Rows of several groups in one order, each group spread evenly over the whole: training sees no group in a block."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from datagen.core.files import TEMPORARY

Group = tuple[str, str]  # recipe, family
MOST_GROUPS = 64
"""Groups kept apart; what comes in a further one joins the last."""
_BUFFER = 32_768  # bytes a group in memory


def evenly(sizes: Sequence[int]) -> Iterator[int]:
    """The order in which to take from groups: their numbers, each as often as its size says.

    After any ``t`` of all ``N`` steps a group of size ``s`` was taken fewer than one time more or less than
    ``s * t / N`` (R. Tijdeman 1980, "The chairman assignment problem", whose rule this is: of the groups that
    lag by enough, the one that would soonest lag too far).
    """
    total, groups = sum(sizes), [i for i, size in enumerate(sizes) if size]
    if len(groups) < 2:
        for i in groups:
            yield from [i] * sizes[i]
        return
    slack = 2 * len(groups) - 2
    lag = dict.fromkeys(groups, 0)  # size * t - taken * total: integers, so that no rounding decides
    for _ in range(total):
        best, best_number = -1, 0
        for i in groups:
            lag[i] += sizes[i]
            if slack * lag[i] >= total:
                number = total * (slack - 1) - slack * lag[i]  # divided by the size: steps until it lags too far
                if best < 0 or number * sizes[best] < best_number * sizes[i]:
                    best, best_number = i, number
        lag[best] -= total
        yield best


class Spool:
    """Lines that wait on disk, by group, until all are known. Memory: a small buffer a group.

    Args:
        folder: where the waiting files are; their names end so that a later start removes what a killed
            process left.
        name: of the file that the lines are for.
        lines: that belong together, each time.
    """

    def __init__(self, folder: Path, name: str, lines: int = 1) -> None:
        self.folder, self.name, self.lines = folder, name.replace("/", "-"), lines
        self._order: dict[Group, int] = {}
        self._sizes: list[int] = []
        self._buffers: list[bytearray] = []

    def __len__(self) -> int:
        """How many times :meth:`put` was called."""
        return sum(self._sizes)

    def put(self, group: Group, data: bytes) -> None:
        """Take ``data``: as many lines as belong together, each with its end. Raises OSError."""
        number = self._order.get(group)
        if number is None:
            number = self._order[group] = min(len(self._sizes), MOST_GROUPS - 1)
            if number == len(self._sizes):
                self._sizes.append(0)
                self._buffers.append(bytearray())
        self._sizes[number] += 1
        self._buffers[number] += data
        if len(self._buffers[number]) >= _BUFFER:
            self._flush(number)

    def _path(self, number: int) -> Path:
        return self.folder / f".{self.name}.rows-{number}{TEMPORARY}"

    def _flush(self, number: int) -> None:
        with self._path(number).open("ab") as file:
            file.write(self._buffers[number])
        self._buffers[number].clear()

    def merged(self) -> Iterator[bytes]:
        """What was put, interleaved: in each group in its order. Raises OSError."""
        with contextlib.ExitStack() as stack:
            files = []
            for number in range(len(self._sizes)):
                self._flush(number)
                files.append(stack.enter_context(self._path(number).open("rb")))
            for number in evenly(self._sizes):
                yield b"".join(files[number].readline() for _ in range(self.lines))

    def remove(self) -> None:
        """Remove the waiting files."""
        for number in range(len(self._sizes)):
            self._path(number).unlink(missing_ok=True)
