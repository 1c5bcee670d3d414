"""Numbers of a spreadsheet as it shows them: dates, times, percentages, plain numbers.

Source: ECMA-376 part 1, 18.8.30 (number formats; built-in ids) and 18.17.4 (dates).
"""

from __future__ import annotations

import datetime
import re
from typing import Any

from datagen.sources import ooxml
from datagen.sources.archive import Archive

_S = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_DATES = {14: "d", 15: "d", 16: "d", 17: "d", 18: "t", 19: "t", 20: "t", 21: "t", 22: "dt", 45: "t", 46: "t", 47: "t"}
_DATES |= dict.fromkeys((*range(27, 32), 36, *range(50, 59)), "d") | dict.fromkeys(range(32, 36), "t")
_PERCENT = {9: 0, 10: 2}
_LITERAL = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]|_.|\*.')


class Formats:
    """The number formats of a workbook."""

    def __init__(self, archive: Archive, workbook: Any) -> None:
        properties = workbook.find(f"{_S}workbookPr")
        is_1904 = properties is not None and properties.get("date1904") in ("1", "true")
        self._epoch = datetime.datetime(1904, 1, 1) if is_1904 else datetime.datetime(1899, 12, 30)
        self._kinds: list[tuple[str, int]] = []
        if "xl/styles.xml" not in archive.names:
            return
        root = ooxml.parse(archive.read("xl/styles.xml"))
        own = {f.get("numFmtId") or "": f.get("formatCode") or "" for f in root.iterfind(f"{_S}numFmts/{_S}numFmt")}
        for cell in root.iterfind(f"{_S}cellXfs/{_S}xf"):
            number = cell.get("numFmtId") or "0"
            self._kinds.append(_kind(number, own.get(number)))

    def shown(self, value: str, style: str) -> str:
        """A number cell's text."""
        try:
            number = float(value)
        except ValueError:
            return value
        at = int(style) if style.isdecimal() else 0
        kind, places = self._kinds[at] if at < len(self._kinds) else ("", 0)
        if kind == "%":
            return f"{number * 100:.{places}f}%"
        if kind and 0 <= number < 2_958_466:  # until the year 9999
            return self._date(number, kind)
        return repr(int(number)) if number.is_integer() and abs(number) < 1e15 else f"{number:.12g}"

    def _date(self, number: float, kind: str) -> str:
        # Excel counts a 29 February 1900 that never was.
        moment = self._epoch + datetime.timedelta(days=number + (1 if number < 60 and self._epoch.year == 1899 else 0))
        moment = (moment + datetime.timedelta(microseconds=500_000)).replace(microsecond=0)
        if kind == "t" and number < 1:
            return moment.strftime("%H:%M:%S").removesuffix(":00")
        if kind == "d" or (moment.hour == moment.minute == moment.second == 0):
            return moment.date().isoformat()
        return moment.isoformat(" ").removesuffix(":00")


def _kind(number: str, code: str | None) -> tuple[str, int]:
    """``d`` date, ``t`` time, ``dt`` both, ``%`` with its decimal places, else ""."""
    if code is None:
        at = int(number) if number.isdecimal() else 0
        return ("%", _PERCENT[at]) if at in _PERCENT else (_DATES.get(at, ""), 0)
    plain = _LITERAL.sub("", code.split(";")[0]).lower()
    if "%" in plain:
        places = re.search(r"\.([0#]+)", plain)
        return "%", len(places[1]) if places else 0
    date, time = re.search(r"[yd]|mmm", plain) is not None, re.search(r"[hs]", plain) is not None
    return ("d" if date else "") + ("t" if time else ""), 0
