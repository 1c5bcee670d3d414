"""Numbers that name a person by themselves: cards, IBANs, social security numbers, telephones."""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.pii import checks
from curation.pii.page import Found, Page

_CARD = re.compile(r"(?<![\w.+-])[\dOolI|BSQ](?:[ .\-]?[\dOolI|BSQ]){11,18}(?![\w|])(?!\.\d)")
_CARD_WORDS = re.compile(
    r"\b(?:credit|debit|card|visa|mastercard|amex|american express|maestro|cc|ccn|pan|cvv|karte|tarjeta|carte)\b|card",
    re.I,
)
_IBAN_START = re.compile(r"(?<![A-Za-z0-9])([A-Za-z]{2})[ ]?[0-9OolI][0-9OolI]")
_IBAN_WORDS = re.compile(r"\biban\b|\bbank|account|konto|cuenta|compte|transfer|wire", re.I)
_SSN = re.compile(
    r"(?<![\w.-])(?P<a>[\dOoQDlI|iSsBZz]{3})(?P<sep>[ .\-/]{1,3}|"
    r")(?P<b>[\dOoQDlI|iSsBZz]{2})(?P=sep)(?P<c>[\dOoQDlI|iSsBZzGg]{4})(?![\w-]|\.\d)"
)
_SSN_WORDS = re.compile(r"\bssns?\b|social[\s_-]?security|\bsocial\b|\bitin\b|taxpayer|\bss ?#|\bsocial number", re.I)
_EXTENSION = r"(?:\s?(?:x|ext\.?|extension|\#)\s?\d{1,6})?"
_PHONE = re.compile(
    r"(?<![\w.@#])(?<!\d[,:/=-])(?P<plus>\+ ?|00(?=[1-9]))?(?:\d{1,3}[ .\-]?)?(?:\(\+?\d{1,5}\)[ .\-/]{0,2})?"
    rf"\d{{1,12}}(?:(?:[ .\-/]|\u00a0| - ){{1,2}}\d{{1,8}}){{0,6}}(?P<ext>{_EXTENSION})(?![\w%])(?!\.\d|:\d\d)",
    re.I,
)
_PHONE_WORDS = re.compile(
    r"\b(?:tel|telephone|phone|phones|cell|cellphone|mobile|mob|fax|call|calls|called|calling|dial|reach|sms|whatsapp|"
    r"ring|hotline|contact|answering|text me|voicemail|landline|handy|telefon|telefonnummer|teléfono|móvil|"
    r"téléphone|tél|telefono|cellulare|telefoon|puhelin|phone_?number|number is|numbers? to)\b|☎|📞|☏|phone",
    re.I,
)
_PHONE_AFTER = re.compile(r"[\s(,-]{1,3}(?:office|home|work|fax|mobile|cell|private|direct)\b", re.I)
_NOT_PHONE = re.compile(
    r"(?:isbn|issn|doi|rfc|pep|iso|issue|version|ver|chapter|section|page|pp|no|nr|fig|figure|table|line|"
    r"lines|order|year|years|invoice|ean|zip)[\s:.#-]{0,3}$",
    re.I,
)
_DATE_LIKE = re.compile(
    r"(?:19|20)\d\d[-/. ][01]?\d[-/. ][0-3]?\d(?!\d)|[0-3]?\d[-/. ][0-3]?\d[-/. ](?:19|20)?\d\d|(?:1[5-9]|"
    r"20)\d\d(?:[-/ ](?:1[5-9]|20)?\d\d)?"
)
_NANP = re.compile(r"(?:1|001)?([2-9]\d\d)(\d{3})(\d{4})")


_CARD_DIGITS = 12  # read as such, from which the check digit is believed for the others
_IBAN_DIGITS = 8  # every country's have more


def cards(page: Page) -> Iterator[Found]:
    """Payment cards: issuer's range, length and Luhn's check digit; without the latter only where a card is named."""
    for match in page.near_numbers(_CARD, 8, 8, 8):
        raw = re.sub(r"[ .\-]", "", match[0])
        if sum(c.isdigit() for c in raw) < 0.6 * len(raw):
            continue
        digits = raw.translate(checks.OCR)
        named = _CARD_WORDS.search(page.around(match.start(), match.end(), 80, 30)) is not None
        if checks.card(digits):
            clean = digits == raw
            sure = 0.8 if clean else 0.5 if sum(c.isdigit() for c in raw) >= _CARD_DIGITS else 0.3
            score = 0.98 if named else 0.3 if page.technical(match.start()) else sure
        elif named and 14 <= len(digits) <= 16 and digits[0] in "3456" and digits == raw and len(set(digits)) > 3:
            score = 0.5
        else:
            continue
        yield Found(match.start(), match.end(), "CREDIT_CARD", score)


def ibans(page: Page) -> Iterator[Found]:
    """IBANs of a country's length with their check digits; without these only where an account is named."""
    text = page.text
    for match in page.near_numbers(_IBAN_START, 16, 0):
        length = checks.IBAN_LENGTH.get(match[1].upper())
        if length is None:
            continue
        end, value = _collect(text, match.start(), length)
        if (
            len(value) != length
            or sum(c.isdigit() for c in value) < _IBAN_DIGITS
            or (end < len(text) and text[end].isalnum())
        ):
            continue
        if (
            checks.iban(value)
            or checks.iban(value[:2] + value[2:].translate(checks.OCR))
            or checks.iban(value[:8] + value[8:].translate(checks.OCR))
        ):
            yield Found(match.start(), end, "IBAN_CODE", 0.98)
        elif checks.iban_shape(value) and sum(c.isdigit() for c in value) >= 8:
            near = _IBAN_WORDS.search(page.around(match.start(), end, 60, 20))
            if near:
                yield Found(match.start(), end, "IBAN_CODE", 0.6)


def _collect(text: str, start: int, length: int) -> tuple[int, str]:
    """``length`` letters and digits from a place on, single spaces and hyphens between them, and where they end."""
    out: list[str] = []
    place = start
    while place < len(text) and len(out) < length:
        c = text[place]
        if c.isascii() and c.isalnum():
            out.append(c)
        elif c not in " -" or not text[place + 1 : place + 2].isalnum():
            break
        place += 1
    return place, "".join(out)


def social_security(page: Page) -> Iterator[Found]:
    """US social security and taxpayer numbers, with scanning errors where they are named."""
    for match in page.near_numbers(_SSN, 8, 8):
        raw = match["a"] + match["b"] + match["c"]
        real = sum(c.isdigit() for c in raw)
        if real < 4:
            continue
        digits = raw.translate(checks.OCR)
        named = _SSN_WORDS.search(page.around(match.start(), match.end(), 120, 40)) is not None
        if len(set(digits)) < 2:
            continue
        hyphens = match["sep"] in ("-", " - ")
        if named:
            score = 0.9 if match["sep"] else 0.6
        elif real == 9 and hyphens and (checks.ssn(digits) or checks.itin(digits)):
            score = 0.6 if not page.technical(match.start()) else 0.45
        else:
            continue
        yield Found(match.start(), match.end(), "US_SSN", score)


def phones(page: Page) -> Iterator[Found]:
    """Telephone numbers by their form (E.164, North American plan) and by the words near them.

    No numbers kept free for stories and documentation (555-0100 to 555-0199), versions, dates, ISBNs.
    """
    for match in page.near_numbers(_PHONE, 8, 16, 6):
        value = match[0]
        body = value[: len(value) - len(match["ext"])]
        digits = "".join(c for c in body if c.isdigit())
        if not 6 <= len(digits) <= 15 or len(set(digits)) < 2:
            continue
        start = match.start()
        before = page.text[max(0, start - 60) : start]
        if _DATE_LIKE.fullmatch(body.strip()) or _NOT_PHONE.search(before[-16:]):
            continue
        nanp = _NANP.fullmatch(digits)
        if nanp and nanp[2] == "555" and nanp[3][:2] == "01":
            continue
        after = page.text[match.end() : match.end() + 20]
        named = _PHONE_WORDS.search(before) or _PHONE_WORDS.search(after) or _PHONE_AFTER.match(after)
        score = _phone_form(body, digits, match["plus"], bool(match["ext"]), nanp is not None)
        if page.technical(start) and not match["plus"]:
            score -= 0.25
        if named:
            score += 0.35 if len(digits) >= 7 or "(" in body else 0.25
        yield Found(start, match.end(), "PHONE_NUMBER", max(0.0, min(0.95, score)))


def _phone_form(body: str, digits: str, plus: str | None, extension: bool, nanp: bool) -> float:
    """How much a number looks like a telephone's, 0..1, by its form alone."""
    groups = re.findall(r"\d+", body)
    if plus and len(digits) >= 8:
        return 0.75 if len(groups) > 1 or plus[0] == "+" else 0.3
    if extension and len(groups) > 1 and len(digits) >= 7:
        return 0.6
    shape = [len(g) for g in groups]
    if nanp and shape[-3:] == [3, 3, 4] and len(shape) <= 4:
        return 0.55 if "(" in body or body.count("-") >= 2 else 0.45
    if shape[-3:] == [3, 3, 4] and ("(" in body or body.count("-") >= 2):
        return 0.4
    if body.startswith("(") and len(groups) >= 2:
        return 0.42
    if len(groups) > 1 and "." in body and max(shape) <= 2:
        return 0.0
    if len(groups) == 1:
        return 0.15 if 7 <= len(digits) <= 12 else 0.0
    return 0.2 if len(digits) >= 6 and len(groups) <= 6 else 0.0
