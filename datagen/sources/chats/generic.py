"""Chats as plain data: a list of JSON objects, JSON Lines, or a CSV table, a message each.

Three fields make a chat: who, what, when. They are found by their names, or named by the configuration.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice, pairwise
from typing import Any

from datagen.sources.chats import dates
from datagen.sources.chats.export import Export, Post, Section
from datagen.sources.encoding import decode
from datagen.sources.parsed import Unreadable

_NAMES: dict[str, tuple[str, ...]] = {
    "speaker": tuple(
        "sender sender_name sendername author author_name from from_name speaker username user_name user nickname nick "
        "name".split()
    ),
    "text": ("text", "message", "body", "content", "msg"),
    "time": tuple(
        "time timestamp date datetime created_at sent_at timestamp_ms createdat sentat date_time created ts".split()
    ),
    "conversation": tuple("conversation conversation_id chat chat_id channel channel_id thread thread_id room".split()),
}
_PERSON = ("name", "display_name", "displayName", "nickname", "username", "id")  # where a sender is an object
_SAMPLE = 50  # messages looked at
_SHARE = 0.8  # of them that must have a field
_DELIMITERS = (",", ";", "\t", "|")
_LONGEST = 2**31 - 1


def from_json(value: Any, fields: Mapping[str, str]) -> Export | None:
    """The chat of a list of objects, or of an object with one under ``messages``; None where it is none.

    Args:
        fields: ``speaker``, ``text``, ``time``, ``conversation`` → dotted field.
    """
    if isinstance(value, dict):
        value = value.get("messages")
    if not isinstance(value, list) or len(value) < 2:
        return None
    rows = [row for row in value if isinstance(row, dict)]
    found = _fields(rows, fields)
    if found is None:
        return None
    export = _export(rows, found)
    export.left_out["damaged"] += len(value) - len(rows)
    return export


def from_csv(data: bytes, fields: Mapping[str, str]) -> Export | None:
    """The chat of a table whose first row names its columns; None where it is none."""
    try:
        text = decode(data).replace("\0", "")
    except Unreadable:
        return None
    csv.field_size_limit(min(sys.maxsize, _LONGEST))
    head = text[: text.find("\n") + 1] or text
    for delimiter in _DELIMITERS:
        try:
            columns = [cell.strip() for cell in next(csv.reader([head], delimiter=delimiter), [])]
            first = list(islice(_rows(text, delimiter, columns), _SAMPLE)) if len(columns) > 1 else []
            found = _fields(first, fields) if first else None
            if found is not None:
                return _export(_rows(text, delimiter, columns), found)
        except csv.Error:
            continue
    return None


def _rows(text: str, delimiter: str, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    next(reader, None)
    for cells in reader:
        if cells:
            yield dict(zip(columns, cells, strict=False))


def _fields(rows: Sequence[dict[str, Any]], named: Mapping[str, str]) -> dict[str, str] | None:
    """Which field holds what, or None where something is missing.

    A time is needed where the fields are only guessed: a list of articles has authors and texts too.
    """
    sample = rows[:_SAMPLE]
    if not sample:
        return None
    keys = list(dict.fromkeys(key for row in sample for key in row))
    lower = {key.lower(): key for key in reversed(keys)}
    found: dict[str, str] = {}
    for role, names in _NAMES.items():
        wanted = [named[role]] if named.get(role) else [lower[name] for name in names if name in lower]
        good = (path for path in wanted if path not in found.values() and _holds(sample, role, path))
        if path := next(good, ""):
            found[role] = path
    needed = {"speaker", "text"} if named.get("speaker") and named.get("text") else {"speaker", "text", "time"}
    return found if needed <= set(found) else None


def _holds(sample: Sequence[dict[str, Any]], role: str, path: str) -> bool:
    if role == "conversation":
        return True
    tests = {"speaker": _speaker, "text": _text, "time": dates.of_value}
    count = sum(bool(tests[role](_at(row, path))) for row in sample)
    return count >= _SHARE * len(sample) or (role == "text" and count * 2 >= len(sample))  # media have no text


def _at(row: Any, path: str) -> Any:
    if isinstance(row, dict) and path in row:
        return row[path]
    for key in path.split("."):
        row = row.get(key) if isinstance(row, dict) else None
    return row


def _speaker(value: Any) -> str:
    if isinstance(value, dict):
        value = next((value[key] for key in _PERSON if value.get(key)), None)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() if isinstance(value, str) else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) and value.strip() else ""


def _export(rows: Iterable[dict[str, Any]], found: Mapping[str, str]) -> Export:
    export = Export("generic")
    kept: list[tuple[str, str, str, Any]] = []
    for row in rows:
        who, text = _speaker(_at(row, found["speaker"])), _text(_at(row, found["text"]))
        if not who or not text:
            export.left_out["empty" if who else "nameless"] += 1
            continue
        place = _at(row, found["conversation"]) if "conversation" in found else None
        time = dates.of_value(_at(row, found["time"])) if "time" in found else None
        kept.append((who, text, _place(place), time))
    stamps = [time for *_, time in kept if isinstance(time, dates.Stamp)]
    order, note = dates.decide(stamps) if stamps else ("dmy", "")
    export.notes += [note] if note else []
    sections: dict[str, Section] = {}
    for who, text, place, time in kept:
        at = time.at(order) if isinstance(time, dates.Stamp) else time
        sections.setdefault(place, Section(name=place)).posts.append(Post(who, text, at))
    for section in sections.values():
        if _newest_first(section.posts):
            section.posts.reverse()
    export.sections = list(sections.values())
    return export


def _place(value: Any) -> str:
    if isinstance(value, dict):
        value = next((value[key] for key in ("name", "title", "id") if value.get(key)), None)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _newest_first(posts: Sequence[Post]) -> bool:
    times = [post.time for post in posts if isinstance(post.time, datetime)]
    back = sum(b < a for a, b in pairwise(times))
    return back > sum(b > a for a, b in pairwise(times))
