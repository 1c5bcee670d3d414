"""What stands around a passage: is it code in a page that explains, is it quoted, is it talked about?"""

from __future__ import annotations

# ruff: noqa: E501 - a pattern that is cut is hard to read
import bisect
import functools
import re
from dataclasses import dataclass

from curation.malicious.inline import Inline, inline
from curation.malicious.near import enclosed

_FENCED = re.compile(r"(?:^|\n)[ \t>]{0,12}(`{3,}+|~{3,}+)[^\n]*+\n")
_TICKS = re.compile(r"(`{1,3})(?!`)([^`\n]{1,400})\1|\{\{([^\n{}]{1,200})\}\}")
_LINE = re.compile(r"[^\n]*\n?")
_WORDS = re.compile(r"[^\W\d_]{2,}")
_TALK = re.compile(
    r"\b(?:for example|for instance|e\.g\.|such as|examples?|attack(?:s|er|ers|ing)?|inject(?:ion|ions|ed|s)|payloads?|vulnerab\w+|exploit\w*"
    r"|malicious|saniti[sz]\w+|escap(?:e|es|ed|ing)|xss|cross-site|owasp|prevent\w*|mitigat\w*|defen[cs]es?|jailbreak\w*|phrases?|detect\w*"
    r"|filters?|untrusted|threats?|adversarial|security|tutorial|parameteri[sz]ed|prepared statements?|never|avoid|beware|suspicious|might try"
    r"|would (?:be|become|return|turn)|could (?:be|become)|called|known as|orders? to|forged|hijack\w*|trick(?:s|ed|ing)?|tag|element|attribute|statement|query|syntax|clause|beispiel|par exemple|ejemplo)\b",
    re.IGNORECASE,
)
_AROUND = 500  # characters before and after that are read
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "«": "»", "„": "“", "`": "`", "(": ")"}


@dataclass(frozen=True)
class Context:
    """The code of a text, as sorted stretches, and how much prose there is beside it."""

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    prose: int

    def in_code(self, start: int, end: int) -> bool:
        """Does the passage lie in code?"""
        at = bisect.bisect_right(self.starts, start) - 1
        return at >= 0 and end <= self.ends[at] + 1

    def explained(self, start: int, end: int) -> bool:
        """Is the passage code in a page of prose, or quoted where such things are talked about?"""
        if self.in_code(start, end):
            return self.prose >= 8
        return self.talked_about(start, end)

    def talked_about(self, start: int, end: int) -> bool:
        """Do the words around speak about such a passage, which stands in quotes or in the middle of prose?"""
        low, high = start - _AROUND, end + _AROUND
        words = _within(self._words, low, start) + _within(self._words, end, high)
        if words < 8 or not (_within(self._talk, low, start) or _within(self._talk, end, high)):
            return False
        return self.quoted(start, end) or words >= 20

    @functools.cached_property
    def inline(self) -> Inline:
        """The text as the detectors of payloads read it, and its code spans."""
        return inline(self.text)

    @functools.cached_property
    def _words(self) -> list[int]:
        """Where the words begin."""
        return [m.start() for m in _WORDS.finditer(self.text)]

    @functools.cached_property
    def _talk(self) -> list[int]:
        """Where the words begin that speak about such passages."""
        return [m.start() for m in _TALK.finditer(self.text)]

    def quoted(self, start: int, end: int) -> bool:
        """Does the passage stand in quotation marks, within its line?"""
        low = self.text.rfind("\n", max(0, start - 200), start) + 1 or max(0, start - 200)
        high = self.text.find("\n", end, end + 200)
        before, after = self.text[low:start], self.text[end : high if high >= 0 else end + 200]
        return any(
            (before.count(mark) - (before.count(closing) if closing != mark else 0)) % 2 == 1 and closing in after
            for mark, closing in _QUOTES.items()
            if mark in before
        ) or (before.endswith(tuple(_QUOTES)) and after.startswith(tuple(_QUOTES.values())))


def _within(places: list[int], low: int, high: int) -> int:
    """How many of the sorted places lie in ``low <= place < high``."""
    return bisect.bisect_left(places, high) - bisect.bisect_left(places, low)


def context(text: str) -> Context:
    """The context of a text: fences, inline code, and lines set in by four columns or after a line ending in ``::``."""
    spans: list[tuple[int, int]] = []
    at = 0
    while found := _FENCED.search(text, at):
        closing = re.compile(r"\n[ \t>]{0,12}" + re.escape(found[1]) + r"[^\S\n]*(?:\n|$)").search(
            text, found.end() - 1
        )
        end = closing.end() if closing else len(text)
        spans.append((found.start(), end))
        at = max(end - 1, found.end())
        if not closing:
            break
    spans += [m.span() for m in _TICKS.finditer(text)]
    spans += [(a, b) for a, b in enclosed("<code>", "</code>", text, 400) if "\n" not in text[a:b]]
    spans += enclosed("<pre>", "</pre>", text, 3000)
    spans += _set_in(text)
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    prose, last = 0, 0
    for start, end in [*merged, (len(text), len(text))]:
        prose += len(_WORDS.findall(text, last, start)) if prose < 40 else 0
        last = end
    return Context(text, tuple(s for s, _ in merged), tuple(e for _, e in merged), prose)


def _set_in(text: str) -> list[tuple[int, int]]:
    """Blocks of lines that are set in, after a blank line (CommonMark 4.4) or a paragraph (reStructuredText's ``::``)."""
    out: list[tuple[int, int]] = []
    if "    " not in text and "\t" not in text and "::" not in text:
        return out
    begun = -1
    before = "start"
    for found in _LINE.finditer(text):
        line = found[0]
        if not line:
            break
        if not line.strip():
            before = "blank" if before != "start" else before
            continue
        deep = line.startswith(("    ", "\t", "   ", "  "))
        if deep and (begun >= 0 or before == "blank"):
            begun = found.start() if begun < 0 else begun
            if out and out[-1][0] == begun:
                out[-1] = (begun, found.end())
            else:
                out.append((begun, found.end()))
        else:
            begun = -1
        before = "line"
    return out
