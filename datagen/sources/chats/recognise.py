"""Which program wrote an export: asked of the content, never of the name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from datagen.sources.chats import generic, slack, telegram, transcript, whatsapp
from datagen.sources.chats.export import Export
from datagen.sources.encoding import decode
from datagen.sources.parsed import ChatOptions, Parsed, Unreadable

VERSION = 1
"""Raised whenever the same export gives another transcript."""


def read(kind: str, data: bytes, options: ChatOptions) -> Parsed | None:
    """A chat's transcript with its turns, or None where the bytes are no chat.

    Args:
        kind: of the file; only ``text``, ``csv``, ``json`` and ``jsonl`` are looked at.

    Raises:
        Unreadable: ``me_not_found`` (the evidence names who is there), ``empty`` or ``too_large``.
    """
    export: Export | None = None
    if kind == "text":
        export = _whatsapp(data)
    elif kind == "csv":
        export = generic.from_csv(data, options.fields)
    elif kind in ("json", "jsonl"):
        export = _json(data, options.fields)
    return None if export is None else transcript.lay_out(export, options)


def _whatsapp(data: bytes) -> Export | None:
    """The WhatsApp chat that a text file holds, or None."""
    try:
        return whatsapp.parse(decode(data))
    except Unreadable:
        return None  # the ordinary reader says what is wrong


def _json(data: bytes, fields: Mapping[str, str]) -> Export | None:
    """The chat that a JSON or JSON Lines file holds, or None."""
    try:
        text = decode(data)
    except Unreadable:
        return None
    broken = 0
    try:
        value = json.loads(text)
    except RecursionError:
        return None
    except ValueError:
        value, broken = _lines(text)
    for form in (telegram.parse, slack.parse):
        export = form(value)
        if export is not None:
            return export
    export = generic.from_json(value, fields)
    if export is not None and broken:
        export.left_out["damaged"] += broken
    return export


def _lines(text: str) -> tuple[list[Any], int]:
    """The values of the lines that are JSON, and how many are not (a file that was cut off has one)."""
    values: list[Any] = []
    broken = 0
    for line in text.split("\n"):
        if line.strip():
            try:
                values.append(json.loads(line))
            except (ValueError, RecursionError):
                broken += 1
                if broken > 10 + len(values):
                    return [], broken  # no JSON Lines at all
    return values, broken
