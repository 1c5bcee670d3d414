"""Small tools on Markdown prose that several curation modules share."""

from __future__ import annotations

import re

_FENCE_LINE = re.compile(r"[ \t]*(`{3,}|~{3,})(.*)")
_SPAN = re.compile(r"`[^`\n]{1,300}`")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
# Scripts written without spaces: about two characters make a word.
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\u0e00-\u0e7f\u0e80-\u0eff\u1000-\u109f\u1780-\u17ff]")


def wordset(words: str) -> frozenset[str]:
    """The set of the words of a text, split at white space."""
    return frozenset(words.split())


def count_words(text: str) -> int:
    """Words between white space; in scripts without spaces, half the characters."""
    unspaced = len(_UNSPACED.findall(text)) if not text.isascii() else 0
    if not unspaced:
        return len(text.split())
    return len(_UNSPACED.sub(" ", text).split()) + (unspaced + 1) // 2


def word_list(text: str) -> list[str]:
    """Lower-case words in order, without punctuation."""
    return [m.group().lower() for m in _WORD.finditer(text)]


def lines_of(text: str) -> list[str]:
    """The lines that are not blank; one empty line for an empty text."""
    return [line for line in text.split("\n") if line.strip()] or [""]


def open_fence(text: str) -> bool:
    """Whether the text ends inside a Markdown code fence (CommonMark 4.5)."""
    return _fences(text)[1]


def without_code(text: str) -> str:
    """The text without code fences, and with each code span as the one word ``x``."""
    if "```" in text or "~~~" in text:
        text = "\n".join(_fences(text)[0])
    return _SPAN.sub("x", text) if "`" in text else text


def _fences(text: str) -> tuple[list[str], bool]:
    """The lines outside fences, and whether the last fence stays open."""
    outside: list[str] = []
    marker = ""
    for line in text.split("\n"):
        match = _FENCE_LINE.match(line)
        if not marker:
            if match and not (match[1][0] == "`" and "`" in match[2]):
                marker = match[1]
            else:
                outside.append(line)
        elif match and match[1].startswith(marker) and not match[2].strip():
            marker = ""
    return outside, bool(marker)
