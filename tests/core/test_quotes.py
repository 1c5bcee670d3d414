"""A quote is found where it stands, and only there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.core.quotes import Finder

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


@pytest.mark.parametrize(
    ("quote", "source"),
    [
        ("3", "It holds 35 litres."),
        ("5", "It holds 35 litres."),
        ("1.5", "It holds 11.5 litres."),
        ("1.5", "It holds 1.55 litres."),
        ("1", "version 1.5"),
        ("5", "version 1.5"),
        ("1.5", "version 1.5.2"),
        ("30", "at 12:30"),
        ("12", "at 12:30"),
        ("000", "10'000 users"),
        ("5", "5GB"),
        ("13", "the 13th"),
        ("It is made by Ardon. The filter doesn't le", SOURCE),
        ("It is made by every reader of support", "It is made by every reader of supported files."),
        ("The pump can", "The pump can't fail."),
        ("The pump can", "The pump can’t fail."),
        ("fi", "profile"),
        ("max_size", "max_sizes"),
        ("size", "max_size"),
    ],
)
@pytest.mark.parametrize("least", [0, 4])
@pytest.mark.parametrize("emphasis", [True, False])
def test_no_quote_is_cut_out_of_a_number_or_a_word(quote: str, source: str, least: int, *, emphasis: bool) -> None:
    assert Finder(source, least=least, emphasis=emphasis).find(quote) is None
    assert Finder(f"{source} {quote} x", least=0).find(quote) is not None, "it would be found where it stands"


def test_a_place_further_on_that_is_no_cut_is_found() -> None:
    assert Finder("35 or 3 bar").find("3") == (6, 7)
    assert Finder("11.5 or 1.5 bar").find("1.5 bar") == (8, 15)
    assert Finder("It is unsupported. It is supported.").find("supported") == (25, 34)
    assert Finder("the pump's lid").find("the pump") == (0, 8)


def test_short_words_are_quotes_where_that_is_wanted() -> None:
    assert Finder("Made by Bo.").find("Bo") is None
    assert Finder("Made by Bo.", least=0).find("Bo") == (8, 10)
    for nothing in ("", " ", ".", "“”", "…"):
        assert Finder("a . “” …", least=0).find(nothing) in (None, (4, 6))
    assert Finder("Made by Bo.", least=0).find("o") is None


def test_emphasis_is_told_apart_where_the_place_is_used_as_it_stands() -> None:
    assert Finder("It holds **13** litres.").find("13 litres") == (11, 22)
    assert Finder("It holds **13** litres.", emphasis=False).find("13 litres") is None


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
def test_a_slice_of_whole_words_is_always_found_and_no_other(text: str, a: int, b: int) -> None:
    source = f"{text} and then it was filled to the brim with oil of grade B {text}"
    start, end = sorted((a % len(source), b % len(source)))
    span = Finder(source, least=0).find(source[start:end])
    if span is not None:
        assert 0 <= span[0] < span[1] <= len(source)
        for edge in span:
            before, after = source[edge - 1 : edge], source[edge : edge + 1]
            assert not (before.isascii() and before.isalnum() and after.isascii() and after.isalnum())
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
        for quote in (source[:50] + "x1", source[:64] + "”?", "x" + source[:200_000]):
            assert finder.find(quote) is None
