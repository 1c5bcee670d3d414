"""Figures and names as people read them, and lists put in the groups a page shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any


def number(value: float) -> str:
    """With thousands separators."""
    return f"{value:,}"


def plain(name: str) -> str:
    """A snake_case name as words."""
    return name.replace("_", " ")


def plural(count: int, one: str, many: str = "") -> str:
    """``"1 file"``, ``"2 files"``; ``many`` where it is not made with an "s"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """``"3.4 s"``, ``"2 min 05 s"``, ``"14 min"``, ``"1 h 12 min"``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 10:
        return f"{minutes} min {rest:02d} s"
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def moment(stamp: str) -> str:
    """An ISO 8601 time as a date and a time of day; what is none, as it is."""
    try:
        at = datetime.fromisoformat(stamp)
    except ValueError:
        return stamp
    zone = f" {at.tzname()}" if at.tzinfo else ""
    return at.strftime("%Y-%m-%d %H:%M") + zone


def grouped(skipped: Iterable[Mapping[str, str]]) -> list[dict[str, Any]]:
    """Skipped files by reason (what stands before a colon), largest group first.

    Returns:
        ``[{"reason", "files": [{"path", "detail"}]}]``.
    """
    groups: dict[str, list[dict[str, str]]] = {}
    for entry in skipped:
        reason, _, detail = entry["reason"].partition(": ")
        groups.setdefault(reason, []).append({"path": entry["path"], "detail": detail})
    return [
        {"reason": reason, "files": files} for reason, files in sorted(groups.items(), key=lambda g: (-len(g[1]), g[0]))
    ]


def by_unit(steps: Iterable[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """The funnel's steps in the groups that count the same thing."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for step in steps:
        groups.setdefault(step["unit"], []).append(step)
    return list(groups.items())
