"""Made-up values in the place of real ones: the same value always becomes the same one, in the same form.

Names are replaced word by word, so that a person stays one person where only the surname, the first name or an e-mail
address names them. Numbers keep their shape, and their check digits where they have one.
"""

from __future__ import annotations

import functools
import hashlib
import re
import string
import unicodedata
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import Any

from curation.pii import checks
from curation.pii.lexicon import available, lexicon
from curation.pii.network import unspelled
from curation.pii.normal import view
from datagen.core.errors import UsageError

_WORD = re.compile(r"[^\W\d_]+")
_DATE = re.compile(
    r"(?P<y>\d{4})(?P<s>[-/.])(?P<m>\d{1,2})(?P=s)(?P<d>\d{1,2})|"
    r"(?P<a>\d{1,2})(?P<t>[-/.])(?P<b>\d{1,2})(?P=t)(?P<c>\d{4}|\d{2})"
)
_MONTHS = "january february march april may june july august september october november december".split()
_WRITTEN = re.compile(r"\b(?P<month>[A-Za-z]{3,9})\b")
_LINKS = frozenset(
    "van von der den de da di do dos das del della la le el al bin ibn ben zu zur ter ten af av y e du des".split()
)
_MOST_DAYS = 400


class Surrogates:
    """Makes the values.

    Args:
        seed: another one gives other values.
        locale: Faker's, as in ``"de_DE"``.
        names: words of people's names that occur in the text: an e-mail made of them stays made of them.

    Raises:
        UsageError: Faker is not installed or does not know the locale.
    """

    def __init__(self, seed: int, locale: str, names: Iterable[str] = ()) -> None:
        self._seed = seed
        self._locale = locale
        self._names = sorted({n.casefold() for n in names if len(n) > 2}, key=lambda n: (-len(n), n))
        _faker(locale)

    def make(self, kind: str, value: str) -> str:
        """The value that stands for another one of a type."""
        value = view(value).text
        maker: Callable[[str], str] | None = getattr(self, f"_{kind.lower()}", None)
        return maker(value) if maker else self._shape(value)

    def _number(self, *parts: str) -> int:
        text = "\x1f".join((str(self._seed), self._locale, *parts))
        return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest(), "big")

    def _fake(self, *parts: str) -> Any:
        fake = _faker(self._locale)
        fake.seed_instance(self._number(*parts))
        return fake

    def _name(self, word: str) -> str:
        """The word that stands for one word of a name: a first name for what is mostly one, else a surname."""
        key = word.casefold()
        lex = lexicon()
        fake = self._fake("name", key)
        made: str = fake.first_name() if lex.first.get(key, 0) > lex.last.get(key, 0) else fake.last_name()
        made = str(made).split()[-1]
        if made.casefold() == key:
            made = str(self._fake("name", key, "other").last_name()).split()[-1]
        return made.upper() if len(word) > 1 and word.isupper() else made.lower() if word.islower() else made

    def _person(self, value: str) -> str:
        def word(match: re.Match[str]) -> str:
            part = match[0]
            if part.casefold() in _LINKS and part.islower():
                return part
            if len(part) == 1:
                return string.ascii_uppercase[self._number("initial", part) % 26]
            return self._name(part)

        return _WORD.sub(word, value)

    def _email_address(self, value: str) -> str:
        local, _, domain = unspelled(value).rpartition("@")
        known = "|".join(map(re.escape, self._names))
        pattern = re.compile(rf"{known}|[^\W\d_]+|\d+" if known else r"[^\W\d_]+|\d+", re.I)

        def part(match: re.Match[str]) -> str:
            if match[0].isdigit():
                return self._shape(match[0])
            return _ascii(self._name(match[0].lower()))

        domains = ("example.com", "example.org", "example.net")
        made = pattern.sub(part, _ascii(local) or "x")
        made = re.sub(r"[^\w.+-]+", ".", made).strip(".") or "x"
        return f"{made}@{domains[self._number('domain', domain.casefold()) % 3]}"

    def _phone_number(self, value: str) -> str:
        """The same shape and country; in North America, of the numbers kept free for stories (555-01xx)."""
        keep = re.match(r"\+\d{1,3}(?=\D)|\+\d{2}|00\d{2}(?=\D)", value)
        head = keep[0] if keep else ""
        made = self._shape(value[len(head) :])
        digits = [i for i, c in enumerate(made) if c.isdigit()]
        groups = [len(g) for g in re.findall(r"\d+", value)]
        if groups[-3:] == [3, 3, 4] or (head == "+1" and len(digits) == 10):
            free = "55501"
            chars = list(made)
            for place, digit in zip(digits[-7:-2], free, strict=True):
                chars[place] = digit
            made = "".join(chars)
        return head + made

    def _credit_card(self, value: str) -> str:
        made = list(self._shape(value, keep=1))
        digits = [i for i, c in enumerate(made) if c.isdigit()]
        for last in "0123456789" if digits else "":
            made[digits[-1]] = last
            if checks.luhn("".join(made[i] for i in digits)):
                break
        return "".join(made)

    def _medical_record_number(self, value: str) -> str:
        return self._shape(value, keep=3 if value[:3].upper() == "MRN" else 0)

    def _iban_code(self, value: str) -> str:
        made = list(self._shape(value, keep=2))
        places = [i for i, c in enumerate(made) if c.isascii() and c.isalnum()]
        if len(places) < 5:
            return "".join(made)
        body = "".join(made[i] for i in places)
        number = int("".join(str(int(c, 36)) for c in body[4:] + body[:2] + "00"))
        made[places[2]], made[places[3]] = _two_digits(98 - number % 97)
        return "".join(made)

    def _us_ssn(self, value: str) -> str:
        """An area number of 900 and above, which is never given out."""
        made = self._shape(value)
        place = next((i for i, c in enumerate(made) if c.isalnum()), 0)
        return made[:place] + "9" + made[place + 1 :]

    def _date_time(self, value: str) -> str:
        """All dates of a seed are shifted by as many days."""
        days = timedelta(self._number("days") % _MOST_DAYS + 30)
        match = _DATE.search(value)
        if match is None:
            return self._written(value)
        year = int(match["y"] or match["c"])
        if match["y"]:
            moved = _moved(year, int(match["m"]), int(match["d"]), days)
            new = f"{moved:%Y}{match['s']}{moved:%m}{match['s']}{moved:%d}" if moved else ""
        else:
            short = len(match["c"]) == 2
            a, b = int(match["a"]), int(match["b"])
            first_is_day = a > 12 or match["t"] == "."
            moved = _moved(year + 1900 * short, b if first_is_day else a, a if first_is_day else b, days)
            if moved is None:
                return self._shape(value)
            one, two = (moved.day, moved.month) if first_is_day else (moved.month, moved.day)
            width = 2 if value[match.start("a")] == "0" or value[match.start("b")] == "0" else 1
            new = f"{one:0{width}d}{match['t']}{two:0{width}d}{match['t']}" + (
                f"{moved:%y}" if short else f"{moved:%Y}"
            )
        return value[: match.start()] + new + value[match.end() :] if new else self._shape(value)

    _date_of_birth = _date_time

    def _written(self, value: str) -> str:
        """A date with the month's name: another month, day and year."""

        def month(match: re.Match[str]) -> str:
            word = match["month"]
            known = [m for m in _MONTHS if m.startswith(word.lower())]
            if not known or len(word) < 3:
                return word
            new = _MONTHS[(_MONTHS.index(known[0]) + 1 + self._number("month") % 10) % 12]
            new = new if len(word) > 3 else new[:3]
            return new.upper() if word.isupper() else new.capitalize() if word[0].isupper() else new

        def number(match: re.Match[str]) -> str:
            if len(match[0]) == 4:
                return str(int(match[0]) - 1 - self._number("year") % 3)
            return str(self._number("day", match[0]) % 28 + 1)

        return re.sub(r"\d+", number, _WRITTEN.sub(month, value))

    def _age(self, value: str) -> str:
        return re.sub(r"\d+", lambda m: str(max(1, int(m[0]) + self._number("age", m[0]) % 9 - 4)), value)

    def _location(self, value: str) -> str:
        return str(self._fake("location", value.casefold()).city())

    def _organization(self, value: str) -> str:
        return str(self._fake("organization", value.casefold()).company())

    def _address(self, value: str) -> str:
        if len(_WORD.findall(value)) < 2:
            return self._shape(value)
        return str(self._fake("address", " ".join(value.casefold().split())).street_address())

    def _ip_address(self, value: str) -> str:
        """An address of the ranges kept for documentation (RFC 5737, RFC 3849)."""
        number = self._number("ip", value.casefold())
        if ":" in value:
            return f"2001:db8::{number % 65535 + 1:x}"
        return f"{('198.51.100', '203.0.113')[number % 2]}.{number // 2 % 254 + 1}"

    def _url(self, value: str) -> str:
        return f"https://www.example.org/{self._number('url', value.casefold()) % 10**8}"

    def _special_category(self, value: str) -> str:
        return "<SPECIAL_CATEGORY>"

    def _shape(self, value: str, keep: int = 0) -> str:
        """Letters for letters and digits for digits; the first ``keep`` letters and digits stay."""
        key = "".join(c for c in value.casefold() if c.isalnum())
        number = self._number("shape", key)
        out = []
        for c in value:
            if not c.isalnum():
                out.append(c)
                continue
            if keep > 0:
                out.append(c)
                keep -= 1
                continue
            if number < 1 << 16:
                number = self._number("shape", key, str(len(out)))
            number, pick = divmod(number, 260)
            if c.isdigit():
                out.append(str(pick % 10))
            else:
                out.append((string.ascii_uppercase if c.isupper() else string.ascii_lowercase)[pick % 26])
        return "".join(out)


def _two_digits(number: int) -> tuple[str, str]:
    """The two digits of a number below 100."""
    tens, ones = divmod(number, 10)
    return str(tens), str(ones)


def _moved(year: int, month: int, day: int, by: timedelta) -> date | None:
    try:
        return date(year, month, day) - by
    except (ValueError, OverflowError):
        return None


def _ascii(text: str) -> str:
    folded = unicodedata.normalize("NFKD", text)
    return "".join(c for c in folded if c.isascii())


@functools.cache
def _faker(locale: str) -> Any:
    if not available():
        raise UsageError(
            "Personal data cannot be replaced by made-up values.",
            "They come from Faker, which is not installed.",
            "Install it: pip install 'datagen[pii]'.",
        )
    from faker import Faker

    try:
        return Faker(locale)
    except (AttributeError, ValueError) as error:
        raise UsageError(
            f"There are no made-up values for the locale {locale!r}.",
            "Faker does not know it.",
            "Set curation.pii.locale to one of Faker's, as in en_US or de_DE.",
        ) from error
