"""Vectors of texts by their words alone, for what is compared where there is no embedding model.

Feature hashing: K. Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", 2009. Inverse document
frequency: K. Spärck Jones, "A statistical interpretation of term specificity", 1972.
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from curation.words import normalise, pieces, vocabulary

DIMENSION = 512
WORDS = 1 << 18  # hashes told apart when their frequency is counted
LONGEST = 20_000  # characters of a text that are read
_BLOCK = 4096


class LexicalVectors:
    """Takes texts in, batch by batch, then gives their vectors. What it holds lies in a temporary file."""

    def __init__(self) -> None:
        self._held = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the texts are needed
        self._ends = array("q", [0])
        self._frequency = np.zeros(WORDS, np.int64)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def add(self, texts: Sequence[str]) -> None:
        """Note the words of more texts."""
        for text in texts:
            table = vocabulary()
            numbers = table.numbers(pieces(normalise(text[:LONGEST])))
            hashes = table.hashes[numbers[table.holds[numbers]]]
            words, counts = np.unique(hashes, return_counts=True)
            np.add.at(self._frequency, _bucket(words), 1)
            self._held.write(words.astype("<u8").tobytes())
            self._held.write(np.minimum(counts, 0xFFFF).astype("<u2").tobytes())
            self._ends.append(self._ends[-1] + len(words))

    def matrix(self) -> npt.NDArray[np.float16]:
        """(n, 512) unit rows; zeros for a text without words.

        A word counts (1 + log of how often it is there) × (1 + log of texts / texts that have it), in the place and
        with the sign that its hash gives.
        """
        weight = np.log((len(self) + 1) / (self._frequency + 1)) + 1
        out = np.zeros((len(self), DIMENSION), np.float16)
        self._held.seek(0)
        for begin in range(0, len(self), _BLOCK):
            end = min(begin + _BLOCK, len(self))
            block = np.zeros((end - begin, DIMENSION), np.float32)
            for row in range(begin, end):
                size = self._ends[row + 1] - self._ends[row]
                words: npt.NDArray[Any] = np.frombuffer(self._held.read(8 * size), "<u8")
                counts = np.frombuffer(self._held.read(2 * size), "<u2")
                value = (1 + np.log(counts.astype(np.float32))) * weight[_bucket(words)]
                sign = np.where((words >> np.uint64(40)) & np.uint64(1), 1.0, -1.0)
                place = ((words >> np.uint64(20)) % np.uint64(DIMENSION)).astype(np.int64)
                np.add.at(block[row - begin], place, value * sign)
            norms = np.linalg.norm(block, axis=1, keepdims=True)
            np.divide(block, norms, out=block, where=norms > 0)
            out[begin:end] = block
        return out


def _bucket(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    return (words % np.uint64(WORDS)).astype(np.int64)
