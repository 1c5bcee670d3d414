"""Every paid answer is kept: the call log, and the layer that looks there before asking."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import to_json

from datagen.core.errors import DatagenError, StoppedEarly, UsageError
from datagen.core.hashing import canonical
from datagen.core.record import Record
from datagen.llm.backend import Backend, CallFailed, Reply, Request

_SCHEMA = """
CREATE TABLE calls(
    key TEXT PRIMARY KEY, purpose TEXT NOT NULL, model TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, attempts INTEGER NOT NULL,
    created REAL NOT NULL, finish TEXT NOT NULL, refusal TEXT NOT NULL, text TEXT NOT NULL,
    request BLOB NOT NULL
);
CREATE TABLE notes(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
# Of the few replies that have more than a text: their further choices and log-probabilities; and which replies
# came at the price of a batch. Logs of earlier versions lack a table; it is added when they are opened for writing.
_EXTRAS = """
CREATE TABLE IF NOT EXISTS extras(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batched(key TEXT PRIMARY KEY) WITHOUT ROWID;
"""
_EXTRA_FIELDS = {"choices", "finishes", "logprobs"}
# Folding the write-ahead log into the file waits for the disk, and the loop with it: do it seldom.
_CHECKPOINT_PAGES = 8000  # of 4 KiB
_INSERT = "INSERT OR IGNORE INTO calls VALUES(?,?,?,?,?,?,?,?,?,?,?)"
_SELECT = (
    "SELECT text, finish, refusal, prompt_tokens, completion_tokens, attempts, value "
    "FROM calls LEFT JOIN extras USING(key) WHERE key=?"
)
_SELECT_EARLIER = _SELECT.replace("value", "NULL").replace("LEFT JOIN extras USING(key) ", "")
_TOTALS = (
    "SELECT purpose, model, batched.key IS NOT NULL, count(*), sum(prompt_tokens), sum(completion_tokens) "
    "FROM calls LEFT JOIN batched USING(key) GROUP BY 1, 2, 3"
)
_TOTALS_EARLIER = _TOTALS.replace("batched.key IS NOT NULL", "0").replace("LEFT JOIN batched USING(key) ", "")
_SIZES = "SELECT purpose, model, prompt_tokens, completion_tokens FROM calls ORDER BY created, rowid"


class Total(Record):
    """What one model was asked for one purpose, over the whole log.

    Attributes:
        calls: replies kept; prompt_tokens, completion_tokens: as billed.
        batched: they came through a Batch API, at its price.
    """

    purpose: str
    model: str
    calls: int
    prompt_tokens: int
    completion_tokens: int
    batched: bool = False


class Seen(NamedTuple):
    """One call as somebody asked for it.

    Attributes:
        prompt_tokens, completion_tokens: as billed.
        seconds: from the question to the answer; None where it was in the log already.
    """

    purpose: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float | None = None


class CallLog:
    """Accepted replies by call key, and a few notes about endpoints, in one SQLite file.

    The file is in write-ahead mode (https://www.sqlite.org/wal.html) with ``synchronous=NORMAL``: a
    reply is safe from a killed process when :meth:`put` returns, and readers never wait. Opening an
    existing log writes nothing; closing it leaves the file alone. May be used from several threads.

    Args:
        path: the file; "" keeps the log in memory.
        read_only: for looking on while a run writes.

    Attributes:
        seen: a list to be given each call that is asked for through :class:`Cached`, or None.

    Raises:
        UsageError: there is no such file (read-only), or it is not a call log, or not writable.
        StoppedEarly: the disk is full.
    """

    def __init__(self, path: Path | str, *, read_only: bool = False) -> None:
        self.path = Path(path) if path else None
        self._lock = threading.Lock()
        self._totals: dict[tuple[str, str, bool], list[int]] | None = None
        self.seen: list[Seen] | None = None
        with self._explained():
            self._db = self._open(read_only)

    def get(self, key: str) -> Reply | None:
        """The reply kept for a key, with ``cached`` set, or None."""
        try:
            with self._lock:
                row = self._db.execute(self._select, (key,)).fetchone()
        except sqlite3.Error as error:
            raise _explain(error, str(self.path or "in memory")) from error
        if row is None:
            return None
        text, finish, refusal, prompt_tokens, completion_tokens, attempts, extra = row
        return Reply(
            key=key,
            text=text,
            finish=finish,
            refusal=refusal,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            attempts=attempts,
            cached=True,
            **(json.loads(zlib.decompress(extra)) if extra else {}),
        )

    def put(self, request: Request, reply: Reply, *, batched: bool = False) -> None:
        """Keep a reply. It is committed when this returns; a key already there keeps its first reply."""
        row = (
            reply.key,
            request.purpose,
            request.model,
            reply.prompt_tokens,
            reply.completion_tokens,
            reply.attempts,
            time.time(),
            reply.finish,
            reply.refusal,
            reply.text,
            _compressed(as_json(request)),
        )
        extra = _extra(reply)
        with self._lock:
            try:
                if extra is None and not batched:
                    added = self._db.execute(_INSERT, row).rowcount
                else:
                    added = self._insert_all(row, extra, batched)
            except sqlite3.Error as error:
                raise _explain(error, str(self.path or "in memory")) from error
            if added and self._totals is not None:
                key = (request.purpose, request.model, batched)
                _add(self._totals, key, 1, reply.prompt_tokens, reply.completion_tokens)

    def request(self, key: str) -> Request | None:
        """The request that a kept reply answers, or None."""
        with self._lock, self._explained():
            row = self._db.execute("SELECT request FROM calls WHERE key=?", (key,)).fetchone()
        return None if row is None else Request.model_validate_json(zlib.decompress(row[0]))

    def totals(self) -> tuple[Total, ...]:
        """Calls and tokens by purpose, model and price, sorted. Cheap: counted once, then kept up to date."""
        with self._lock, self._explained():
            if self._totals is None:
                self._totals = {}
                for purpose, model, batched, *counts in self._db.execute(self._sums):
                    _add(self._totals, (purpose, model, bool(batched)), *counts)
            found = sorted(self._totals.items())
        return tuple(
            Total(purpose=p, model=m, calls=n, prompt_tokens=i, completion_tokens=o, batched=b)
            for (p, m, b), (n, i, o) in found
        )

    def calls(self) -> list[Seen]:
        """Every kept reply, in the order of arrival."""
        with self._lock, self._explained():
            return [Seen(*row) for row in self._db.execute(_SIZES)]

    def note(self, name: str) -> str | None:
        """A note, or None."""
        with self._lock, self._explained():
            row = self._db.execute("SELECT value FROM notes WHERE name=?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def notes(self, prefix: str) -> list[tuple[str, str]]:
        """All notes whose name begins so, sorted by name."""
        with self._lock, self._explained():
            rows = self._db.execute("SELECT name, value FROM notes ORDER BY name").fetchall()
        return [(name, value) for name, value in rows if name.startswith(prefix)]

    def set_note(self, name: str, value: str) -> None:
        """Keep a note; nothing is written where it is there already."""
        if self.note(name) != value:
            with self._lock, self._explained():
                self._db.execute("INSERT OR REPLACE INTO notes VALUES(?,?)", (name, value))

    @contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        """The open file, for further tables that belong beside the replies; no other thread uses it meanwhile."""
        with self._lock, self._explained():
            yield self._db

    def close(self) -> None:
        """Close the file; the last one to close it folds the write-ahead log into it."""
        with self._lock, self._explained():
            self._db.close()

    def __enter__(self) -> CallLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self, read_only: bool) -> sqlite3.Connection:
        if self.path is None:
            target, uri = ":memory:", False
        elif read_only:
            # Where no process has the log open there is no write-ahead file. A read-only connection
            # would create one and could not remove it, so the file is then read as unchangeable.
            waiting = Path(f"{self.path}-wal").exists()
            target, uri = f"{self.path.absolute().as_uri()}?{'' if waiting else 'immutable=1&'}mode=ro", True
        else:
            target, uri = str(self.path), False
        db = sqlite3.connect(target, uri=uri, timeout=30, isolation_level=None, check_same_thread=False)
        try:
            if not read_only:
                if db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                    db.execute("PRAGMA journal_mode=WAL")
                db.execute("PRAGMA synchronous=NORMAL")
                db.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
            if db.execute("SELECT 1 FROM sqlite_master WHERE name='notes'").fetchone() is None and not read_only:
                db.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}{_EXTRAS}COMMIT;")
            found = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")}
            if not read_only and not {"extras", "batched"} <= found:
                db.executescript(f"BEGIN IMMEDIATE;{_EXTRAS}COMMIT;")
            self._select = _SELECT if "extras" in found or not read_only else _SELECT_EARLIER
            self._sums = _TOTALS if "batched" in found or not read_only else _TOTALS_EARLIER
        except BaseException:
            db.close()
            raise
        return db

    def _insert_all(self, row: tuple[Any, ...], extra: bytes | None, batched: bool) -> int:
        """A reply without its extras would be taken for one that had none: all or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            added = self._db.execute(_INSERT, row).rowcount
            if added and extra is not None:
                self._db.execute("INSERT OR REPLACE INTO extras VALUES(?,?)", (row[0], extra))
            if added and batched:
                self._db.execute("INSERT OR IGNORE INTO batched VALUES(?)", (row[0],))
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        return added

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say database errors in the project's three parts."""
        try:
            yield
        except sqlite3.Error as error:
            raise _explain(error, str(self.path or "in memory")) from error


class Cached:
    """Looks into the call log before asking, and keeps every reply before handing it on.

    Identical requests that are under way at the same time become one; those who joined it get
    the kept reply, with ``cached`` set. Use from one event loop.

    Args:
        inner: who is asked.
        log: where replies are kept.
        on_error: told when a reply cannot be kept (the disk is full), so that nothing more is
            asked and paid for.
    """

    def __init__(
        self, inner: Backend, log: CallLog, on_error: Callable[[DatagenError], None] = lambda error: None
    ) -> None:
        self.inner = inner
        self.log = log
        self._on_error = on_error
        self._under_way: dict[str, asyncio.Future[CallFailed | None]] = {}

    async def complete(self, request: Request) -> Reply:
        """As :meth:`Backend.complete <datagen.llm.backend.Backend.complete>`."""
        key = request.key()
        while True:
            kept = self.log.get(key)
            if kept is not None:
                self._note(request, kept)
                return kept
            other = self._under_way.get(key)
            if other is None:
                return await self._ask(key, request)
            await asyncio.wait([other])
            # Cancelled, or stopped by an error that concerns all: whoever is next asks again.
            if not other.cancelled() and (failed := other.result()) is not None:
                raise CallFailed(failed.key, failed.reason, failed.attempts, failed.raw)

    async def _ask(self, key: str, request: Request) -> Reply:
        done: asyncio.Future[CallFailed | None] = asyncio.get_running_loop().create_future()
        self._under_way[key] = done
        failed: CallFailed | None = None
        begun = asyncio.get_running_loop().time()
        try:
            reply = await self.inner.complete(request)
            self._keep(request, reply)
            self._note(request, reply, asyncio.get_running_loop().time() - begun)
        except CallFailed as error:
            failed = error
            raise
        except BaseException:
            done.cancel()
            raise
        finally:
            del self._under_way[key]
            if not done.done():
                done.set_result(failed)
        return reply

    def _note(self, request: Request, reply: Reply, seconds: float | None = None) -> None:
        if self.log.seen is not None:
            sizes = reply.prompt_tokens, reply.completion_tokens
            self.log.seen.append(Seen(request.purpose, request.model, *sizes, seconds))

    def _keep(self, request: Request, reply: Reply) -> None:
        try:
            self.log.put(request, reply)
        except DatagenError as error:
            self._on_error(error)
            raise


def _extra(reply: Reply) -> bytes | None:
    if not (reply.choices or reply.logprobs):
        return None
    return _compressed(canonical(reply.model_dump(include=_EXTRA_FIELDS)).encode())


def _compressed(data: bytes) -> bytes:
    """As ``zlib.compress`` with its lowest level. A request is short, and a small window is quicker to set up."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 12, 6)
    return packer.compress(data) + packer.flush()


def as_json(request: Request) -> bytes:
    """A request as the log keeps it, before it is compressed."""
    try:
        return to_json(request)
    except ValueError:  # a lone surrogate, which was sent as "?" too
        return canonical(request.model_dump()).encode("utf-8", "replace")


def _add(totals: dict[tuple[str, str, bool], list[int]], key: tuple[str, str, bool], *counts: int) -> None:
    entry = totals.setdefault(key, [0, 0, 0])
    for place, count in enumerate(counts):
        entry[place] += count


def _explain(error: sqlite3.Error, path: str) -> DatagenError:
    code = getattr(error, "sqlite_errorname", "") or ""
    doing = f"Could not use the call log {path}."
    if code.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return StoppedEarly(
            f"Could not write the call log {path}.",
            f"The disk is full or fails ({error}).",
            "Free some space and run the same command again: every reply so far is kept.",
        )
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return UsageError(doing, "Another process is writing to it.", "Wait until that process has ended.")
    if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return UsageError(doing, f"It is damaged or no call log ({error}).", "Move it away, or choose another --out.")
    if code.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")):
        return UsageError(
            doing, f"It is not there or not writable ({error}).", "Choose a folder you can write to with --out."
        )
    return UsageError(doing, f"SQLite says: {error}.", "Move it away, or choose another --out.")
