"""Connections to one SQLite file for many threads: each has one of its own while it works, so that none waits for
another but where SQLite itself lets one write at a time."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator


class Connections:
    """Open connections that nobody uses just now, and how to open one more.

    Args:
        connect: opens one that may be used from any thread. The first is opened at once.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._free = [connect()]
        self._closed = False

    @contextlib.contextmanager
    def one(self) -> Iterator[sqlite3.Connection]:
        """A connection for the length of the block. Raises sqlite3.Error where none can be opened."""
        with self._lock:
            held = self._free.pop() if self._free else None
        db = held or self._connect()
        try:
            yield db
        finally:
            with self._lock:
                if self._closed:
                    db.close()
                else:
                    self._free.append(db)

    def close(self) -> None:
        """Close them all; those in use as soon as they are given back."""
        with self._lock:
            self._closed = True
            for db in self._free:
                db.close()
            self._free.clear()
