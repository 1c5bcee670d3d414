"""Normalising: the same for every reader, and done twice no different from once."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from datagen.sources.encoding import decode, looks_binary
from datagen.sources.parsed import Format, Parsed, Unreadable
from datagen.sources.text import normalise

FORMATS: list[Format] = ["markdown", "text", "code"]


@given(st.text(max_size=300), st.sampled_from(FORMATS), st.lists(st.integers(0, 300), max_size=6))
@example("a\n\n\u0301b", "text", [3])
@example("``` \n\n\n\n\n x", "markdown", [])
@example("x\ud800\u200b\r\n\x00 \t\n", "text", [])
def test_normalised_text_is_clean_and_stays_as_it_is(text: str, format_: Format, cuts: list[int]) -> None:
    pages = tuple(sorted({0, *(c for c in cuts if c <= len(text))})) if cuts else ()
    try:
        once = normalise(Parsed(text, format_, pages), 10_000)
    except Unreadable as error:
        assert error.reason == "empty"
        return
    assert unicodedata.is_normalized("NFC", once.text)
    once.text.encode()
    assert not any(unicodedata.category(c) == "Cc" and c not in "\n\t" for c in once.text)
    assert not any(row.endswith((" ", "\t")) for row in once.text.split("\n"))
    if format_ == "text":
        assert "\n\n\n\n" not in once.text
    assert len(once.pages) == len(pages)
    assert list(once.pages) == sorted(once.pages)
    assert not once.pages or (once.pages[0] == 0 and once.pages[-1] <= len(once.text))
    assert normalise(once, 10_000).text == once.text


def test_pages_follow_their_text() -> None:
    first, second, third = "One\r\n\r\n\r\n\r\n\r\nmore  \r\n", "\u200b\n", "Three"
    text = first + second + third
    done = normalise(Parsed(text, "text", (0, len(first), len(first + second))), 1000)
    assert done.text == "One\n\n\nmore\n\nThree"
    assert [done.text[start:] for start in done.pages] == [done.text, "Three", "Three"] or done.pages[
        2
    ] == done.text.index("Three")


def test_a_sentence_over_a_page_end_stays_together() -> None:
    done = normalise(Parsed("the quick brown fox", "markdown", (0, 10)), 1000)
    assert done.text == "the quick brown fox"
    assert done.pages == (0, 10)


def test_wide_gaps_take_no_longer_than_other_text() -> None:
    gap = " " * 300_000  # with work that grows with its square this would take an hour
    assert normalise(Parsed(f"a{gap}b{gap}\n{gap}c", "text"), 2_000_000).text == f"a{gap}b\n{gap}c"


def test_blank_lines_in_fences_stay() -> None:
    code = "```python\na\n\n\n\n\nb\n```"
    assert normalise(Parsed(f"x\n\n\n\n\n\n{code}\n\n\n\n\n\ny"), 1000).text == f"x\n\n\n{code}\n\n\ny"


def test_limits() -> None:
    with pytest.raises(Unreadable, match="too_large"):
        normalise(Parsed("x" * 11), 10)
    with pytest.raises(Unreadable, match="empty"):
        normalise(Parsed(" \n\u200b\n"), 10)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Grüße aus Köln – naïve façade", "utf-8"),
        ("Grüße aus Köln", "utf-8-sig"),
        ("Grüße aus Köln", "utf-16"),
        ("mostly Latin text, without a mark" * 3, "utf-16-le"),
        ("mostly Latin text, without a mark" * 3, "utf-16-be"),
        ("名前,年齢,住所\n佐藤太郎,30,東京\n", "shift_jis"),
        ("Привет, как дела? Это простой текст на русском языке.", "cp1251"),
        ("Die Größe der Straße überrascht die Gäste. Café.", "cp1252"),
    ],
)
def test_encodings_are_recognised(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_damaged_utf8_stays_utf8() -> None:
    data = ("Größe und Maß für Übermut. " * 20).encode()
    assert decode(data + b"\xff" + data).count("\ufffd") == 1


def test_binary_is_told_from_text() -> None:
    assert looks_binary(bytes(range(256)))
    assert not looks_binary(b"")
    with pytest.raises(Unreadable, match="binary"):
        decode(b"\x00\x01\x02\x03" * 50)


@given(st.binary(max_size=400))
def test_any_bytes_decode_or_say_why_not(data: bytes) -> None:
    try:
        decode(data)
    except Unreadable as error:
        assert error.reason in ("binary", "unknown_encoding")
