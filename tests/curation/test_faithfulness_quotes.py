"""A quote is found where it stands, and only there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.faithfulness_quotes import LONG, Finder

SOURCE = "The “pump” holds\n  13 litres — never more. It is made by Ardon. The ﬁlter doesn’t leak below **4.5 bar**."


@pytest.mark.parametrize(
    ("quote", "found"),
    [
        ("It is made by Ardon.", "It is made by Ardon."),
        ('The "pump" holds 13 litres - never more.', "The “pump” holds\n  13 litres — never more."),
        ("The filter doesn't leak below 4.5 bar", "The ﬁlter doesn’t leak below **4.5 bar"),
        ("“It is made by Ardon”", "It is made by Ardon"),
        ("…never more. It is made…", "never more. It is made"),
        ("4.5 bar.", "4.5 bar**."),
        ("13", "13"),
    ],
)
def test_white_space_typography_and_emphasis_are_the_same(quote: str, found: str) -> None:
    span = Finder(SOURCE).find(quote)
    assert span is not None
    assert SOURCE[slice(*span)].strip("*") == found.strip("*")


@pytest.mark.parametrize(
    "quote",
    [
        "The pump holds 14 litres",  # another number
        "The pump holds 13 litres",  # the quotation marks are left out
        "it is made by ardon.",  # another case
        "3 litres",  # inside a number
        "13 litres … made by Ardon",
        "5 bar",
        "4 bar",
        ".5 bar",
        "eak below",  # inside a word
        "It is made by Ar",
        "The",
        "is",
        "",
        "  ",
        "…",
        "“”",
        "All claims are supported.",
    ],
)
def test_anything_else_is_no_quote(quote: str) -> None:
    assert Finder(SOURCE).find(quote) is None


@pytest.mark.parametrize(
    ("quote", "source"),
    [("106 cells", "10⁶ cells"), ("12 cup", "½ cup"), ("5 °C", "at -5 °C"), ("5 °C", "at −5 °C"),
     ("000 users", "1,000 users"), ("10 users", "10,000 users"), ("2024", "1/2024"), (".5 bar", "5 bar"),
     ("supported by every reader of it", "It is unsupported by every reader of it."),
     ("not be read at all by now", "cannot be read at all by now"),
     ("Cafe", "Café"), ("Cafe", "Cafe\u0301")],
)  # fmt: skip
def test_no_other_number_or_letter_is_made_of_a_part(quote: str, source: str) -> None:
    assert Finder(source).find(quote) is None


def test_a_long_quote_may_break_off_inside_a_word() -> None:
    assert Finder(SOURCE).find("It is made by Ardon. The filter doesn't le") is not None
    assert Finder(SOURCE).find("by Ardon. The fil") is None


def test_any_script_and_form_can_be_quoted() -> None:
    for quote, source in [
        ("泵可容纳", "这个泵可容纳十三升。"),
        ("Cafe\u0301 noir", "Un Café noir."),
        ("Café noir", "Un Cafe\u0301 noir."),
        ("تحتوي المضخة", "\u202bتحتوي المضخة\u202c على"),
        ("👩\u200d🔧 fixes it", "The 👩\u200d🔧 fixes it."),
        ("a\x00b holds", "a\x00b holds\ud800"),
    ]:
        assert Finder(source).find(quote) is not None, quote


@given(st.text(max_size=80), st.integers(0, 80), st.integers(0, 80))
def test_a_long_slice_is_always_found_and_a_span_never_leaves_the_text(text: str, a: int, b: int) -> None:
    source = f"{text} and then it was filled to the brim with oil of grade B {text}"
    start, end = sorted((a % len(source), b % len(source)))
    quote = source[start:end]
    span = Finder(source).find(quote)
    if span is not None:
        assert 0 <= span[0] < span[1] <= len(source)
    middle = "then it was filled to the brim with oil"
    assert Finder(source).find(middle) is not None


@given(st.text(alphabet="ab1.,-*` \n\u00a0\u200b’'—ﬁ²\u0301", max_size=30), st.text(alphabet="ab1.-* \n'", max_size=10))
def test_what_is_found_reads_like_the_quote(text: str, quote: str) -> None:
    span = Finder(text).find(quote)
    if span is not None:
        start, end = span
        assert 0 <= start < end <= len(text)
        letters = [c for c in quote if c in "ab1"]
        assert [c for c in text[start:end] if c in "ab1"] == letters
        assert not (text[start].isdigit() and text[start - 1 : start].isdigit())


def test_long_hostile_sources_cost_little() -> None:
    for source in (
        "a" * 300_000,
        "*`" * 150_000,
        "1" * 300_000,
        "\u0301" * 100_000,
        " \u00a0" * 150_000,
        "“" * 100_000,
    ):
        finder = Finder(source)
        for quote in (source[:50] + "x1", source[: LONG + 40] + "”?", "x" + source[:200_000]):
            assert finder.find(quote) is None
