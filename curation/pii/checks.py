"""Check digits and other rules that numbers of people have to keep. Pure functions of a string."""

from __future__ import annotations

import ipaddress
import re

OCR = str.maketrans({"O": "0", "o": "0", "Q": "0", "D": "0", "l": "1", "I": "1", "i": "1", "|": "1", "Z": "2", "z": "2",
                     "S": "5", "s": "5", "B": "8", "b": "6", "G": "6", "g": "9"})  # fmt: skip
"""Letters that scanned digits are read as → the digit."""

IBAN_LENGTH = {
    code: length
    for length, codes in {
        15: "NO", 16: "BE", 18: "DK FO FI GL NL", 19: "MK SI", 20: "AT BA EE KZ LT LU XK", 21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "PT ST", 26: "IS TR", 27: "FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HU LB PL SV", 29: "BR EG PS QA UA",
        30: "JO KW MU", 31: "MT SC", 32: "LC",
    }.items()
    for code in codes.split()
}  # fmt: skip
"""Country → characters of its IBAN (ISO 13616, SWIFT's registry)."""


def luhn(number: str) -> bool:
    """Does a string of ASCII digits end in its Luhn check digit (ISO/IEC 7812-1, annex B)?"""
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = ord(digit) - 48
        if place % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


def card(number: str) -> bool:
    """Is it the number of a payment card: 12 to 19 digits, a known issuer's first ones, the check digit?"""
    if not 12 <= len(number) <= 19 or len(set(number)) < 2:
        return False
    two, four = int(number[:2]), int(number[:4])
    issuer = (
        (number[0] == "4" and len(number) in (13, 16, 19))
        or (len(number) == 16 and (51 <= two <= 55 or 2221 <= four <= 2720))
        or (two in (34, 37) and len(number) == 15)
        or (two in (30, 36, 38, 39) and len(number) in (14, 16, 19))
        or (two in (35, 60, 62, 64, 65, 81) and 16 <= len(number) <= 19)
        or (two in (50, 56, 57, 58, 63, 67, 68, 69) and 12 <= len(number) <= 19)
    )
    return issuer and luhn(number)


def iban(value: str) -> bool:
    """Is it an IBAN: the country's length and the remainder 1 modulo 97 (ISO 7064, MOD 97-10)?"""
    value = value.upper()
    if not value.isascii() or not value.isalnum() or IBAN_LENGTH.get(value[:2]) != len(value):
        return False
    return int("".join(str(int(c, 36)) for c in value[4:] + value[:4])) % 97 == 1


def iban_shape(value: str) -> bool:
    """Has it the country and length of an IBAN, whatever its check digits?"""
    value = value.upper()
    return value.isascii() and value[2:4].isdigit() and IBAN_LENGTH.get(value[:2]) == len(value)


def ssn(digits: str) -> bool:
    """May nine digits be a social security number that was issued (SSA, POMS RM 10201.035)?"""
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000" and len(set(digits)) > 1


def itin(digits: str) -> bool:
    """May nine digits be a taxpayer number: 9xx-50..65, 70..88, 90..92, 94..99 (IRS, Publication 1915)?"""
    group = int(digits[3:5])
    return digits[0] == "9" and (50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or 94 <= group <= 99)


def vin(value: str) -> bool:
    """Is it a vehicle identification number with its check digit (49 CFR 565.15)?"""
    values = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", "12345678123457923456789", strict=True))
    weights = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
    value = value.upper()
    if len(value) != 17 or any(c not in values and not c.isdigit() for c in value):
        return False
    total = sum(int(values.get(c, c)) * weight for c, weight in zip(value, weights, strict=True))
    return value[8] == "0123456789X"[total % 11]


_DOCUMENTATION = [
    ipaddress.ip_network(net)
    for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16")
] + [
    ipaddress.ip_network(net) for net in ("224.0.0.0/3", "2001:db8::/32", "3fff::/20", "::/96", "fe80::/10", "ff00::/8")
]


def ip(value: str) -> bool | None:
    """Is it an IP address that a person may have? None: it is one, of documentation (RFC 5737, RFC 3849, RFC 9637),
    of the machine itself, or of no single host."""
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return False
    return None if any(address.version == net.version and address in net for net in _DOCUMENTATION) else True


_RESERVED_DOMAIN = re.compile(r"(?:^|\.)(?:example(?:\.(?:com|net|org|edu))?|test|invalid|localhost|local)$", re.I)


def reserved_domain(domain: str) -> bool:
    """Is it a domain that nobody can own (RFC 2606, RFC 6761)?"""
    return _RESERVED_DOMAIN.search(domain) is not None
