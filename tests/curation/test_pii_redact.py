"""What is put in the place of values, and what a report shows of them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import pii
from curation.pii import checks
from curation.pii.counts import mask
from curation.pii.rewrite import rewrite
from curation.pii.types import TYPES, Span
from datagen.core.errors import DatagenError, UsageError

TEXT = (
    "Dear Dr. Ingrid Halvorsen, we wrote to ingrid.halvorsen@fjordpost.no and called +47 22 33 44 55. "
    "Halvorsen paid with card 4539 1488 0343 6467 on 2019-05-04. Ingrid lives at 48 Maple Avenue, Apt 7. "
    "SSN 219-09-9421, IBAN DE89 3704 0044 0532 0130 00, IP 81.2.69.142, MRN-6612345."
)
ALL = {"act_on": "all"}


def changed(text: str, **config: object) -> str:
    settings = pii.PiiConfig(**config)  # type: ignore[arg-type]
    return pii.redact(text, pii.find([text], settings)[0], settings)


def test_identifiers_are_redacted_and_names_counted_by_default() -> None:
    out = changed(TEXT)
    assert "<EMAIL_ADDRESS>" in out
    assert "<CREDIT_CARD>" in out
    assert "Ingrid Halvorsen" in out
    assert not re.search(r"4539|219-09|fjordpost|81\.2\.69|6612345", out)


def test_what_is_acted_on_can_be_named() -> None:
    assert changed(TEXT, act_on=("PERSON",)).startswith("Dear Dr. <PERSON>, we wrote to ingrid.halvorsen@")


@pytest.mark.parametrize("action", ["redact", "hash"])
def test_masking_twice_changes_nothing(action: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAGEN_PII_KEY", "for the test")
    once = changed(TEXT, action=action, **ALL)
    assert changed(once, action=action, **ALL) == once
    assert once != TEXT


@given(st.lists(st.sampled_from(TEXT.split(" ")) | st.text(max_size=8), max_size=6))
def test_redacting_any_text_twice_changes_nothing_more(words: list[str]) -> None:
    once = changed(" ".join(words))
    assert changed(once) == once


def test_one_person_stays_one_person() -> None:
    out = changed(TEXT, action="replace", **ALL)
    match = re.match(r"Dear Dr\. (\w+) (\w+), we wrote to ([\w.]+)@", out)
    assert match
    first, last, local = match.groups()
    assert {first, last}.isdisjoint({"Ingrid", "Halvorsen"})
    assert local == f"{first}.{last}".lower()
    assert f"{last} paid with" in out
    assert f"{first} lives at" in out
    assert (
        changed("Halvorsen is here, said Ingrid Halvorsen.", action="replace", **ALL)
        == f"{last} is here, said {first} {last}."
    )


def test_replacements_keep_their_form() -> None:
    out = changed(TEXT, action="replace", **ALL)
    card = re.search(r"card (\d{4} \d{4} \d{4} \d{4}) on (\d{4}-\d\d-\d\d)", out)
    assert card
    assert checks.card(card[1].replace(" ", ""))
    assert card[2] != "2019-05-04"
    iban = re.search(r"IBAN (DE\d\d(?: \d{4}){4} \d\d)", out)
    assert iban
    assert checks.iban(iban[1].replace(" ", ""))
    assert re.search(r"called \+47 \d\d \d\d \d\d \d\d\.", out)
    assert re.search(r"SSN 9\d\d-\d\d-\d{4}", out)
    ip = re.search(r"IP ([\d.]+),", out)
    assert ip
    assert checks.ip(ip[1]) is None
    assert re.search(r"MRN-\d{7}", out)
    assert out == changed(TEXT, action="replace", **ALL)
    assert out != changed(TEXT, action="replace", seed=1, **ALL)


@pytest.mark.parametrize(
    "value", ["3/9/1984", "09.03.1984", "1984-03-09 10:11:12", "March 9, 1984", "9 Mar 1984", "31/12/99"]
)
def test_dates_stay_dates(value: str) -> None:
    span = Span(0, len(value), "DATE_OF_BIRTH", 1.0)
    out = pii.redact(value, [span], pii.PiiConfig(action="replace"))
    assert out != value
    assert re.sub(r"[A-Za-z]+", "a", re.sub(r"\d+", "0", out)) == re.sub(r"[A-Za-z]+", "a", re.sub(r"\d+", "0", value))


@given(st.sampled_from(sorted(TYPES)), st.text(min_size=1, max_size=30))
def test_any_value_of_any_type_can_be_replaced(kind: str, value: str) -> None:
    pii.redact(value, [Span(0, len(value), kind, 1.0)], pii.PiiConfig(action="replace", act_on="all"))


def test_hashes_need_a_key_and_depend_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATAGEN_PII_KEY", raising=False)
    with pytest.raises(DatagenError, match="without a key"):
        changed(TEXT, action="hash")
    monkeypatch.setenv("DATAGEN_PII_KEY", "one")
    one = changed("call +47 22 33 44 55 or +47 22-33-44-55", action="hash")
    values = re.findall(r"<PHONE_NUMBER:([0-9a-f]{16})>", one)
    assert len(values) == 2
    assert values[0] == values[1]
    monkeypatch.setenv("DATAGEN_PII_KEY", "two")
    assert changed("call +47 22 33 44 55", action="hash").count(values[0]) == 0


def test_reject_leaves_the_text() -> None:
    assert changed(TEXT, action="reject") == TEXT


def test_an_unknown_locale_is_said() -> None:
    with pytest.raises(UsageError, match="xx_YY"):
        changed(TEXT, action="replace", locale="xx_YY")


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 5)), max_size=5), st.integers(0, 40))
def test_offsets_move_with_the_text(cuts: list[tuple[int, int]], place: int) -> None:
    text = "".join(chr(0x4E00 + i) for i in range(40))
    spans, last = [], 0
    for start, length in sorted(cuts):
        if start >= last:
            spans.append(Span(start, start + length, "EMAIL_ADDRESS", 1.0))
            last = start + length
    new, edits = rewrite(text, spans, pii.PiiConfig())
    if place < 40 and not any(s.start <= place < s.end for s in spans):
        assert new[edits.moved(place)] == text[place]
        assert new[edits.moved(place + 1, end=True) - 1] == text[place]
    assert 0 <= edits.moved(place) <= edits.moved(place, end=True) <= len(new) or place == 0


def test_audits_count_and_show_nothing() -> None:
    audits = {a.kind: a for a in pii.audit([TEXT], pii.find([TEXT]))}
    assert audits["PERSON"].count == 3
    assert audits["PERSON"].action == "none"
    assert audits["EMAIL_ADDRESS"].action == "redact"
    assert audits["EMAIL_ADDRESS"].example == "i•••••.h••••••••@f••••••••.no"
    assert audits["CREDIT_CARD"].example == "•••• •••• •••• ••••"


@given(st.text(max_size=60), st.sampled_from(sorted(TYPES)))
def test_masks_show_first_letters_at_most(value: str, kind: str) -> None:
    masked = mask(value, kind)
    if kind == "EMAIL_ADDRESS":
        masked = re.sub(r"\.[A-Za-z]{2,6}$", "", masked)
    assert not re.search(r"[^\W_•]{2}", masked)
    assert not re.search(r"\d", masked)
    assert len(masked) <= 48
