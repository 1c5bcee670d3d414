"""Rows of numbers in a temporary file without a name, read as if they were in memory."""

from __future__ import annotations

import mmap
import os
import tempfile
import weakref
from typing import IO

import numpy as np
import numpy.typing as npt

from datagen.core.errors import from_os_error

_FIRST = 1 << 20  # bytes of address space at first; doubled as needed (the file itself has no more than was written)


class Spool:
    """Bytes that are appended to, in steps of eight, and read through a map of the file.

    What was read lately lies in the system's page cache, which it takes back when memory is short.
    """

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._mapped = 0
        self.size = 0  # bytes
        self.numbers: npt.NDArray[np.uint64] = np.zeros(0, np.uint64)
        self.bytes: npt.NDArray[np.uint8] = np.zeros(0, np.uint8)

    def append(self, data: bytes) -> None:
        """Add bytes, a multiple of eight.

        Raises:
            DatagenError: the disk is full, or there is no place for temporary files.
        """
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  (closed with this object)
                weakref.finalize(self, self._file.close)
            rest = memoryview(data)
            while rest:
                rest = rest[os.pwrite(self._file.fileno(), rest, self.size + len(data) - len(rest)) :]
            self.size += len(data)
            if self.size > self._mapped:
                self._mapped = max(_FIRST, 2 * self.size)
                os.ftruncate(self._file.fileno(), self._mapped)
                view = mmap.mmap(self._file.fileno(), self._mapped, access=mmap.ACCESS_READ)
                self.bytes = np.frombuffer(view, np.uint8)
                self.numbers = np.frombuffer(view, np.uint64)
        except OSError as error:
            raise from_os_error(error, "write the temporary file of the duplicate search") from error
