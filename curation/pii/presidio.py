"""Presidio's recognisers of national numbers, through its own classes, but driven fast.

Presidio imports spaCy (seconds) and runs every recogniser over every text. Here a text is first searched, in one pass,
for the words that go with such numbers; only where one is found is the class loaded, and its patterns, validation and
invalidation are run on the few characters around that word alone. A number without its words is no finding: eleven
digits that happen to pass a check digit are one in ten.
"""

from __future__ import annotations

import functools
import importlib.util
import re
from collections.abc import Iterator
from typing import Any

from curation.pii.page import Found, Page

CLASSES: dict[str, tuple[str, str]] = {
    "NhsRecognizer": ("NATIONAL_ID", r"\bnhs\b|national health"),
    "UkNinoRecognizer": ("NATIONAL_ID", r"national insurance|\bnino\b|\bni number"),
    "UkPassportRecognizer": ("PASSPORT", r"passport"),
    "UkDrivingLicenceRecognizer": ("DRIVER_LICENSE", r"driving licen[cs]e|dvla"),
    "UsPassportRecognizer": ("PASSPORT", r"passport"),
    "UsLicenseRecognizer": ("DRIVER_LICENSE", r"driver['’]?s? licen[cs]e|\bdl ?#"),
    "UsMbiRecognizer": ("HEALTH_PLAN_ID", r"medicare|\bmbi\b"),
    "UsNpiRecognizer": ("MEDICAL_LICENSE", r"\bnpi\b|provider identifier"),
    "MedicalLicenseRecognizer": ("MEDICAL_LICENSE", r"\bdea\b|medical licen[cs]e"),
    "AbaRoutingRecognizer": ("BANK_ACCOUNT", r"\baba\b|routing"),
    "AuTfnRecognizer": ("TAX_ID", r"\btfn\b|tax file"),
    "AuMedicareRecognizer": ("HEALTH_PLAN_ID", r"medicare"),
    "CaSinRecognizer": ("NATIONAL_ID", r"social insurance|\bsin\b"),
    "DeTaxIdRecognizer": ("TAX_ID", r"steuer|tax id"),
    "DeSocialSecurityRecognizer": ("NATIONAL_ID", r"sozialversicherung|rentenversicherung"),
    "DeIdCardRecognizer": ("NATIONAL_ID", r"personalausweis|ausweis"),
    "DePassportRecognizer": ("PASSPORT", r"reisepass"),
    "DeHealthInsuranceRecognizer": ("HEALTH_PLAN_ID", r"krankenversich|versichertennummer"),
    "EsNifRecognizer": ("NATIONAL_ID", r"\bnif\b|\bdni\b"),
    "EsNieRecognizer": ("NATIONAL_ID", r"\bnie\b|extranjero"),
    "EsPassportRecognizer": ("PASSPORT", r"pasaporte"),
    "FiPersonalIdentityCodeRecognizer": ("NATIONAL_ID", r"henkilötunnus|hetu\b|personal identity code"),
    "InAadhaarRecognizer": ("NATIONAL_ID", r"aadh?aa?r|uidai"),
    "InPanRecognizer": ("TAX_ID", r"\bpan\b|permanent account"),
    "InVoterRecognizer": ("NATIONAL_ID", r"voter|\bepic\b"),
    "ItFiscalCodeRecognizer": ("TAX_ID", r"codice fiscale|fiscal code"),
    "ItIdentityCardRecognizer": ("NATIONAL_ID", r"carta d['’]identit"),
    "ItPassportRecognizer": ("PASSPORT", r"passaporto"),
    "KrRrnRecognizer": ("NATIONAL_ID", r"주민등록|resident registration"),
    "NgNinRecognizer": ("NATIONAL_ID", r"\bnin\b|national identification"),
    "PhUmidRecognizer": ("NATIONAL_ID", r"\bumid\b"),
    "PlPeselRecognizer": ("NATIONAL_ID", r"pesel"),
    "SePersonnummerRecognizer": ("NATIONAL_ID", r"personnummer"),
    "SgFinRecognizer": ("NATIONAL_ID", r"\bnric\b|\bfin\b(?= (?:number|no|is)|:)"),
    "ThTninRecognizer": ("NATIONAL_ID", r"\btnin\b|thai (?:national )?id|เลขประจำตัว"),
    "TrNationalIdRecognizer": ("NATIONAL_ID", r"kimlik|\btckn\b"),
    "ZaIdNumberRecognizer": ("NATIONAL_ID", r"south african id|\bsa id\b|identity number"),
}
"""Presidio's class → our type, and the words that must stand near."""

_AFTER = 60
_BEFORE = 40
_ASSUMED = 0.6  # score of a number that its class's rules allow, next to its words


@functools.cache
def available() -> bool:
    """Is Presidio installed?"""
    return importlib.util.find_spec("presidio_analyzer") is not None


@functools.cache
def _trigger() -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{words})" for words in dict.fromkeys(w for _, w in CLASSES.values())), re.I)


@functools.cache
def _words(name: str) -> re.Pattern[str]:
    return re.compile(CLASSES[name][1], re.I)


@functools.cache
def recognizer(name: str) -> Any:
    """An instance of a class of Presidio, or None where this version has none of that name."""
    import presidio_analyzer.predefined_recognizers as stock

    kind = getattr(stock, name, None)
    return None if kind is None else kind()


def national(page: Page) -> Iterator[Found]:
    """National numbers next to the words that name them."""
    if not page.digits or not available():
        return
    for trigger in page.before_numbers(_trigger()):
        begin, end = max(0, trigger.start() - _BEFORE), trigger.end() + _AFTER
        around = page.text[begin:end]
        if sum(c.isdigit() for c in around) < 5:
            continue
        for name, (kind, _) in CLASSES.items():
            if kind in page.wanted and _words(name).fullmatch(trigger[0]):
                yield from _driven(name, kind, around, begin, begin + len(around) < len(page.text))


def _driven(name: str, kind: str, text: str, begin: int, cut: bool) -> Iterator[Found]:
    stock = recognizer(name)
    if stock is None:
        return
    for pattern in stock.patterns:
        for match in _compiled(pattern.regex).finditer(text):
            value = match[0]
            if not value or sum(c.isdigit() for c in value) < 4 or (cut and match.end() == len(text)):
                continue
            if match.end() < len(text) and text[match.end()].isalnum():
                continue
            valid = stock.validate_result(value)
            if valid is False or stock.invalidate_result(value):
                continue
            score = 0.9 if valid else max(pattern.score, _ASSUMED)
            yield Found(begin + match.start(), begin + match.end(), kind, score)


@functools.cache
def _compiled(pattern: str) -> Any:
    import regex  # type: ignore[import-untyped]  # Presidio's own engine: some of its patterns are not understood by re

    return regex.compile(pattern, regex.DOTALL | regex.MULTILINE | regex.IGNORECASE)
