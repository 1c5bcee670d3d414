"""The log of decisions, ``RUN/review/decisions.sqlite``: every line is appended and flushed, none is ever changed.

SQLite in WAL mode with ``synchronous=FULL``: a commit returns once the log is on disk, so what was acknowledged
survives a killed process and a lost power line (https://www.sqlite.org/pragma.html#pragma_synchronous). Triggers
refuse to change or remove a line. Each line holds the whole state of one sample for one reviewer, so the state is
the last line, and an undo is one more line that holds the state before.
"""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from datagen.core.errors import DatagenError, StoppedEarly, UsageError
from datagen.core.text import scrub
from datagen.review.connections import Connections

FOLDER, FILE = "review", "decisions.sqlite"
Decision = Literal["", "accepted", "rejected", "edited", "skipped"]
"""What one reviewer says of a sample; "" where there are scores alone, or nothing any more."""
DECISIONS: tuple[Decision, ...] = get_args(Decision)
COUNTING: tuple[Decision, ...] = ("accepted", "rejected", "edited")
"""Decisions that have a say in what is exported."""

NAMES = "A name begins with a letter or digit and has at most 60 letters, digits, spaces and .@+-"
_NAME = re.compile(r"[^\W_][\w .@+-]{0,59}")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS decisions (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  time TEXT NOT NULL,
  reviewer TEXT NOT NULL,
  sample TEXT NOT NULL,
  decision TEXT NOT NULL,
  scores TEXT NOT NULL,
  edit TEXT NOT NULL,
  note TEXT NOT NULL,
  blind INTEGER NOT NULL,
  act TEXT NOT NULL,
  undoes TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS by_act ON decisions (act);
CREATE INDEX IF NOT EXISTS by_reviewer ON decisions (reviewer, seq);
CREATE INDEX IF NOT EXISTS by_sample ON decisions (sample, reviewer, seq);
CREATE TRIGGER IF NOT EXISTS never_changed BEFORE UPDATE ON decisions
  BEGIN SELECT RAISE(ABORT, 'decisions are never changed'); END;
CREATE TRIGGER IF NOT EXISTS never_removed BEFORE DELETE ON decisions
  BEGIN SELECT RAISE(ABORT, 'decisions are never removed'); END;
"""
_VALUES = "time, reviewer, sample, decision, scores, edit, note, blind, act, undoes"
_COLUMNS = f"seq, {_VALUES}"
_INSERT = f"INSERT INTO decisions ({_VALUES}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_UNDO = f"""
INSERT INTO decisions ({_VALUES})
SELECT ?, now.reviewer, now.sample, coalesce(was.decision, ''), coalesce(was.scores, '{{}}'), coalesce(was.edit, ''),
       coalesce(was.note, ''), coalesce(was.blind, 0), ?, ?
FROM decisions AS now LEFT JOIN decisions AS was ON was.seq = (
  SELECT max(seq) FROM decisions WHERE sample = now.sample AND reviewer = now.reviewer AND seq < now.seq)
WHERE now.act = ? ORDER BY now.seq
"""
_FEW = 100  # rows that are appended as they are


def clean_name(typed: str) -> str:
    """A reviewer's name as it is kept, or "" where it is none by :data:`NAMES`."""
    name = " ".join(scrub(typed[:500]).split())
    return name if _NAME.fullmatch(name) else ""


@dataclass(frozen=True)
class Edit:
    """New texts of a sample.

    Attributes:
        contents: of its messages, in order; as many as the sample has.
        rejected: of its dispreferred reply; None where it has none or it stays.
    """

    contents: tuple[str, ...]
    rejected: str | None = None


@dataclass(frozen=True)
class State:
    """What one reviewer says of one sample."""

    decision: Decision = ""
    scores: tuple[tuple[str, int], ...] = ()
    edit: Edit | None = None
    note: str = ""
    blind: bool = False


@dataclass(frozen=True)
class Line:
    """One line of the log.

    Attributes:
        seq: its number, ascending from 1.
        time: ISO 8601, UTC.
        act: name of the act it belongs to: one key press, or a bulk action with many lines.
        undoes: the act that it takes back, else "".
    """

    seq: int
    time: str
    reviewer: str
    sample: str
    state: State
    act: str
    undoes: str = ""


class Log:
    """The decisions of one run. Usable from several threads, and by several processes at once.

    Args:
        folder: the run folder.

    Raises:
        DatagenError: the file is damaged, no database, or cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FOLDER / FILE
        with _told(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._pool = Connections(self._connect)
            with self._pool.one() as db:
                db.executescript(_SCHEMA)

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA temp_store=MEMORY")
        return db

    def close(self) -> None:
        """Close the file."""
        self._pool.close()

    def append(
        self, reviewer: str, entries: Sequence[tuple[str, State]], act: str, *, seen: int | None = None
    ) -> list[Line]:
        """Append what a reviewer says of some samples, in one commit.

        Args:
            reviewer: the name.
            entries: (sample id, its whole new state).
            act: a name nobody else gives. The same one again appends nothing and answers with the lines there are,
                so that an answer that got lost can be asked for again.
            seen: number of the reviewer's last line about the one sample, as the reviewer saw it (0: none).

        Returns:
            The lines, on disk.

        Raises:
            Overtaken: the reviewer said something else of that sample meanwhile, in another window.
            DatagenError: the log cannot be written.
        """
        now, name = _now(), scrub(reviewer)
        rows = [(now, name, scrub(sample), *_values(state), act, "") for sample, state in entries]
        with _told(self.path), self._pool.one() as db, _staged(db, rows) as source, _writing(db):
            done = _of_act(db, act)
            if done:
                return done
            if seen is not None and rows:
                last = _last(db, name, rows[0][2])
                if (last.seq if last else 0) > seen:
                    raise Overtaken(last)
            source()
            end = int(db.execute("SELECT coalesce(max(seq), 0) FROM decisions").fetchone()[0])
        return [_line((end - len(rows) + 1 + i, *row)) for i, row in enumerate(rows)]

    def done(self, act: str) -> int:
        """How many lines an act has."""
        with _told(self.path), self._pool.one() as db:
            return int(db.execute("SELECT count(*) FROM decisions WHERE act = ?", (act,)).fetchone()[0])

    def undo(self, reviewer: str, act: str) -> list[Line]:
        """Take back the reviewer's last act that stands: appends the state before it, for each of its samples.

        Returns:
            The appended lines; none where nothing is left to undo.
        """
        with _told(self.path), self._pool.one() as db:
            with _writing(db):
                if not _of_act(db, act):
                    found = db.execute(
                        "SELECT act FROM decisions WHERE reviewer = ? AND undoes = '' AND act NOT IN "
                        "(SELECT undoes FROM decisions WHERE reviewer = ? AND undoes != '') ORDER BY seq DESC LIMIT 1",
                        (reviewer, reviewer),
                    ).fetchone()
                    if found is None:
                        return []
                    db.execute(_UNDO, (_now(), act, found[0], found[0]))
            return _of_act(db, act)

    def since(self, seq: int, most: int = -1) -> list[Line]:
        """Lines after a number, ascending; the first ``most`` of them, or all where that is negative."""
        with _told(self.path), self._pool.one() as db:
            found = db.execute(f"SELECT {_COLUMNS} FROM decisions WHERE seq > ? ORDER BY seq LIMIT ?", (seq, most))
            return [_line(row) for row in found.fetchall()]


@contextlib.contextmanager
def _writing(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # a full disk may have rolled it back already
            db.execute("ROLLBACK")
        raise
    try:
        db.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def _staged(db: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> Iterator[Callable[[], object]]:
    """Gives what appends the rows. Many are put into memory first: writers wait for each other only while SQLite
    copies them from there."""
    if len(rows) <= _FEW:
        yield lambda: db.executemany(_INSERT, rows)
        return
    db.execute(f"CREATE TEMP TABLE staged AS SELECT {_VALUES} FROM main.decisions LIMIT 0")
    try:
        db.execute("BEGIN")
        db.executemany("INSERT INTO staged VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        db.execute("COMMIT")
        yield lambda: db.execute(f"INSERT INTO decisions ({_VALUES}) SELECT * FROM staged ORDER BY rowid")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
        db.execute("DROP TABLE IF EXISTS temp.staged")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _of_act(db: sqlite3.Connection, act: str) -> list[Line]:
    found = db.execute(f"SELECT {_COLUMNS} FROM decisions WHERE act = ? ORDER BY seq", (act,))
    return [_line(row) for row in found]


def _last(db: sqlite3.Connection, reviewer: str, sample: str) -> Line | None:
    found = db.execute(
        f"SELECT {_COLUMNS} FROM decisions WHERE sample = ? AND reviewer = ? ORDER BY seq DESC LIMIT 1",
        (sample, reviewer),
    ).fetchone()
    return _line(found) if found else None


class Overtaken(Exception):
    """The same reviewer decided meanwhile in another window; ``line`` is that decision."""

    def __init__(self, line: Line | None) -> None:
        super().__init__("decided in another window")
        self.line = line


def read(folder: Path) -> list[Line]:
    """The lines of a run's log; none where nobody reviewed it.

    Raises:
        DatagenError: the file is damaged or is no log.
    """
    if not (folder / FOLDER / FILE).is_file():
        return []
    log = Log(folder)
    try:
        return log.since(0)
    finally:
        log.close()


def _values(state: State) -> tuple[str, str, str, str, int]:
    edit = "" if state.edit is None else json.dumps([list(state.edit.contents), state.edit.rejected])
    return state.decision, json.dumps(dict(state.scores)), edit, scrub(state.note), int(state.blind)


def _line(row: Sequence[Any]) -> Line:
    seq, time, reviewer, sample, decision, scores, edit, note, blind, act, undoes = row
    changed = None
    if edit:
        contents, rejected = json.loads(edit)
        changed = Edit(tuple(contents), rejected)
    given = () if scores == "{}" else tuple(json.loads(scores).items())
    state = State(decision, given, changed, note, bool(blind))
    return Line(seq, time, reviewer, sample, state, act, undoes)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (DatagenError, Overtaken):
        raise
    except sqlite3.OperationalError as error:
        full = "full" in str(error) or "disk I/O" in str(error)  # the latter for a quota
        kind = StoppedEarly if full else UsageError
        raise kind(
            f"Could not use the log of decisions {path}.",
            f"SQLite says: {error}.",
            "Free some space and try again." if full else "Choose a run folder on a disk that can be written.",
        ) from error
    except (sqlite3.DatabaseError, ValueError, TypeError) as error:
        raise UsageError(
            f"The log of decisions {path} cannot be read.",
            f"It is damaged or not a log of ours ({type(error).__name__}).",
            "Restore it from a copy, or move it away to begin anew.",
        ) from error
    except OSError as error:
        from datagen.core.errors import from_os_error

        raise from_os_error(error, "open the log of decisions") from error
