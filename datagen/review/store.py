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
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from datagen.core.errors import DatagenError, StoppedEarly, UsageError
from datagen.core.text import scrub

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
_COLUMNS = "seq, time, reviewer, sample, decision, scores, edit, note, blind, act, undoes"


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
        self._lock = threading.Lock()
        with _told(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

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
        with self._lock, _told(self.path), self._writing():
            done = self._of_act(act)
            if done:
                return done
            if seen is not None and entries:
                last = self._last(reviewer, entries[0][0])
                if (last.seq if last else 0) > seen:
                    raise Overtaken(last)
            return self._insert(reviewer, entries, act)

    def undo(self, reviewer: str, act: str) -> list[Line]:
        """Take back the reviewer's last act that stands: appends the state before it, for each of its samples.

        Returns:
            The appended lines; none where nothing is left to undo.
        """
        with self._lock, _told(self.path), self._writing():
            done = self._of_act(act)
            if done:
                return done
            found = self._db.execute(
                "SELECT act FROM decisions WHERE reviewer = ? AND undoes = '' AND act NOT IN "
                "(SELECT undoes FROM decisions WHERE reviewer = ? AND undoes != '') ORDER BY seq DESC LIMIT 1",
                (reviewer, reviewer),
            ).fetchone()
            if found is None:
                return []
            entries = []
            for line in self._of_act(found[0]):
                before = self._db.execute(
                    f"SELECT {_COLUMNS} FROM decisions WHERE sample = ? AND reviewer = ? AND seq < ? "
                    "ORDER BY seq DESC LIMIT 1",
                    (line.sample, reviewer, line.seq),
                ).fetchone()
                entries.append((line.sample, _line(before).state if before else State()))
            return self._insert(reviewer, entries, act, undoes=found[0])

    def since(self, seq: int) -> list[Line]:
        """All lines after a number, ascending."""
        with self._lock, _told(self.path):
            found = self._db.execute(f"SELECT {_COLUMNS} FROM decisions WHERE seq > ? ORDER BY seq", (seq,)).fetchall()
        return [_line(row) for row in found]

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _insert(self, reviewer: str, entries: Iterable[tuple[str, State]], act: str, undoes: str = "") -> list[Line]:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._db.executemany(
            "INSERT INTO decisions (time, reviewer, sample, decision, scores, edit, note, blind, act, undoes) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            ((now, scrub(reviewer), scrub(sample), *_values(state), act, undoes) for sample, state in entries),
        )
        return self._of_act(act)

    def _of_act(self, act: str) -> list[Line]:
        found = self._db.execute(f"SELECT {_COLUMNS} FROM decisions WHERE act = ? ORDER BY seq", (act,))
        return [_line(row) for row in found]

    def _last(self, reviewer: str, sample: str) -> Line | None:
        found = self._db.execute(
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
    state = State(decision, tuple(json.loads(scores).items()), changed, note, bool(blind))
    return Line(seq, time, reviewer, sample, state, act, undoes)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (DatagenError, Overtaken):
        raise
    except sqlite3.OperationalError as error:
        full = "full" in str(error)
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
