"""Values that were hidden are found, at offsets of the text as it was given."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import pii
from curation.pii.normal import LOOKALIKES, view

HIDDEN = [
    ("EMAIL_ADDRESS", "mаrta.оlsen@nоrdmail.se"),  # Cyrillic
    ("EMAIL_ADDRESS", "mar\u200bta.ol\u2060sen@nord\u00admail.se"),
    ("EMAIL_ADDRESS", "marta dot olsen at nordmail dot com"),
    ("EMAIL_ADDRESS", "marta.olsen[at]nordmail[dot]com"),
    ("EMAIL_ADDRESS", "marta (at) nordmail (dot) com"),
    ("EMAIL_ADDRESS", "john dot doe at example dot com"),
    ("EMAIL_ADDRESS", "marta.olsen%40nordmail.se"),
    ("EMAIL_ADDRESS", "marta.olsen\\u0040nordmail.se"),
    ("EMAIL_ADDRESS", "marta.olsen&#64;nordmail.se"),
    ("EMAIL_ADDRESS", "ｍａｒｔａ＠ｎｏｒｄｍａｉｌ．ｓｅ"),
    ("CREDIT_CARD", "４５３９１４８８０３４３６４６７"),
    ("CREDIT_CARD", "4 5 3 9 1 4 8 8 0 3 4 3 6 4 6 7"),
    ("CREDIT_CARD", "4539-1488-O343-6467"),
    ("CREDIT_CARD", "٤٥٣٩١٤٨٨٠٣٤٣٦٤٦٧"),
    ("IBAN_CODE", "DE89 3704 0044 0532 0130 00"),
    ("IBAN_CODE", "DE89 37O4 0044 O532 0l30 00"),
    ("PHONE_NUMBER", "+1\u00a0(312)\u2011867\u20115309"),
    ("PERSON", "Mаriа Gаrciа"),
    ("PERSON", "Mar\u200bia Gar\ufeffcia"),
    ("PERSON", "J***** G*****"),
    ("EMAIL_ADDRESS", base64.b64encode(b"marta.olsen@nordmail.se").decode()),
    ("PERSON", base64.b64encode(b"Maria Garcia").decode()),
]


@pytest.mark.parametrize(("kind", "value"), HIDDEN)
@pytest.mark.parametrize("around", ["Please write: {} today", "a card or contact ({}), ünïcode 😀", "x\n{}\ny"])
def test_hidden_values_are_found_where_they_are(kind: str, value: str, around: str) -> None:
    text = around.format(value)
    start = text.index(value)
    spans = [s for s in pii.find([text])[0] if s.type == kind and s.start < start + len(value) and start < s.end]
    assert spans, pii.find([text])
    assert spans[0].start <= start
    assert spans[-1].end >= start + len(value)


def test_scanning_errors_in_a_social_security_number() -> None:
    text = "Scan: SSN 2l9-O9-942I."
    assert [(s.type, text[s.start : s.end]) for s in pii.find([text])[0]] == [("US_SSN", "2l9-O9-942I")]


def test_values_in_json_and_urls() -> None:
    text = '{"note": "say \\"hi\\"", "mail": "marta.olsen@nordmail.se"} GET /u?ssn=219-09-9421&ip=81.2.69.142'
    values = {text[s.start : s.end] for s in pii.find([text])[0]}
    assert {"marta.olsen@nordmail.se", "219-09-9421", "81.2.69.142"} <= values


def test_other_alphabets_stay_what_they_are() -> None:
    russian = "Москва слезам не верит, сказал он."
    assert view(russian).text == russian
    assert view("αβγ Σωκράτης").text == "αβγ Σωκράτης"


def test_plain_texts_are_not_copied() -> None:
    text = "nothing to see here"
    assert view(text).text is text


PIECES = st.sampled_from(
    ["a", "B", " ", "%41", "\\u0042", "\u200b", "а", "é", "&amp;", "９", "😀", "\\n", "\ud800", "x", "-"]
)


@given(st.lists(PIECES, max_size=30))
def test_the_way_back_keeps_order_and_covers(pieces: list[str]) -> None:
    text = "".join(pieces)
    seen = view(text)
    last = 0
    for i in range(len(seen.text)):
        start, end = seen.original(i, i + 1)
        assert last <= end
        assert 0 <= start < end <= len(text)
        if seen.text[i].isascii() and seen.text[i].isalpha() and end - start == 1:
            assert text[start] == seen.text[i] or text[start] in LOOKALIKES or ord(text[start]) > 127
        last = start
