"""Finding personal data by rules: what is found, where, and what is not."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from curation import pii
from curation.pii import checks
from curation.pii.types import IDENTIFIERS, PROFILES, TYPES

CARD = "4539 1488 0343 6467"
PLANTED = [
    ("write to ", "marta.olsen@nordmail.se", "EMAIL_ADDRESS"),
    ("call me: ", "+47 22 33 44 55", "PHONE_NUMBER"),
    ("my card ", CARD, "CREDIT_CARD"),
    ("IBAN ", "DE89370400440532013000", "IBAN_CODE"),
    ("my SSN is ", "219-09-9421", "US_SSN"),
    ("login from IP ", "81.2.69.142", "IP_ADDRESS"),
    ("passport number ", "L4815162342", "PASSPORT"),
    ("wallet ", "1BoatSLRHtKNngkdXEeobR76b53LETtpyT", "CRYPTO"),
    ("mac ", "3c:22:fb:9a:01:7e", "MAC_ADDRESS"),
]
OTHERS = [
    ("chart MRN ", "MRN-6612345", "MEDICAL_RECORD_NUMBER"),
    ("driver's license number is ", "F255921842", "DRIVER_LICENSE"),
    ("bank account number: ", "004312998877", "BANK_ACCOUNT"),
    ("VIN: ", "1HGCM82633A004352", "VEHICLE_ID"),
    ("IMEI ", "490154203237518", "DEVICE_ID"),
    ("born on ", "14 March 1981", "DATE_OF_BIRTH"),
    ("customer id: ", "CX-4410-998", "ACCOUNT_ID"),
    ("she lives at ", "48 Maple Avenue, Apt 7", "ADDRESS"),
    ("send it to ", "P.O. Box 4471", "ADDRESS"),
    ("wohnt in der ", "Lindenstraße 14", "ADDRESS"),
    ("tax id: ", "91-7742210", "TAX_ID"),
    ("my site is ", "https://olsen-family.no/about", "URL"),
]


def found(text: str, **config: object) -> list[tuple[str, str]]:
    return [(s.type, text[s.start : s.end]) for s in pii.find([text], pii.PiiConfig(**config))[0]]  # type: ignore[arg-type]


@pytest.mark.parametrize(("before", "value", "kind"), [*PLANTED, *OTHERS])
def test_finds(before: str, value: str, kind: str) -> None:
    assert (kind, value) in found(f"Hello, {before}{value} and so on.")


@given(st.sampled_from(PLANTED), st.text(max_size=60), st.text(max_size=60))
def test_offsets_are_of_the_original_text(planted: tuple[str, str, str], prefix: str, suffix: str) -> None:
    before, value, kind = planted
    text = f"{prefix}\n\n{before}{value}\n\n{suffix}"
    start = len(prefix) + 2 + len(before)
    spans = pii.find([text])[0]
    assert any(s.start <= start and start + len(value) <= s.end for s in spans), (kind, spans)
    for span in spans:
        assert 0 <= span.start < span.end <= len(text)
        assert span.type in TYPES
        assert 0 <= span.score <= 1
    assert all(a.end <= b.start for a, b in itertools.pairwise(spans))


@given(st.text(max_size=400))
def test_any_text_is_taken(text: str) -> None:
    spans = pii.find([text])[0]
    assert all(0 <= s.start < s.end <= len(text) for s in spans)
    pii.redact(text, spans, pii.PiiConfig(act_on="all"))
    pii.audit([text], [spans])


HOSTILE = {
    "at signs": "a@" * 50_000,
    "digits": "1 " * 50_000,
    "one long word": "A" * 1_000_000,
    "hyphens": "A-" * 100_000,
    "NULs": "\0" * 1_000_000,
    "lone surrogates": "\ud800" * 200_000,
    "look-alikes": "а" * 200_000,
    "escapes": "%40" * 100_000,
    "right to left": "\u202eשלום " * 50_000,
    "emoji": "👩‍👩‍👧‍👦" * 30_000,
    "brackets": "+1(" * 50_000,
    "keys": "passport number " * 20_000,
    "base64": "Ab1/" * 100_000,
    "dots": "a@" + "a." * 100_000,
    "placeholders": "<EMAIL_ADDRESS" * 10_000,
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.timeout(60)
def test_hostile_texts_end(name: str) -> None:
    spans = pii.find([HOSTILE[name]])[0]
    assert all(s.start < s.end for s in spans)


TECHNICAL = [
    "Upgrade to 3.11.4 or v2.10.0.1; see std::vector<int> and net::ip::address.",
    "The commit 3f786850e387550fdab836ed7e6dc881de23001b fixes pkg==1.4.2.10.",
    "Listen on 127.0.0.1:8080, [::1]:80, 192.0.2.17 or 2001:db8::7, not on 0.0.0.0.",
    "Send mail to user@example.com or admin@localhost; git@github.com:owner/repo.git is the remote.",
    "For stories use 555-0142 or (212) 555-0199; nobody has these.",
    "EMPLOYEES.DATE is a column, SM590000 a part, and ABC-123456 a ticket.",
    "In 2019-2020 the range 100-200 grew by 12.5 to 1,048,576 items on 1999-12-31.",
    "@app.route('/x') calls foo.bar(baz) -> None and sets timeout=1700000000000.",
    "See https://docs.python.org/3/library/re.html#re.sub and icon@2x.png.",
    "ISBN 978-3-16-148410-0 has thirteen digits; so has 0000000000000.",
    "uuid 123e4567-e89b-12d3-a456-426614174000 names the row.",
]


@pytest.mark.parametrize("text", TECHNICAL)
def test_technical_texts_do_not_light_up(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "text", ["card 4539 1488 0343 6468 x", "4539148803436468", "DE88370400440532013000", "219-00-9421"]
)
def test_a_wrong_check_digit_is_worth_less(text: str) -> None:
    right = text.replace("6468", "6467").replace("DE88", "DE89").replace("-00-", "-09-")
    best = max((s.score for s in pii.find([right])[0]), default=0.0)
    assert max((s.score for s in pii.find([text])[0]), default=0.0) < best


def test_check_digits() -> None:
    assert checks.luhn("79927398713")
    assert not checks.luhn("79927398710")
    assert checks.card("378282246310005")
    assert not checks.card("9" * 16)
    assert checks.iban("gb82west12345698765432")
    assert not checks.iban("GB82WEST1234569876543")
    assert not checks.iban("ÄÖ82WEST12345698765432")
    assert checks.ssn("219099421")
    assert not checks.ssn("666099421")
    assert checks.itin("912709421")
    assert checks.vin("1M8GDM9AXKP042788")
    assert not checks.vin("1M8GDM9A0KP042788")
    assert checks.ip("81.2.69.142") is True
    assert checks.ip("198.51.100.4") is None
    assert checks.ip("999.1.1.1") is False


def test_thresholds_types_and_what_is_ignored() -> None:
    text = f"marta.olsen@nordmail.se {CARD} card"
    assert found(text, types=("CREDIT_CARD",)) == [("CREDIT_CARD", CARD)]
    assert found(text, thresholds={"EMAIL_ADDRESS": 0.99}) == [("CREDIT_CARD", CARD)]
    assert found(text, ignore=("Marta.Olsen@nordmail.se",)) == [("CREDIT_CARD", CARD)]
    with pytest.raises(ValidationError, match="unknown types SHOE_SIZE"):
        pii.PiiConfig(types=("SHOE_SIZE",))


def test_profiles() -> None:
    text = "She is pregnant. See https://www.python.org/ on 12/24/1999."
    assert found(text) == []
    assert {kind for kind, _ in found(text, profile="hipaa")} == {"URL", "DATE_TIME"}
    assert {kind for kind, _ in found(text, profile="gdpr")} == {"SPECIAL_CATEGORY", "DATE_TIME"}
    assert "PERSON" in {kind for kind, _ in found("Dear Anna Reid,")}
    assert found("Dear Anna Reid,", profile="identifiers") == []
    assert set(PROFILES) == {"all", "identifiers", "hipaa", "gdpr"}
    assert set(TYPES) > IDENTIFIERS


def test_a_date_counts_where_it_stands_with_a_person() -> None:
    assert found("It was 12/24/1999 outside.") == []
    assert ("DATE_TIME", "12/24/1999") in found("Mr. Peter Lang paid on 12/24/1999.")


def test_presidio_validates_national_numbers() -> None:
    pytest.importorskip("presidio_analyzer")
    assert found("NHS number 943 476 5919") == [("NATIONAL_ID", "943 476 5919")]
    assert found("PESEL: 44051401359") == [("NATIONAL_ID", "44051401359")]
    off = pii.find(["NHS number 943 476 5919"], pii.PiiConfig(presidio=False))[0]
    assert off[0].score < pii.find(["NHS number 943 476 5919"])[0][0].score


@pytest.mark.parametrize(
    "key",
    """passport|Reisepass|pasaporte|driving licence|Führerschein|patient id|chart number|health plan|insurance policy|
    Medicare|member id|bank account|savings account|routing number|sort code|Kontonummer|tax id|EIN|VAT number|
    Steuernummer|NIF|national insurance|identity card|id card|NINO|Aadhaar|PESEL|CPF|DNI|personnummer|
    social insurance|Personalausweis|chassis number|license plate|Kennzeichen|IMSI|serial number|device id|NPI|
    customer number|client id|employee id|staff no|student number|policy number|loyalty number|badge number|
    case number|claim number|certificate number|subscriber id|payroll number|enrolment id|reservation number|
    booking no""".replace("\n", "").split("|"),
)
def test_words_that_name_a_number(key: str) -> None:
    """A word of the patterns that no stem leads to would never be looked for."""
    assert found(f"{key.strip()}: 48151623427", presidio=False)


def test_status_is_one_sentence() -> None:
    said = pii.status()
    assert said.count(".") == 1
    assert "not by a model" in said
    assert pii.status(pii.PiiConfig(profile="identifiers")) == ""


def test_without_presidio_and_faker_own_recognisers_remain(monkeypatch: pytest.MonkeyPatch) -> None:
    from curation.pii import lexicon, presidio

    monkeypatch.setattr(presidio, "available", lambda: False)
    monkeypatch.setattr(lexicon, "available", lambda: False)
    lexicon.lexicon.cache_clear()
    try:
        text = f"Dear Mr. Brandt, {CARD}, marta.olsen@nordmail.se, NHS number 943 476 5919"
        assert {"CREDIT_CARD", "EMAIL_ADDRESS", "PERSON", "NATIONAL_ID"} <= {kind for kind, _ in found(text)}
        assert "Presidio is not installed" in pii.status()
        assert "nor Faker" in pii.status()
    finally:
        lexicon.lexicon.cache_clear()
