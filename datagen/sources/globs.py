"""Glob patterns on relative POSIX paths."""

from __future__ import annotations

import re
from collections.abc import Sequence

from datagen.core.errors import UsageError


class Globs:
    """Patterns of which any may match.

    ``*`` and ``?`` stay within a name, ``**`` crosses folders, ``[…]`` is a set. A pattern without a slash
    matches a name at any depth, as in ``*.md``; one with a slash matches from the source folder. What
    matches a folder matches everything in it.

    Raises:
        UsageError: a pattern makes no sense, as in ``[z-a]``.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._compiled = [_compile(p) for p in patterns if p.strip("/")]

    def __bool__(self) -> bool:
        return bool(self._compiled)

    def match(self, path: str) -> bool:
        """Does any pattern match ``path``, or a folder above it?"""
        return any(pattern.match(path) for pattern in self._compiled)


def _compile(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(_translate(pattern))
    except re.error as error:
        raise UsageError(
            f"The pattern {pattern!r} cannot be used.",
            f"It is not a valid glob: {error.msg}.",
            "Correct it in sources.include or sources.exclude.",
        ) from error


def _translate(pattern: str) -> str:
    anchored = "/" in pattern.strip("/") or pattern.startswith("/")
    pattern = pattern.strip("/")
    out = ["" if anchored else "(?:.*/)?"]
    i = 0
    while i < len(pattern):
        if pattern.startswith("**/", i):
            out.append("(?:.*/)?")
            i += 3
        elif pattern.startswith("**", i):
            out.append(".*")
            i += 2
        elif pattern[i] == "*":
            out.append("[^/]*")
            i += 1
        elif pattern[i] == "?":
            out.append("[^/]")
            i += 1
        elif pattern[i] == "[" and (end := pattern.find("]", i + 2)) > 0:
            body = pattern[i + 1 : end].replace("\\", r"\\").replace("[", r"\[")
            out.append(f"[{'^' + body[1:] if body[0] == '!' else body}]")
            i = end + 1
        else:
            out.append(re.escape(pattern[i]))
            i += 1
    return "(?s:" + "".join(out) + r")(?:/.*)?\Z"
