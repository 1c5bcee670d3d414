"""What the recognisers are given: the text, and what several of them ask of it, worked out once and on demand."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import NamedTuple

_CLUSTER = re.compile(r"\d(?:[^\n\d]{0,3}\d){3,40}")
_REACH = 90  # characters before a number in which the words that name it are looked for
_CODE = re.compile(
    r"::|->|=>|==|!=|\(\)|``|</?\w+>|[a-z]_[a-z]|\w\.\w+\(|[{};]\n|\b(?:def|class|import|return|elif|const|var|func|"
    r"int|str|bool|None|null|struct|void|self|async|await|lambda|kwargs|stdout|regex|API|HTTP|JSON|XML|URL|SQL|CLI|"
    r"git|npm|pip|sudo|PEP|RFC|syntax|compiler|runtime|boolean|iterator|parser|module|namespace|function|method|"
    r"attribute|interpreter|subclass|backend|metadata|config|deprecated|implementation|code|library|libraries|CPU|GPU|"
    r"threads?|server|Python|Java|Linux|packages?|software|algorithms?|memory|kernel|framework|bug|patch|commit|"
    r"repository|developers?|programming|binary|files?|types?|objects?|strings?|dict|arguments?|parameters?|"
    r"statements?|"
    r"expressions?|default|keywords?|byte|bytes|array|variable|variables|loop|build|install|script|scripts)\b"
)
_WORD = re.compile(r"\w+")
_TECHNICAL = 1 / 30  # marks of code in a word: prose about people has next to none, documentation one in ten
_FEW = 40  # words from which a share says anything
_PART = 5_000  # characters over which it is measured


class Found(NamedTuple):
    """A finding in the text of a page: half open, as :class:`curation.pii.types.Span`."""

    start: int
    end: int
    type: str
    score: float


class Page:
    """A text that is searched.

    Attributes:
        text: as :func:`curation.pii.normal.view` gives it.
        wanted: the types that are looked for.
    """

    def __init__(self, text: str, wanted: frozenset[str]) -> None:
        self.text = text
        self.wanted = wanted

    @functools.cached_property
    def digits(self) -> bool:
        """Is there a digit at all?"""
        return _DIGIT.search(self.text) is not None

    @functools.cached_property
    def _technical(self) -> list[bool]:
        return [_is_technical(self.text[at : at + _PART]) for at in range(0, len(self.text), _PART)] or [False]

    def technical(self, at: int) -> bool:
        """Is the text around a place about software? Capitals and groups of digits are then no names and phones."""
        return self._technical[min(at // _PART, len(self._technical) - 1)]

    def around(self, start: int, end: int, before: int, after: int) -> str:
        """What stands near a finding, without the finding itself: context words are looked for here."""
        return self.text[max(0, start - before) : start] + " \x00 " + self.text[end : end + after]

    @functools.cached_property
    def numbers(self) -> list[tuple[int, int]]:
        """Where numbers of four digits and more stand, with the words before them: stretches apart, ascending."""
        out: list[tuple[int, int]] = []
        for match in _CLUSTER.finditer(self.text) if self.digits else ():
            start, end = max(0, match.start() - _REACH), match.end()
            if out and start <= out[-1][1]:
                start = out.pop()[0]
            out.append((start, end))
        return out

    def before_numbers(self, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
        """The matches of a pattern that stand shortly before a number."""
        for start, end in self.numbers:
            yield from pattern.finditer(self.text, start, end)

    def plain_parts(self) -> Iterator[tuple[int, int]]:
        """The stretches of the text that are not about software."""
        for i, technical in enumerate(self._technical):
            if not technical:
                yield i * _PART, min(len(self.text), (i + 1) * _PART)

    def matches(self, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
        """The matches of a pattern in the text."""
        return pattern.finditer(self.text)


_DIGIT = re.compile(r"\d")


def _is_technical(text: str) -> bool:
    words = sum(1 for _ in _WORD.finditer(text))
    if words < _FEW:
        return False
    return sum(1 for _ in _CODE.finditer(text)) > words * _TECHNICAL
