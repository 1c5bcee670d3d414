"""events.jsonl: what happened, one JSON object a line; and the same events to whoever listens."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from datagen.core.errors import from_os_error

Listener = Callable[[Mapping[str, Any]], None]


class Events:
    """An append-only log. Nothing is written until the first event that says work was done, so that
    a run that finds everything done leaves the file as it was.

    Args:
        path: of ``events.jsonl``; None keeps no file.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: IO[str] | None = None
        self._waiting: list[str] = []
        self._lock = threading.Lock()
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Call ``listener`` with each event, in the thread that made it."""
        self._listeners.append(listener)

    def emit(self, event: str, *, work: bool = False, **fields: Any) -> None:
        """Log one event.

        Args:
            event: its name, as in ``"shard"``.
            work: True if something was done that was not done before.
            fields: JSON values.

        Raises:
            DatagenError: the file cannot be written.
        """
        entry = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **fields}
        with self._lock:
            if self._path is not None:
                self._waiting.append(json.dumps(entry, ensure_ascii=False, default=str))
                if work or self._file is not None:
                    self._flush()
        for listener in self._listeners:
            listener(entry)

    def _flush(self) -> None:
        assert self._path is not None
        try:
            if self._file is None:
                self._file = self._path.open("a", encoding="utf-8", errors="backslashreplace")
            lines, self._waiting = self._waiting, []
            self._file.write("".join(line + "\n" for line in lines))
            self._file.flush()
        except OSError as error:
            raise from_os_error(error, "write events.jsonl") from error

    @property
    def worked(self) -> bool:
        """Was any work logged?"""
        return self._file is not None

    def close(self) -> None:
        """Close the file. Never raises: what is lost is a log line, not data."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            if self._file is not None:
                self._file.close()
