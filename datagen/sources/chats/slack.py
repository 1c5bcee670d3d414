"""Slack: the JSON file of one channel on one day of a workspace export.

Names come from the ``user_profile`` of the messages themselves; who has none there is called by the id, as the
file of all users beside it cannot be read (a reader sees one file). Times are UTC, as Slack's are.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from datagen.sources.chats import dates
from datagen.sources.chats.export import Export, Post, Section

_TS = re.compile(r"\d{9,11}\.\d{1,9}")
_KEPT = frozenset({"", "thread_broadcast", "me_message", "file_share", "reply_broadcast"})
_MARKUP = re.compile(r"<([^<>\n]{1,4000})>")
_PROFILE_NAMES = ("real_name", "display_name", "name")


def parse(value: Any) -> Export | None:
    """The channel's messages, and each thread by itself in the order of its replies; None for any other JSON."""
    if not isinstance(value, list) or not _is_day(value):
        return None
    entries = [entry for entry in value if isinstance(entry, dict)]
    names = _names(entries)
    export = Export("Slack")
    export.left_out["damaged"] += len(value) - len(entries)
    replied = {str(e["thread_ts"]) for e in entries if "thread_ts" in e and e["thread_ts"] != e.get("ts")}
    channel, threads = Section(), dict[str, Section]()
    for entry in sorted(entries, key=lambda e: _seconds(e.get("ts"))):
        post = _post(entry, names, export)
        if post is None:
            continue
        thread = str(entry.get("thread_ts") or "")
        if thread in replied:
            threads.setdefault(thread, Section(thread=True)).posts.append(post)
        else:
            channel.posts.append(post)
    export.sections = [section for section in (channel, *threads.values()) if section.posts]
    return export


def _is_day(value: list[Any]) -> bool:
    first = [entry for entry in value[:50] if isinstance(entry, dict)]
    good = sum(e.get("type") == "message" and bool(_TS.fullmatch(str(e.get("ts")))) for e in first)
    return bool(first) and good * 2 >= len(first)


def _seconds(ts: Any) -> float:
    return float(ts) if isinstance(ts, str) and _TS.fullmatch(ts) else 0.0


def _names(entries: list[dict[str, Any]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in entries:
        profile = entry.get("user_profile")
        if isinstance(profile, dict) and isinstance(entry.get("user"), str):
            told = (profile.get(key) for key in _PROFILE_NAMES)
            if who := next((name for name in told if isinstance(name, str) and name.strip()), ""):
                found.setdefault(entry["user"], who)
    return found


def _post(entry: dict[str, Any], names: dict[str, str], export: Export) -> Post | None:
    """A message, or None for one that is counted as left out."""
    subtype, text, user = str(entry.get("subtype") or ""), entry.get("text"), entry.get("user")
    reason = ""
    if subtype == "tombstone" or entry.get("hidden"):
        reason = "deleted"
    elif subtype == "bot_message" or entry.get("bot_id") or user == "USLACKBOT":
        reason = "bot"
    elif entry.get("type") != "message" or subtype not in _KEPT:
        reason = "system"
    elif not isinstance(text, str) or not text.strip():
        reason = "media"
    elif not isinstance(user, str) or not user:
        reason = "system"
    if reason:
        export.left_out[reason] += 1
        return None
    assert isinstance(text, str)
    assert isinstance(user, str)
    time = dates.of_value(_seconds(entry.get("ts")))
    return Post(names.get(user, user), plain(text, names), time if isinstance(time, datetime) else None)


def plain(text: str, names: dict[str, str]) -> str:
    """A text without Slack's markup (its documentation: "Formatting text"): mentions become names, links their
    texts, the three escaped characters themselves."""
    shown = _MARKUP.sub(lambda match: _shown(match[1], names), text)
    return shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _shown(inside: str, names: dict[str, str]) -> str:
    target, _, label = inside.partition("|")
    if target.startswith("@"):
        return "@" + (names.get(target[1:]) or label.removeprefix("@") or target[1:])
    if target.startswith("#"):
        return "#" + (label or target[1:])
    if target.startswith("!"):
        return label if label else "@" + target[1:].split("^")[0]
    return label or target.removeprefix("mailto:")
