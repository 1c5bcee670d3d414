"""Code spans and short quotations in a sentence, as Markdown and reStructuredText write them.

A backtick is also a quotation mark of MySQL, a command substitution of shells and a template literal of JavaScript.
What tells a code span from those: its marks stand where words begin and end, and there are words beside it (CommonMark
0.31, 6.1 "Code spans", and reStructuredText's rule for the recognition of inline markup).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SPAN = re.compile(
    r"(?<![^\s(\[{\"'*_|/:“‘«])(`{1,3})(?![`\s])[^`\n]{1,300}(?<!\s)\1(?![^\s)\]}\"'*_|/.,;:!?…”’»-])(?!-[^a-z])"
)
_WORD = re.compile(r"[^\W\d_]{2,}")
_PLAIN = re.compile(r"[\w\s.,?!]*")
_LEAST = 2
"""Words beside the spans from which they are spans of a sentence."""
_QUOTED = re.compile(r"(?<=\s)(['\"])(?=\S)[^'\"\n]{1,60}(?<=\S)\1(?![^\s).,;:!?])")
_SQL = frozenset("or and xor like null union select order by having between".split())


@dataclass(frozen=True)
class Inline:
    """A text with its code spans.

    Attributes:
        text: the same text, of the same length, with blanks for the marks of code spans.
        spans: start and end of each span, its marks included.
        words: how many words stand beside them.
    """

    text: str
    spans: tuple[tuple[int, int], ...]
    words: int

    def shown(self, start: int, end: int) -> bool:
        """Does the passage lie in one code span of a sentence, but perhaps for plain words after it?"""
        return self.words > _LEAST and any(
            a <= start < b and (end <= b or _PLAIN.fullmatch(self.text, b, end)) for a, b in self.spans
        )


def inline(text: str) -> Inline:
    """The code spans of a sentence or a longer text; none where too few words stand beside them."""
    spans = tuple(m.span() for m in _SPAN.finditer(text)) if "`" in text else ()
    if not spans:
        return Inline(text, (), 0)
    parts: list[str] = []
    words = last = 0
    for start, end in spans:
        marks = 1 + (text[start + 1] == "`") + (text[start + 1 : start + 3] == "``")
        words += _words(text, last, start)
        parts += [text[last:start], " " * marks, text[start + marks : end - marks], " " * marks]
        last = end
    words += _words(text, last, len(text))
    if words < _LEAST:
        return Inline(text, (), words)
    return Inline("".join((*parts, text[last:])), spans, words)


def quotes_a_word(text: str, at: int) -> bool:
    """Does a quotation mark at ``at`` begin a short quotation in a sentence, as in: what does "--json" do?"""
    found = _QUOTED.match(text, at)
    return found is not None and _words(text, 0, at) + _words(text, found.end(), len(text)) > _LEAST


def _words(text: str, low: int, high: int) -> int:
    """Words that are no SQL, at most 20."""
    count = 0
    for found in _WORD.finditer(text, low, high):
        count += found[0].lower() not in _SQL
        if count >= 20:
            break
    return count
