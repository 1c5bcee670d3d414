"""The index of a run for its review page, ``RUN/review/index.sqlite``: columns, texts to search, samples to show.

Source passages are indexed once each, since several samples rest on one: that costs less than a third of what a
column of them beside the messages would, in time, space and search.

Built once from the shards, and again where they changed. It can be deleted at any time: decisions are elsewhere.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from datagen.core.errors import UsageError, from_os_error
from datagen.core.files import TEMPORARY, remove_temporary
from datagen.core.hashing import digest
from datagen.core.record import Sample
from datagen.core.text import scrub
from datagen.finished import Finished
from datagen.review.connections import Connections
from datagen.review.store import FOLDER

Numbers = NDArray[np.int64]
Where = Literal["", "texts", "source"]
FILE = "index.sqlite"
VERSION = 2
"""Of what is built below: another one is built anew."""
BATCH = 1_000
SEARCHED = 200_000
"""Characters of a sample that can be searched; more are shown, and not found."""
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE samples (
  n INTEGER PRIMARY KEY, id TEXT NOT NULL, recipe TEXT NOT NULL, document TEXT NOT NULL, split TEXT NOT NULL,
  stage TEXT NOT NULL, reason TEXT NOT NULL, score REAL, spread REAL, variance REAL, scores TEXT NOT NULL
);
CREATE TABLE bodies (n INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE rests (n INTEGER PRIMARY KEY, passage INTEGER NOT NULL);
CREATE VIRTUAL TABLE texts USING fts5(body, document, content='', prefix=2, tokenize='unicode61 remove_diacritics 2');
CREATE VIRTUAL TABLE passages USING fts5(body, content='', prefix=2, tokenize='unicode61 remove_diacritics 2');
"""
_UNSPACED = re.compile("([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff])")
"""Scripts written without spaces: each of their characters is a word of its own, here and in what is searched for."""


def spaced(text: str) -> str:
    """``text`` with its words apart, also in scripts that do not set them apart."""
    return _UNSPACED.sub(r" \1 ", text)


def build(finished: Finished, tell: Callable[[str], None] = lambda _: None) -> Path:
    """Build the index of a run, unless there is one of just this run.

    Args:
        tell: called with a line of progress now and then.

    Raises:
        DatagenError: no samples, a damaged shard, or a place that cannot be written.
    """
    folder = finished.folder / FOLDER
    path = folder / FILE
    wanted = fingerprint(finished)
    with contextlib.suppress(sqlite3.Error, OSError), contextlib.closing(_open(path)) as db:
        if db.execute("SELECT value FROM meta WHERE key = 'fingerprint'").fetchone() == (wanted,):
            return path
    temporary = folder / f".{FILE}.{os.getpid()}{TEMPORARY}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_temporary(folder)
        with contextlib.closing(sqlite3.connect(temporary, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode=OFF")
            db.execute("PRAGMA synchronous=OFF")
            db.executescript(_SCHEMA)
            db.execute("BEGIN")
            count = fill(db, (r for r in finished.made() if isinstance(r, Sample)), tell)
            db.execute("INSERT INTO meta VALUES ('fingerprint', ?)", (wanted,))
            db.execute("COMMIT")
        if not count:
            raise UsageError(
                f"The run {finished.folder} holds no samples.",
                "Nothing was made, or every call failed.",
                "See its report.html for the reasons.",
            )
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise from_os_error(error, "build the index for review") from error
    except sqlite3.Error as error:
        raise UsageError(
            "Could not build the index for review.", f"SQLite says: {error}.", "Free some space and try again."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return path


def fingerprint(finished: Finished) -> str:
    """Changes when the samples of the run do."""
    nodes = [[node["folder"], node["shards"]] for node in finished.state["nodes"]]
    return digest([VERSION, nodes])


def fill(db: sqlite3.Connection, samples: Iterable[Sample], tell: Callable[[str], None] = lambda _: None) -> int:
    """Put samples into the tables of an empty index; returns how many."""
    rows: list[tuple[Any, ...]] = []
    bodies: list[tuple[int, bytes]] = []
    texts: list[tuple[int, str, str]] = []
    rests: list[tuple[int, int]] = []
    passages: list[tuple[int, str]] = []
    known: dict[bytes, int] = {}
    n = 0

    def flush() -> None:
        db.executemany("INSERT INTO samples VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        db.executemany("INSERT INTO bodies VALUES (?, ?)", bodies)
        db.executemany("INSERT INTO rests VALUES (?, ?)", rests)
        db.executemany("INSERT INTO texts (rowid, body, document) VALUES (?, ?, ?)", texts)
        db.executemany("INSERT INTO passages (rowid, body) VALUES (?, ?)", passages)
        for held in (rows, bodies, rests, texts, passages):
            held.clear()

    for n, sample in enumerate(samples, 1):
        rows.append((n - 1, *_row(sample)))
        bodies.append((n - 1, pack(sample)))
        texts.append((n - 1, spaced(searched(sample)), spaced(scrub(sample.lineage.path))))
        if sample.source:
            text = _plain(sample.source)
            key = hashlib.blake2b(text.encode(), digest_size=16).digest()
            if key not in known:
                known[key] = len(known)
                passages.append((known[key], spaced(text)))
            rests.append((n - 1, known[key]))
        if len(rows) == BATCH:
            flush()
            if n % (10 * BATCH) == 0:
                tell(f"{n:,} samples indexed")
    flush()
    for table in ("texts", "passages"):
        db.execute(f"INSERT INTO {table} ({table}) VALUES ('optimize')")
    return n


def searched(sample: Sample) -> str:
    """The text of a sample that can be searched: its messages and its rejected reply."""
    parts = [m.content for m in sample.messages]
    if sample.rejected is not None:
        parts.append(sample.rejected.content)
    return _plain("\n".join(parts))


def _plain(text: str) -> str:
    return scrub(text[:SEARCHED]).replace("\0", " ")


def pack(sample: Sample) -> bytes:
    """A sample without its vectors, compressed."""
    without = {"sketch", "vector"}
    try:
        text = sample.model_dump_json(exclude=without, exclude_defaults=True)
    except ValueError:  # half a character, which no UTF-8 holds
        kept = sample.model_dump(mode="python", exclude=without, exclude_defaults=True)
        text = scrub(json.dumps(kept, ensure_ascii=False))
    return zlib.compress(text.encode(), 1)


def unpack(body: bytes) -> Sample:
    """The sample of :func:`pack`."""
    return Sample.model_validate_json(zlib.decompress(body))


def _row(sample: Sample) -> tuple[Any, ...]:
    verdict = sample.verdict
    # The least sure judge counts: the mean of its criteria's variances.
    variances = [sum(j.variance.values()) / len(j.variance) for j in sample.judgements if j.variance]
    return (
        scrub(sample.id),
        scrub(sample.recipe),
        scrub(sample.lineage.path),
        sample.split,
        scrub(verdict.stage) if verdict else "",
        scrub(verdict.reason) if verdict else "",
        sample.score,
        sample.spread,
        max(variances, default=None),
        json.dumps(sample.scores),
    )


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, check_same_thread=False)


class Index:
    """A built index, read only. Usable from several threads."""

    def __init__(self, path: Path) -> None:
        self._pool = Connections(lambda: _open(path))

    def close(self) -> None:
        """Close the file."""
        self._pool.close()

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """``(id, recipe, document, split, stage, reason, score, spread, variance, scores)`` of all, by number."""
        with self._pool.one() as db:
            yield from db.execute(
                "SELECT id, recipe, document, split, stage, reason, score, spread, variance, scores "
                "FROM samples ORDER BY n"
            )

    def resting(self, size: int) -> Numbers:
        """The passage on which each of ``size`` samples rests, by number; -1 where it rests on none."""
        out: Numbers = np.full(size, -1, np.int64)
        with self._pool.one() as db:
            found = db.execute("SELECT n, passage FROM rests").fetchall()
        if found:
            table = np.array(found, np.int64)
            out[table[:, 0]] = table[:, 1]
        return out

    def sample(self, n: int) -> Sample | None:
        """The sample of a number from 0, or None."""
        with self._pool.one() as db:
            found = db.execute("SELECT body FROM bodies WHERE n = ?", (n,)).fetchone()
        return unpack(found[0]) if found else None

    def holding(self, query: str, where: Where, resting: Numbers) -> NDArray[np.bool_]:
        """Which samples hold what an FTS5 query asks: all of it in their messages, or all of it in their source.

        Args:
            query: "" finds nothing.
            where: in one of the two alone; "": in either.
            resting: of :meth:`resting`.
        """
        found = np.zeros(len(resting), bool)
        if query and where != "source":
            found[self._found("texts", query)] = True
        if query and where != "texts":
            passages = np.zeros(len(resting) + 1, bool)  # the last one is that of samples without a passage: -1
            passages[self._found("passages", query)] = True
            found |= passages[resting]
        return found

    def _found(self, table: Literal["texts", "passages"], query: str) -> Numbers:
        # One text of all numbers: a Python object for each of 100,000 costs more than finding them.
        with self._pool.one() as db:
            found = db.execute(f"SELECT group_concat(rowid) FROM {table} WHERE {table} MATCH ?", (query,)).fetchone()
        return np.fromstring(found[0] or "", dtype=np.int64, sep=",")
