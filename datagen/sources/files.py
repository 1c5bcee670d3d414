"""Opening files of a source folder: regular files only, no links, never more bytes than allowed."""

from __future__ import annotations

import os
import stat

_PIECE = 1 << 20


class NotRegular(OSError):
    """It is a device, a pipe, a socket, a folder or a link."""


class TooLarge(Exception):
    """There were more bytes than allowed, whatever the file's size said."""


def read_capped(location: str | bytes, max_bytes: int) -> bytes:
    """Read a regular file, at most ``max_bytes`` of it; the cap holds while reading, as files grow.

    Raises:
        NotRegular: it is not a regular file (a link put in its place since counts as one).
        TooLarge: it has more than ``max_bytes`` bytes.
        OSError: as the system says.
    """
    # Without O_NONBLOCK, opening a pipe would wait for a writer for ever.
    descriptor = os.open(location, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise NotRegular("not a regular file")
        if status.st_size > max_bytes:
            raise TooLarge
        pieces = []
        left = max_bytes + 1
        while left and (piece := os.read(descriptor, min(_PIECE, left))):
            pieces.append(piece)
            left -= len(piece)
        if not left:
            raise TooLarge
        return b"".join(pieces)
    finally:
        os.close(descriptor)
