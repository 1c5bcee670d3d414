"""Local repair of JSON that a model almost got right. Only characters are dropped or escaped, and
brackets closed: nothing that a reader of the text would call content is ever added.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MAX_LENGTH = 1_000_000  # longer texts are not repaired
MAX_STARTS = 16  # places at which a value is looked for
MAX_DEPTH = 64

_CLOSER = {"{": "}", "[": "]"}
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_HEX = re.compile(r"u[0-9a-fA-F]{4}")
_THOUGHT = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_OPENING, _CLOSING = "“", "”"


def candidates(text: str, *, may_close: bool) -> Iterator[str]:
    """JSON texts that a reply may have meant, for the caller to parse and check.

    What is repaired: prose, code fences or a ``<think>`` block around a value; trailing commas; raw
    line breaks, tabs and other control characters inside strings; backslashes that begin no JSON
    escape; typographic quotes in the place of a string's delimiters; with ``may_close``, closing
    brackets that are missing. A string without its end is never closed.

    Args:
        text: the whole reply.
        may_close: False where the reply may have been cut off.

    Yields:
        One candidate for each value found in the text, or two that differ in how typographic
        quotes are read.
    """
    if len(text) > MAX_LENGTH:
        return
    text = _THOUGHT.sub("", text, count=1)
    position = 0
    for _ in range(MAX_STARTS):
        found = re.compile(r"[{\[]").search(text, position)
        if found is None:
            return
        ends = []
        for typographic in (False, True):
            walked = _Walk(text, found.start(), may_close=may_close, typographic=typographic).walk()
            if walked is not None:
                repaired, end = walked
                ends.append(end)
                yield repaired
            if _OPENING not in text and _CLOSING not in text:
                break
        position = max(ends, default=found.start() + 1)


class _Walk:
    """One walk over a text, from an opening bracket to the one that closes it."""

    def __init__(self, text: str, start: int, *, may_close: bool, typographic: bool) -> None:
        self.text = text
        self.at = start
        self.may_close = may_close
        self.typographic = typographic
        self.out: list[str] = []
        self.stack: list[str] = []

    def walk(self) -> tuple[str, int] | None:
        """The repaired value and where it ends in the text, or None where there is none to be had."""
        text, size = self.text, len(self.text)
        while self.at < size:
            char = text[self.at]
            if char in "{[":
                self.stack.append(_CLOSER[char])
                if len(self.stack) > MAX_DEPTH:
                    return None
                self.out.append(char)
                self.at += 1
            elif char in "}]":
                if not self._close(char):
                    return None
                self.at += 1
                if not self.stack:
                    return "".join(self.out), self.at
            elif char == '"' or (self.typographic and char in (_OPENING, _CLOSING)):
                if not self._string():
                    return None
            elif char == ",":
                if self._next(self.at + 1) not in ("}", "]", ""):
                    self.out.append(",")
                self.at += 1
            else:
                self.out.append(char)
                self.at += 1
        if not self.may_close:
            return None
        self.out.extend(reversed(self.stack))
        return "".join(self.out), size

    def _close(self, char: str) -> bool:
        while self.stack and self.stack[-1] != char:
            if not self.may_close or char not in self.stack:
                return False
            self.out.append(self.stack.pop())
        if not self.stack:
            return False
        self.out.append(self.stack.pop())
        return True

    def _string(self) -> bool:
        """Copy a string, from its opening delimiter to its end; False where it has no end."""
        text, size = self.text, len(self.text)
        plain = text[self.at] == '"'
        self.out.append('"')
        self.at += 1
        while self.at < size:
            char = text[self.at]
            self.at += 1
            if char == "\\":
                self._escape()
            elif char == '"' and (plain or self._structural()):
                self.out.append('"')
                return True
            elif char == '"':
                self.out.append('\\"')
            elif self.typographic and char == _CLOSING and self._structural():
                self.out.append('"')
                return True
            elif char < " ":
                self.out.append(_ESCAPES.get(char) or f"\\u{ord(char):04x}")
            else:
                self.out.append(char)
        return False

    def _escape(self) -> None:
        """The character after a backslash: a JSON escape stays, any other backslash becomes content."""
        following = self.text[self.at : self.at + 1]
        if following and (following in '"\\/bfnrt' or _HEX.match(self.text, self.at)):
            self.out.append("\\" + following)
            self.at += 1
        elif following == "'":
            pass  # \' is how other languages write an apostrophe
        else:
            self.out.append("\\\\")

    def _structural(self) -> bool:
        return self._next(self.at) in (",", ":", "}", "]")

    def _next(self, position: int) -> str:
        """The next character that is not white space, or "" at the end."""
        while position < len(self.text) and self.text[position] in " \t\r\n":
            position += 1
        return self.text[position : position + 1]
