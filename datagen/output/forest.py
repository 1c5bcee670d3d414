"""Conversations that begin alike, brought together as trees: on disk, for there may be many."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datagen.core.files import TEMPORARY
from datagen.core.record import Sample
from datagen.output.formats_base import Row
from datagen.output.formats_tree import thread, tree_of
from datagen.output.text import json_line


class Forest:
    """The samples of one split. Memory: 16 bytes a sample, and at the end one tree.

    Args:
        folder: where they wait, in a file that a later start removes if the process is killed.
        name: of the file that the trees are for.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f".{name}.threads{TEMPORARY}"
        self._keys = array("Q")
        self._starts = array("Q")
        self._end = 0
        self._waiting = bytearray()

    def add(self, sample: Sample) -> None:
        """Take a sample. Raises CannotHold, and OSError."""
        told = thread(sample)
        line = json_line(told)
        opening = told["said"][0].encode()
        self._keys.append(int.from_bytes(hashlib.blake2b(opening, digest_size=8).digest()))
        self._starts.append(self._end)
        self._end += len(line)
        self._waiting += line
        if len(self._waiting) >= 65_536:
            self._flush()

    def _flush(self) -> None:
        with self.path.open("ab") as file:
            file.write(self._waiting)
        self._waiting.clear()

    def trees(self) -> Iterator[Row]:
        """The trees, in the order of their first samples. Raises OSError."""
        import numpy as np

        self._flush()
        order = np.argsort(np.asarray(self._keys), kind="stable")
        keys = np.asarray(self._keys)[order]
        cuts = np.flatnonzero(np.diff(keys)) + 1
        alike = sorted((group for group in np.split(order, cuts) if len(group)), key=lambda group: int(group[0]))
        with self.path.open("rb") as file:
            for group in alike:
                found: dict[str, list[dict[str, Any]]] = {}  # two openings may have the same hash
                for number in group:
                    file.seek(self._starts[int(number)])
                    told = json.loads(file.readline())
                    found.setdefault(told["said"][0], []).append(told)
                yield from map(tree_of, found.values())

    def remove(self) -> None:
        """Remove the waiting file."""
        self.path.unlink(missing_ok=True)
