"""Several files that appear together, or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO

from datagen.core.files import TEMPORARY


class Staged:
    """Writes files beside their places; they are renamed when the block ends well, and removed otherwise.

    Only one file is open at a time, so their number has no limit. Raises OSError as the system gives it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._waiting: list[tuple[Path, Path]] = []

    def __enter__(self) -> Staged:
        return self

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Open the file that will be called ``name``; on the disk when the block ends."""
        target = self.folder / name
        temporary = self.folder / f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}{TEMPORARY}"
        self._waiting.append((temporary, target))
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if kind is None:
                for temporary, target in self._waiting:
                    target.parent.mkdir(exist_ok=True)
                    temporary.replace(target)
        finally:
            for temporary, _ in self._waiting:
                with contextlib.suppress(OSError):
                    temporary.unlink()
