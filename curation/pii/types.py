"""The types of personal data, what each is, and the groups of them that profiles and actions name.

Sources: HIPAA Safe Harbor, 45 CFR 164.514(b)(2)(i), identifiers (A) to (R); Regulation (EU) 2016/679 (GDPR), Article
4(1) and recital 30 (identifiers), Article 9(1) (special categories).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A finding.

    Attributes:
        start, end: code points of the original text, half open.
        type: a key of :data:`TYPES`.
        score: how sure it is, 0..1.
    """

    start: int
    end: int
    type: str
    score: float


TYPES: dict[str, str] = {
    "PERSON": "names of people",
    "EMAIL_ADDRESS": "e-mail addresses",
    "PHONE_NUMBER": "telephone and fax numbers",
    "ADDRESS": "street addresses, post boxes and postcodes",
    "LOCATION": "cities, regions and countries",
    "ORGANIZATION": "companies and institutions",
    "DATE_OF_BIRTH": "dates of birth",
    "DATE_TIME": "other dates that stand with a person",
    "AGE": "ages of people",
    "CREDIT_CARD": "payment cards",
    "IBAN_CODE": "international bank account numbers",
    "BANK_ACCOUNT": "other bank accounts",
    "CRYPTO": "wallets of crypto-currencies",
    "US_SSN": "social security and taxpayer numbers of the United States",
    "NATIONAL_ID": "national identity, insurance and health numbers",
    "TAX_ID": "tax numbers",
    "PASSPORT": "passport numbers",
    "DRIVER_LICENSE": "driving licences",
    "MEDICAL_RECORD_NUMBER": "numbers of medical records and patients",
    "HEALTH_PLAN_ID": "numbers of health plans",
    "MEDICAL_LICENSE": "licences of physicians",
    "ACCOUNT_ID": "numbers of customers, employees, policies and accounts",
    "VEHICLE_ID": "vehicle identification numbers and plates",
    "DEVICE_ID": "serial numbers and IMEIs",
    "IP_ADDRESS": "IP addresses",
    "MAC_ADDRESS": "hardware addresses",
    "URL": "web addresses of people",
    "SPECIAL_CATEGORY": "health, religion, ethnic origin, politics, union membership, sexual orientation",
}
"""Type → what it is."""

NAMED = frozenset({"PERSON", "LOCATION", "ORGANIZATION"})
"""Types that a model, or the lexicon, finds."""

IDENTIFIERS = frozenset(TYPES) - NAMED - {"DATE_TIME", "AGE", "URL", "SPECIAL_CATEGORY"}
"""Types each of which points at one person by itself."""

HIPAA = frozenset(TYPES) - {"ORGANIZATION", "SPECIAL_CATEGORY"}
"""The text identifiers among the 18 of Safe Harbor; faces, voices and fingerprints are not in texts."""

GDPR = frozenset(TYPES) - {"ORGANIZATION"}
"""Personal data of natural persons, with the special categories; companies have no personal data."""

PROFILES: dict[str, frozenset[str]] = {
    "all": frozenset(TYPES) - {"SPECIAL_CATEGORY"},
    "identifiers": IDENTIFIERS,
    "hipaa": HIPAA,
    "gdpr": GDPR,
}

PRIORITY = NAMED | {"URL"}
"""Types that give way, where two findings overlap, to all others of about the same score."""
