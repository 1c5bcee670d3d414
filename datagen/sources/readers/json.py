"""JSON and JSON Lines: the fields that hold text, else everything, readable."""

from __future__ import annotations

import json
from typing import Any

from datagen.sources import markdown
from datagen.sources.encoding import decode
from datagen.sources.parsed import Options, Parsed, Unreadable

_DEEPEST = 30
_TITLES = ("title", "name", "heading", "id")


def load(data: bytes) -> Any:
    """The value that the bytes hold.

    Raises:
        Unreadable: ``damaged`` for what is not JSON, or nested too deeply.
    """
    try:
        return json.loads(decode(data))
    except RecursionError as error:
        raise Unreadable("damaged", "It is nested too deeply to be read.") from error
    except ValueError as error:
        raise Unreadable("damaged", f"It is not valid JSON: {str(error)[:150]}.") from error


def read(data: bytes, options: Options) -> Parsed:
    """One value, or where there is one on each line, as many sections."""
    text = decode(data)
    try:
        value = load(data)
    except Unreadable:
        lines = [line for line in text.split("\n") if line.strip()]
        if len(lines) < 2 or not _is_object(lines[0]) or not _is_object(lines[1]):
            raise
        records = [json.loads(line) for line in lines if _is_object(line)]
        return Parsed(_records(records, options), "markdown")
    if isinstance(value, list) and value and all(isinstance(v, dict) for v in value):
        return Parsed(_records(value, options), "markdown")
    found = _field(value, options)
    if found is not None:
        return Parsed(found, "markdown", title=_title(value))
    return Parsed(_readable(value), "markdown", title=_title(value))


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _records(records: list[Any], options: Options) -> str:
    """A section for each record: its title where it has one, then its text."""
    out = []
    for number, record in enumerate(records, 1):
        text = _field(record, options)
        body = text if text is not None else _readable(record)
        if body.strip():
            out.append(markdown.join([markdown.heading(2, _title(record) or f"Record {number}"), body]))
    return markdown.join(out)


def _title(value: Any) -> str:
    if not isinstance(value, dict):
        return ""
    found = (value.get(key) for key in _TITLES)
    return next((markdown.line(v)[:200] for v in found if isinstance(v, str) and v.strip()), "")


def _field(value: Any, options: Options) -> str | None:
    """The first of the configured fields that holds text."""
    for path in options.text_fields:
        at = value
        for key in path.split("."):
            at = at.get(key) if isinstance(at, dict) else None
        if isinstance(at, str) and at.strip():
            return at
        if isinstance(at, list) and at and all(isinstance(v, str) for v in at):
            return markdown.join(at)
    return None


def _readable(value: Any, depth: int = 0) -> str:
    """Any value as Markdown: a list of names and values, a table for records that are alike."""
    if depth > _DEEPEST:
        return "…"
    if isinstance(value, dict):
        return "\n".join(_pair(str(key), item, depth) for key, item in value.items() if item not in (None, "", [], {}))
    if isinstance(value, list):
        if _is_table(value):
            keys = list(dict.fromkeys(key for row in value for key in row))
            return markdown.table([keys, *([_scalar(row.get(key)) for key in keys] for row in value)])
        return "\n".join(_nested("-", item, depth) for item in value)
    return _scalar(value)


def _pair(key: str, value: Any, depth: int) -> str:
    return _nested(f"- **{markdown.line(key)}**:", value, depth)


def _nested(head: str, value: Any, depth: int) -> str:
    body = _readable(value, depth + 1)
    if not isinstance(value, dict | list):
        lines = body.split("\n")
        return "\n".join([f"{head} {lines[0]}", *(f"  {line}" if line.strip() else "" for line in lines[1:])])
    return "\n".join([head, *(f"  {line}" for line in body.split("\n"))])


def _is_table(value: list[Any]) -> bool:
    if len(value) < 2 or not all(isinstance(row, dict) and row for row in value):
        return False
    keys = set(value[0])
    flat = all(not isinstance(v, dict | list) for row in value for v in row.values())
    return flat and 1 < len(keys) <= 30 and all(set(row) == keys for row in value)


def _scalar(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
