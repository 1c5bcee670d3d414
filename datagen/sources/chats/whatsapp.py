"""WhatsApp: the ``.txt`` that "Export chat" writes on Android and iOS.

Android: ``24/12/2023, 18:03 - Ann: text``; iOS: ``[24.12.23, 18:03:11] Ann: text``; older iOS versions:
``24.12.14 18:03:11: Ann: text``. A message goes on until the next line that begins like the first. What the
program says by itself has no name, or begins with U+200E (iOS, and Android for files), or is one of
:mod:`datagen.sources.chats.notices`. A message that holds a line in exactly the form of this file's own
headers cannot be told from two messages.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime

from datagen.sources.chats import dates, notices
from datagen.sources.chats.export import Export, Post, Section

_LRM = "\u200e"
_GONE = {ord(c): None for c in "\ufeff\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"}
_SPACES = dict.fromkeys(map(ord, "\u00a0\u2000\u2002\u2003\u2007\u2008\u2009\u200a\u202f\u205f\u3000"), " ")
_CLEAN = {**_GONE, **_SPACES}
_HEADER = re.compile(
    rf"{_LRM}{{0,2}}(?P<open>\[)?{_LRM}{{0,2}}{dates.STAMP}{_LRM}{{0,2}}"
    rf"(?P<close>\] ?| [-–—] |: )(?P<rest>.*)\Z"
)
_NEWLINES = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_NAME = 100  # characters a name may have
_LOOKED_AT = 50  # lines among which the first header must be: what stands before is the rest of a message
_DENSITY = 0.05  # share of lines that must be headers: less is a text that quotes a chat
_QUOTES = (("“", "”"), ("„", "“"), ("«", "»"))


class _Line:
    """A line that looks like the header of a message."""

    __slots__ = ("rest", "shape", "stamp")

    def __init__(self, match: re.Match[str], separator: str) -> None:
        self.stamp = dates.stamp(match)
        self.rest: str = match["rest"]
        lengths = self.stamp.lengths
        self.shape = (
            match["open"] or "",
            match["close"].strip(),
            separator,
            match["mid"].strip(),
            max(lengths[0], 2),
            max(lengths[2], 2),
            match["second"] is not None,
        )


def parse(text: str) -> Export | None:
    """The chat that a text holds, or None where it is no WhatsApp export. Takes time linear in the text."""
    lines = _NEWLINES.sub("\n", text).translate(_CLEAN).split("\n")
    found = [_header(line) for line in lines]
    shapes = Counter(header.shape for header in found if header)
    if not shapes:
        return None
    shape = shapes.most_common(1)[0][0]
    headers = [header if header and header.shape == shape else None for header in found]
    if not _is_chat(lines, headers):
        return None
    order, note = dates.decide([header.stamp for header in headers if header])
    return _collect(lines, headers, order, note)


def _header(line: str) -> _Line | None:
    match = _HEADER.match(line) if line[:6].strip(_LRM + "[")[:1].isdigit() else None
    if match is None or (match["open"] is not None) != match["close"].startswith("]"):
        return None
    if match["close"] == ": " and match["second"] is None:
        return None  # older iOS versions always give seconds; without them it is a line of a timetable
    separator = line[match.end("a") : match.start("b")].strip(_LRM + " ")
    return _Line(match, separator)


def _is_chat(lines: list[str], headers: list[_Line | None]) -> bool:
    count = sum(header is not None for header in headers)
    filled = sum(bool(line) for line in lines)
    first = next(i for i, header in enumerate(headers) if header)
    named = any(header is not None and _split(header.rest) is not None for header in headers)
    return count >= 2 and named and count >= _DENSITY * filled and sum(map(bool, lines[:first])) <= _LOOKED_AT


def _collect(lines: list[str], headers: list[_Line | None], order: dates.Order, note: str) -> Export:
    section = Section()
    export = Export("WhatsApp", [section], notes=[note] if note else [])
    at: datetime | None = None
    open_lines: list[str] = []

    def close() -> None:
        if at is not None:
            _add(export, section, at, open_lines)
        elif any(line.strip() for line in open_lines):
            export.left_out["fragment"] += 1

    for line, header in zip(lines, headers, strict=True):
        time = header.stamp.at(order) if header else None
        if header is None or time is None:  # a date that is none in this file's order is a line of a message
            open_lines.append(line)
            continue
        close()
        at, open_lines = time, [header.rest]
    close()
    return export


def _add(export: Export, section: Section, at: datetime, lines: list[str]) -> None:
    parts = _split(lines[0])
    if parts is None:
        export.left_out["system"] += 1
        return
    who, first = parts
    kind, text = _body("\n".join([first, *lines[1:]]))
    if kind is not None:
        export.left_out[kind] += 1
    if text:
        section.posts.append(Post(who, text, at))


def _split(rest: str) -> tuple[str, str] | None:
    """Name and text, or None for a line that the program wrote."""
    name, colon, text = (rest + " ").partition(": ")
    name = name.replace(_LRM, "").strip()
    if not colon or not name or len(name) > _NAME or notices.bare(name).startswith(notices.SELF):
        return None
    # The colon is inside of a quotation: “Ann changed the subject to "Tonight: pizza"”.
    if name.count('"') % 2 or any(name.count(a) != name.count(b) for a, b in _QUOTES if a in name):
        return None
    return name, text.rstrip(" ")


def _body(body: str) -> tuple[notices.Kind | None, str]:
    """What was left out of a message, if anything, and what the person wrote."""
    text = body.strip()
    first, _, rest = text.partition("\n")
    rest = rest.strip()
    kind = notices.kind_of(first)
    if text.startswith(_LRM) and kind != "media":
        return (notices.kind_of(text) or "system"), ""
    if kind == "media" and first.strip() != "null":
        # Android repeats a document's name below; anything else there is what the person wrote about the picture.
        return kind, "" if notices.is_file(rest) else _unmarked(rest)[1]
    whole = notices.kind_of(text) if rest else kind
    if whole is not None:
        return whole, ""
    return _unmarked(text)


def _unmarked(text: str) -> tuple[notices.Kind | None, str]:
    """A text without what the program put at its end: a picture below its caption, the mark of an edited message."""
    kind: notices.Kind | None = None
    for _ in range(2):
        cut = max(text.rfind(_LRM), text.rfind("<"))
        if cut < 0:
            break
        tail = text[cut:].strip(_LRM + " ")
        if notices.is_edited(tail):
            text = text[:cut].rstrip(_LRM + " \n")
        elif text[cut] == _LRM or text[:cut].endswith(_LRM):
            if notices.kind_of(tail) != "media":
                break
            kind, text = "media", text[:cut].rstrip(_LRM + " \n")
        else:
            break
    return kind, text
