"""What the recognisers are given: the text, and what several of them ask of it, worked out once and on demand."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import NamedTuple

_CLUSTER = re.compile(r"\d(?:[^\n\d]{0,3}\d){3,40}")
_GAP = 3  # characters between digits that stand close together
_LETTERS = re.compile(r"[^\W\d_]+")
_STEM = 4
STEMS = frozenset(
    "aadh aba acco acct ausw badg bank bene bic book cart case cert char chas chec citi clai clie codi "
    "cpf cust dea devi dl dln dni driv dvla ein empl enro epic exte fin fisc führ giro heal henk hetu "
    "hosp id iden imei imsi insu itin kenn kiml kont kran lice loya mbi medi meid memb mrn nati nhs ni "
    "nie nif nin nino npi nric numb pan pasa pass pati payr perm pers pese phys poli prov regi reis rent "
    "rese resi rout sa savi seri serv sin soci social sort sout sozi staf steu stud subs tax tckn tfn "
    "thai tin tnin udid uida umid utr vat vehi vers vin vote เลขป 주민등록".split()
)
"""How the words begin, in their first four letters, that :mod:`curation.pii.keyed` and
:mod:`curation.pii.presidio` look for."""
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
    def _clusters(self) -> list[tuple[int, int]]:
        """Where four digits and more stand close together: stretches apart, ascending."""
        out: list[tuple[int, int]] = []
        for match in _CLUSTER.finditer(self.text) if self.digits else ():
            start, end = match.span()
            if out and start - out[-1][1] <= _GAP:
                start = out.pop()[0]
            out.append((start, end))
        return out

    def _stretches(self, before: int, after: int, least: int) -> Iterator[tuple[int, int]]:
        last: tuple[int, int] | None = None
        for start, end in self._clusters:
            if end - start < least:
                continue
            start, end = max(0, start - before), end + after
            if last is not None and start <= last[1]:
                last = last[0], end
                continue
            if last is not None:
                yield last
            last = start, end
        if last is not None:
            yield last

    def near_numbers(
        self, pattern: re.Pattern[str], before: int, after: int, least: int = 4
    ) -> Iterator[re.Match[str]]:
        """The matches of a pattern that hold a number.

        Args:
            pattern: what is looked for.
            before, after: characters that it may have before and after its digits.
            least: characters from the first digit to the last.
        """
        for start, end in self._stretches(before, after, least):
            yield from pattern.finditer(self.text, start, end)

    @functools.cached_property
    def _named(self) -> list[tuple[int, int]]:
        """The stretches before numbers in which one of the words stands that tell what a number is."""
        return [
            (start, end)
            for start, end in self._stretches(_REACH, 0, 4)
            if not STEMS.isdisjoint(word[:_STEM] for word in _LETTERS.findall(self.text[start:end].lower()))
        ]

    def before_numbers(self, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
        """The matches of a pattern, which begins with one of :data:`STEMS`, that stand shortly before a number."""
        for start, end in self._named:
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
