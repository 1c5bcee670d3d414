"""Telegram Desktop: ``result.json`` ("machine-readable JSON") of one chat, or of an account with its ``chats``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from datagen.sources.chats import dates
from datagen.sources.chats.export import Export, Post, Section

_KINDS = ("message", "service", "unsupported")
_WHO = frozenset({"from", "from_id", "actor"})


def parse(value: Any) -> Export | None:
    """The chats of an export, each in the order of its messages; None for any other JSON.

    Service messages, forwarded ones (nobody here wrote them), what a bot wrote for someone, and media without a
    caption are left out.
    """
    if not isinstance(value, dict):
        return None
    chats = list(_chats(value))
    if not chats or not any(_is_chat(chat) for chat in chats):
        return None
    export = Export("Telegram")
    for chat in chats:
        if _is_chat(chat):
            title = chat.get("name")
            section = Section(name=title if isinstance(title, str) else "")
            export.sections.append(section)
            for entry in chat["messages"]:
                _add(export, section, entry)
    return export


def _chats(value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if isinstance(value.get("messages"), list):
        yield value
    for key in ("chats", "left_chats"):
        group = value.get(key)
        listed = group.get("list") if isinstance(group, dict) else None
        if isinstance(listed, list):
            yield from (chat for chat in listed if isinstance(chat, dict) and isinstance(chat.get("messages"), list))


def _is_chat(chat: dict[str, Any]) -> bool:
    """Half of its first messages look as Telegram's do."""
    first = chat["messages"][:50]
    good = sum(isinstance(m, dict) and m.get("type") in _KINDS and "date" in m and bool(_WHO & set(m)) for m in first)
    return bool(first) and good * 2 >= len(first)


def _add(export: Export, section: Section, entry: Any) -> None:
    if not isinstance(entry, dict):
        export.left_out["damaged"] += 1
    elif entry.get("type") != "message":
        export.left_out["system"] += 1
    elif entry.get("forwarded_from") is not None or "forwarded_from_id" in entry:
        export.left_out["forwarded"] += 1
    elif entry.get("via_bot"):
        export.left_out["bot"] += 1
    else:
        text = _text(entry.get("text"))
        if not text.strip():
            export.left_out["media"] += 1
            return
        who = entry.get("from") or entry.get("from_id")  # a deleted account has no name
        time = dates.of_value(entry.get("date"))
        section.posts.append(Post(str(who or "?"), text, time if isinstance(time, datetime) else None))


def _text(value: Any) -> str:
    """A text, or an array of texts and formatted parts."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        return ""
    parts = [part.get("text") if isinstance(part, dict) else part for part in value]
    return "".join(part for part in parts if isinstance(part, str))
