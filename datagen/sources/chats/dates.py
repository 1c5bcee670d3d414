"""Dates as chat exports write them: which number is the day is decided by the whole file.

WhatsApp writes dates as the phone's region does (4/5/24, 05.04.2024, 2024/4/5 …) and says nowhere how.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Literal

Order = Literal["dmy", "mdy", "ymd"]
_ORDERS: tuple[Order, ...] = ("dmy", "mdy", "ymd")
_PLACES: dict[Order, tuple[int, int, int]] = {"dmy": (2, 1, 0), "mdy": (2, 0, 1), "ymd": (0, 1, 2)}
_NAMES = {"dmy": "day, month, year", "mdy": "month, day, year", "ymd": "year, month, day"}

_MARK = "\u200e{0,2}"  # the left-to-right mark that programs put around their own words
_SEPARATOR = rf"{_MARK}[./-]{_MARK} ?"
_BEFORE = "凌晨|早上|清晨|上午|中午|下午|晚上|오전|오후|午前|午後"
_AFTER = r"[AaPp]\.? ?[Mm]\b\.?|ص|م|Ö[ÖS]|ö[ös]|पूर्वाह्न|अपराह्न|(?:לפנה|אחה)[\"״”]צ"  # written after the time
_LATER = re.compile("[pP]|م|ÖS|ös|अप|אחה|中午|下午|晚上|오후|午後")
STAMP = (
    rf"(?P<a>\d{{1,4}}){_SEPARATOR}(?P<b>\d{{1,2}}){_SEPARATOR}(?P<c>\d{{1,4}})\.?{_MARK}"
    rf"(?P<mid>[,،]? ?(?:(?:klo|kl\.|à|às|at|um|om|alle|a las|в) )?)(?P<before>{_BEFORE})? ?"
    rf"(?P<hour>\d{{1,2}})[:.](?P<minute>\d{{2}})(?:[:.](?P<second>\d{{2}}))?{_MARK} ?(?P<after>{_AFTER})?"
)
"""A regular expression for a date and a time; its groups go to :func:`stamp`."""
_WHOLE = re.compile(STAMP)


@dataclass(frozen=True, slots=True)
class Stamp:
    """A date whose order is not known yet, with its time.

    Attributes:
        parts: the three numbers of the date, as they stand.
        lengths: how many digits each has.
        half: the half of the day that stands there, "" for none.
    """

    parts: tuple[int, int, int]
    lengths: tuple[int, int, int]
    hour: int
    minute: int
    second: int
    half: Literal["", "am", "pm"]

    def at(self, order: Order) -> datetime | None:
        """The time it means in an order, or None where it can mean none.

        Two digits of a year are of this century; a year that stands first has four.
        """
        year_at, month_at, day_at = _PLACES[order]
        long = self.lengths[year_at] == 4
        if not long and (order == "ymd" or self.lengths[year_at] != 2):
            return None
        if self.lengths[day_at] > 2 or self.lengths[month_at] > 2:
            return None
        year = self.parts[year_at] + (0 if long else 2000)
        hour = self.hour
        if self.half and hour <= 12:
            hour = hour % 12 + (12 if self.half == "pm" else 0)
        try:
            return datetime(year, self.parts[month_at], self.parts[day_at], hour, self.minute, self.second)
        except ValueError:
            return None


def stamp(match: re.Match[str]) -> Stamp:
    """The stamp of a match of :data:`STAMP`."""
    texts = (match["a"], match["b"], match["c"])
    said = (match["before"] or "") + (match["after"] or "")
    return Stamp(
        (int(texts[0]), int(texts[1]), int(texts[2])),
        (len(texts[0]), len(texts[1]), len(texts[2])),
        int(match["hour"]),
        int(match["minute"]),
        int(match["second"] or 0),
        "" if not said else "pm" if _LATER.search(said) else "am",
    )


def decide(stamps: Sequence[Stamp]) -> tuple[Order, str]:
    """The order in which most of a file's dates are dates; where several fit, the one in which time runs on.

    Returns:
        The order, and a sentence where nothing in the file decides (month first is then taken for times with
        am and pm, day first for all others); "" where it is decided.
    """
    times = {order: [found.at(order) for found in stamps] for order in _ORDERS}
    valid = {order: sum(t is not None for t in times[order]) for order in _ORDERS}
    most = max(valid.values())
    fitting = [order for order in _ORDERS if valid[order] == most]
    back = {order: _backwards([t for t in times[order] if t is not None]) for order in fitting}
    fitting = [order for order in fitting if back[order] == min(back.values())]
    if len(fitting) == 1:
        return fitting[0], ""
    wanted: Order = "mdy" if any(found.half for found in stamps) else "dmy"
    chosen = wanted if wanted in fitting else fitting[0]
    if all(times[order] == times[chosen] for order in fitting):
        return chosen, ""
    return chosen, f"Its dates are read as {_NAMES[chosen]}: nothing in it decides."


def _backwards(times: Sequence[datetime]) -> int:
    """How often time runs back by more than a clock that is put back."""
    return sum(b < a - timedelta(hours=2) for a, b in pairwise(times))


def of_value(value: Any) -> datetime | Stamp | None:
    """The time that a value of JSON or a cell of a table states.

    Numbers are seconds since 1970, or a thousandth, millionth or billionth of one (told by their size), in UTC.
    Texts are such numbers, ISO 8601 (with a time zone: turned into UTC), or a date of :data:`STAMP`.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        text = value.strip()
        if not text or len(text) > 64:
            return None
        try:
            value = float(text)
        except ValueError:
            return _of_text(text)
    return _of_number(value) if isinstance(value, int | float) else None


def _of_text(text: str) -> datetime | Stamp | None:
    try:
        found = datetime.fromisoformat(text)
        if found.utcoffset() is not None:
            found = found.replace(tzinfo=None) - found.utcoffset()  # type: ignore[operator]
        return found.replace(microsecond=0)
    except (ValueError, OverflowError):
        match = _WHOLE.fullmatch(text)
        return stamp(match) if match else None


def _of_number(number: float) -> datetime | None:
    """From 1990 to 2100 in whichever unit; a small number is no time."""
    epoch, first, last = datetime(1970, 1, 1), 631_152_000, 4_102_444_800
    for unit in (1, 1_000, 1_000_000, 1_000_000_000):
        if first * unit <= number < last * unit:
            return epoch + timedelta(seconds=int(number // unit))
    return None
