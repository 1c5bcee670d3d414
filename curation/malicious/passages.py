"""The passages of a text that are compared with others: its sentences, in long texts only those near something."""

from __future__ import annotations

import re
from collections.abc import Sequence

LONG = 600  # characters of a text that is read only where something was seen
# To a mark with a blank after it, the end of a paragraph, or a line that begins with a bullet.
_SENTENCE = re.compile(
    r"[^\s.!?。！？](?:[^.!?。！？\n]|[.!?](?![\s\"')\]]|\Z)|\n(?![ \t]*(?:\n|[-*>#|+])|\Z)){2,400}[?？]?"
)
# Scripts without blanks between words: Thai to Khmer, kana, Han; and Hangul, whose words are short.
UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]")


def passages(text: str, about: Sequence[tuple[int, int]], words: int) -> list[tuple[int, int]]:
    """Spans of the sentences of a folded text.

    Args:
        about: stretches in which something was seen already; a text over 600 characters is read only there.
        words: that a sentence has at least; two characters of a script without blanks count as one.
    """
    out = sentences(text, words)
    if len(text) > LONG:
        out = [(a, b) for a, b in out if any(a < end and start < b for start, end in about)]
    return out


def sentences(text: str, words: int) -> list[tuple[int, int]]:
    """Spans of all sentences of so many words."""
    return [m.span() for m in _SENTENCE.finditer(text) if _many(m[0], words)]


def _many(sentence: str, words: int) -> bool:
    if len(sentence) >= 12 and sentence.count(" ") >= words - 1:
        return True
    return not sentence.isascii() and len(UNSPACED.findall(sentence)) >= 2 * words - 2
