"""The stage that reads files: one document a file, in order, with a verdict where a file cannot be read."""

from __future__ import annotations

import atexit
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from importlib import metadata
from typing import Any

from datagen.core.hashing import sha256
from datagen.core.record import AnyRecord, Document, SourceFile, Turn, Verdict
from datagen.core.stage import Map, Shard
from datagen.sources import files
from datagen.sources.chats import recognise
from datagen.sources.config import ChatConfig, SourcesConfig
from datagen.sources.parsed import ChatOptions, Options, Parsed, Unreadable
from datagen.sources.pool import Pool
from datagen.sources.readers import KINDS

LIBRARIES = (
    "charset-normalizer",
    "docutils",
    "lxml",
    "pypdfium2",
    "python-oxmsg",
)  # another version may read otherwise
_MOST_READERS = 4  # reading is quick beside everything after it; more processes would only take memory


class Load(Map):
    """Reads each :class:`SourceFile` of a shard into a :class:`Document`.

    The reading is done by child processes (see :mod:`datagen.sources.pool`) that all stages of this
    process share. A file that cannot be read gives a document without text whose verdict has the stage
    ``load`` and one of the reasons ``password``, ``damaged``, ``image_only``, ``binary``, ``too_large``,
    ``empty``, ``timeout``, ``out_of_memory``, ``unknown_encoding``, ``changed``, ``missing``, ``crashed``, and
    for chats ``me_not_found``.

    Args:
        config: which files, and the limits of reading them.
        chat: with a name in ``me``, files are looked at as chat exports first.
    """

    name = "load"
    version = 1
    produces = "document"
    waits = True

    def __init__(self, config: SourcesConfig, chat: ChatConfig = ChatConfig()) -> None:
        self.config = config
        fields = {role: path for role, path in chat.fields if path}
        self.chat = ChatOptions(chat.me, chat.drop, fields) if chat.me.strip() else None

    def fingerprint(self) -> dict[str, Any]:
        """Limits, the fields that hold text, and each reader's and library's version.

        Time and memory are among the limits: a file given up at one limit must be tried again at another.
        """
        chat = {"chat": {**asdict(self.chat), "version": recognise.VERSION}} if self.chat else {}
        return {
            **chat,
            "max_bytes": self.config.max_bytes,
            "max_text": self.config.max_text,
            "timeout_s": self.config.timeout_s,
            "memory_mb": self.config.memory_mb,
            "text_fields": list(self.config.text_fields),
            "readers": {name: kind.version for name, kind in KINDS.items()},
            "libraries": {name: metadata.version(name) for name in LIBRARIES},
        }

    def run(self, shard: Shard) -> list[AnyRecord]:
        """One record for each one in; what is not a :class:`SourceFile` passes through."""
        size = _size(self.config)
        if len(shard) < 2 or size < 2:
            return [self._one(record) for record in shard]
        with ThreadPoolExecutor(min(size, len(shard)), "load") as threads:
            return list(threads.map(self._one, shard))

    def _one(self, record: AnyRecord) -> AnyRecord:
        if not isinstance(record, SourceFile):
            return record
        known = {"path": record.path, "sha256": record.sha256, "kind": record.kind, "split": record.split}
        try:
            parsed = self._read(record)
        except Unreadable as error:
            return Document(**known, verdict=Verdict(stage=self.name, reason=error.reason, evidence=error.evidence))
        turns = tuple(Turn(speaker=who, time=time, start=start, end=end) for who, time, start, end in parsed.turns)
        told = {"text": parsed.text, "format": parsed.format, "pages": parsed.pages, "title": parsed.title}
        return Document.model_validate({**known, **told, "turns": turns, "notes": parsed.notes})

    def _read(self, file: SourceFile) -> Parsed:
        try:
            data = files.read_capped(file.location, self.config.max_bytes)
        except files.TooLarge:
            raise Unreadable("too_large", f"It has more than {self.config.max_bytes:,} bytes.") from None
        except FileNotFoundError:
            raise Unreadable("missing", "It was there when the run began and is gone.") from None
        except OSError as error:
            raise Unreadable("missing", f"It cannot be opened: {error.strerror or error}.") from None
        if sha256(data) != file.sha256:
            raise Unreadable("changed", "Its bytes changed since the run began; run again to take the new ones.")
        options = Options(self.config.max_text, self.config.text_fields, self.chat)
        return shared_pool(self.config).read(file.kind, data, options, self.config.timeout_s)


_pools: dict[tuple[int, int, int], Pool] = {}
_pools_lock = threading.Lock()


def _size(config: SourcesConfig) -> int:
    return config.readers or min(os.cpu_count() or 1, _MOST_READERS)


def shared_pool(config: SourcesConfig) -> Pool:
    """This process's pool for ``config``, made when first asked for and closed at exit or by :func:`close_pools`."""
    key = (os.getpid(), _size(config), config.memory_mb)
    with _pools_lock:
        if key not in _pools:
            _pools[key] = Pool(key[1], key[2])
        return _pools[key]


@atexit.register
def close_pools() -> None:
    """End all reader processes of this process; the next read starts new ones."""
    with _pools_lock:
        mine = [key for key in _pools if key[0] == os.getpid()]
        pools = [_pools.pop(key) for key in mine]
    for pool in pools:
        pool.close()
