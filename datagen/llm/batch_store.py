"""What is under way in batches, kept beside the replies, so that no process loses a paid result by ending."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable, Sequence

from datagen.core.record import Record
from datagen.llm.backend import Request
from datagen.llm.cached import CallLog, as_json

_SCHEMA = """
CREATE TABLE IF NOT EXISTS batches(
    tag TEXT PRIMARY KEY, place TEXT NOT NULL, created REAL NOT NULL, batch TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batch_requests(
    place TEXT NOT NULL, key TEXT NOT NULL, tag TEXT NOT NULL, attempts INTEGER NOT NULL, request BLOB NOT NULL,
    PRIMARY KEY(place, key)
);
CREATE INDEX IF NOT EXISTS batch_requests_of ON batch_requests(tag);
"""
_ENTER = (
    "INSERT INTO batch_requests VALUES(?,?,?,0,?) "
    "ON CONFLICT(place, key) DO UPDATE SET tag=excluded.tag, request=excluded.request"
)


class Submitted(Record):
    """A batch that was begun.

    Attributes:
        tag: ours, in the batch's metadata: by it a batch is found whose creation we did not live to see.
        created: seconds since the epoch, before its file was uploaded.
        batch: the endpoint's id; "" while it is not known.
    """

    tag: str
    created: float
    batch: str = ""


class BatchStore:
    """Two tables in a call log: the batches of an endpoint, and the requests that wait for them.

    Every method is one transaction. May be used from several threads.

    Args:
        log: where the tables are.
        place: the endpoint and the key's variable; others' batches are left alone.
    """

    def __init__(self, log: CallLog, place: str) -> None:
        self._log = log
        self._place = place
        with log.database() as db:
            db.executescript(_SCHEMA)

    def under_way(self) -> list[Submitted]:
        """The batches whose results are not all fetched, oldest first."""
        with self._log.database() as db:
            rows = db.execute("SELECT tag, created, batch FROM batches WHERE place=? ORDER BY created", (self._place,))
            return [Submitted(tag=tag, created=created, batch=batch) for tag, created, batch in rows]

    def keys(self, tag: str) -> set[str]:
        """Keys of the requests of a batch that have no outcome yet."""
        with self._log.database() as db:
            return {key for (key,) in db.execute("SELECT key FROM batch_requests WHERE tag=?", (tag,))}

    def begin(self, tag: str, requests: Sequence[tuple[str, Request]]) -> Submitted:
        """Note a batch, with all its requests, before anything of it is sent."""
        made = Submitted(tag=tag, created=time.time())
        rows = [(self._place, key, tag, zlib.compress(as_json(request), 1)) for key, request in requests]
        with self._log.database() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                db.execute("INSERT INTO batches VALUES(?,?,?,'')", (tag, self._place, made.created))
                db.executemany(_ENTER, rows)
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
        return made

    def name(self, tag: str, batch: str) -> None:
        """Note the endpoint's id of a batch."""
        with self._log.database() as db:
            db.execute("UPDATE batches SET batch=? WHERE tag=?", (batch, tag))

    def request(self, key: str) -> Request | None:
        """The request of a key, or None where it is not under way."""
        with self._log.database() as db:
            row = db.execute(
                "SELECT request FROM batch_requests WHERE place=? AND key=?", (self._place, key)
            ).fetchone()
        return Request.model_validate_json(zlib.decompress(row[0])) if row and row[0] else None

    def attempts(self, key: str) -> int:
        """Batches in which a request came to nothing so far."""
        with self._log.database() as db:
            row = db.execute(
                "SELECT attempts FROM batch_requests WHERE place=? AND key=?", (self._place, key)
            ).fetchone()
        return int(row[0]) if row else 0

    def finish(self, keys: Iterable[str]) -> None:
        """Forget requests that have an outcome."""
        self._each("DELETE FROM batch_requests WHERE place=? AND key=?", keys)

    def again(self, keys: Iterable[str], *, counted: bool) -> None:
        """Take requests out of their batch: they are to be in another. ``counted``: as one attempt more."""
        more = int(counted)
        self._each(
            f"UPDATE batch_requests SET tag='', request=x'', attempts=attempts+{more} WHERE place=? AND key=?", keys
        )

    def end(self, tag: str) -> None:
        """Forget a batch. Requests of it that have no outcome are free again."""
        with self._log.database() as db:
            db.execute("BEGIN IMMEDIATE")
            db.execute("UPDATE batch_requests SET tag='', request=x'' WHERE tag=?", (tag,))
            db.execute("DELETE FROM batches WHERE tag=?", (tag,))
            db.execute("COMMIT")

    def _each(self, statement: str, keys: Iterable[str]) -> None:
        rows = [(self._place, key) for key in keys]
        if not rows:
            return
        with self._log.database() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                db.executemany(statement, rows)
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise


def waiting(log: CallLog) -> tuple[int, int]:
    """Batches under way at all endpoints, and the requests in them: what goes on when the process ends."""
    with log.database() as db:
        if db.execute("SELECT 1 FROM sqlite_master WHERE name='batches'").fetchone() is None:
            return 0, 0
        batches = db.execute("SELECT count(*) FROM batches").fetchone()[0]
        requests = db.execute("SELECT count(*) FROM batch_requests WHERE tag<>''").fetchone()[0]
    return int(batches), int(requests)


def requests_waiting(log: CallLog) -> list[Request]:
    """The requests in batches under way at all endpoints: they will be answered, and paid, whoever waits for them."""
    with log.database() as db:
        if db.execute("SELECT 1 FROM sqlite_master WHERE name='batch_requests'").fetchone() is None:
            return []
        rows = db.execute("SELECT request FROM batch_requests WHERE tag<>''").fetchall()
    return [Request.model_validate_json(zlib.decompress(row)) for (row,) in rows]
