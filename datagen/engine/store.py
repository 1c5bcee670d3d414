"""The run folder: a lock, and shards named by what made them.

``RUN/<segment>/<shard>.parquet`` exists or does not; that is the whole state of a run.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from datagen.core.errors import StoppedEarly, UsageError, from_os_error
from datagen.core.files import atomic, remove_temporary
from datagen.core.record import AnyRecord, Chunk, Document, Failure, Sample, Task

LOCK = ".lock"
HOLDS: dict[str, tuple[type, ...]] = {
    "document": (Document,),
    "chunk": (Chunk,),
    "task": (Task,),
    "sample": (Sample, Failure, Task),
}


class Store:
    """Shards below one run folder. Cheap to make; pickles, so that workers get their own.

    Args:
        root: the run folder; made on the first write.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, folder: str, name: str) -> Path:
        """Where a shard is or will be."""
        return self.root / folder / f"{name}.parquet"

    def has(self, folder: str, name: str) -> bool:
        """Is that work done?"""
        return self.path(folder, name).is_file()

    def write(self, folder: str, name: str, records: Sequence[AnyRecord]) -> None:
        """Write a shard whole or not at all.

        Raises:
            DatagenError: disk full (resumable) or a folder that cannot be written.
        """
        from datagen.engine import codec

        data = codec.to_parquet(records)
        path = self.path(folder, name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic(path) as file:
                file.write(data)
        except OSError as error:
            raise from_os_error(error, "write a shard of the run") from error

    def read(self, folder: str, name: str, produces: str = "") -> list[AnyRecord]:
        """Read a shard.

        Args:
            folder, name: of the shard.
            produces: the kind of record it must hold, a key of :data:`HOLDS`; "" takes any.

        Raises:
            DatagenError: the file is damaged or holds another kind of record (it is set aside, so that
                the next run makes it again), missing, or the system refuses to read it.
        """
        from datagen.engine import codec

        path = self.path(folder, name)
        try:
            records = codec.from_parquet(path)
            if produces and not all(isinstance(record, HOLDS[produces]) for record in records):
                raise ValueError(f"it holds other records than {produces}s")
            return records
        except MemoryError:
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno not in (None, errno.ENOENT):
                raise from_os_error(error, "read a shard of the run") from error
            with contextlib.suppress(OSError):
                path.replace(path.with_suffix(".damaged"))
            raise StoppedEarly(
                f"Could not read the shard {folder}/{path.name}.",
                f"It is missing or damaged ({type(error).__name__}).",
                "Run `datagen run` again on the same folder: it makes what is missing again.",
            ) from error

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run folder for one process; also clears what a killed one left unfinished.

        Raises:
            UsageError: another process holds it, or the folder cannot be written.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.root / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise from_os_error(error, "open the run folder") from error
        try:
            _lock(handle, self.root)
            remove_temporary(self.root)
            yield
        finally:
            os.close(handle)  # closing releases the lock

    def is_locked(self) -> bool:
        """Is a process at work on this folder right now?"""
        try:
            handle = os.open(self.root / LOCK, os.O_RDWR)
        except OSError:
            return False
        try:
            _lock(handle, self.root)
        except UsageError:
            return True
        finally:
            os.close(handle)
        return False


def _lock(handle: int, root: Path) -> None:
    for _ in range(5):  # `datagen status` holds it for an instant to see whether it is free
        with contextlib.suppress(UsageError):
            return _lock_once(handle, root)
        time.sleep(0.02)
    return _lock_once(handle, root)


def _lock_once(handle: int, root: Path) -> None:
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise UsageError(
            f"The run folder {root} is in use.",
            "Another datagen process is working on it.",
            f"Wait for it (`datagen status {root}` shows how far it is), or choose another folder with --out.",
        ) from error
