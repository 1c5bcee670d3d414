"""Quotes are found where they stand, and only there."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from datagen.generate.ground import locate

TEXT = "The “valve” opens at\n  3 bar — never\u00a0above. Caf\u00e9 ﬁne. It doesn’t leak."


def found(quote: str, text: str = TEXT) -> str | None:
    span = locate(quote, text)
    return None if span is None else text[span[0] : span[1]]


def test_verbatim() -> None:
    assert found("opens at\n  3 bar") == "opens at\n  3 bar"


def test_white_space_quotation_marks_dashes_and_compatibility_forms_are_the_same() -> None:
    assert found('The "valve" opens at 3 bar - never above.') == TEXT[: TEXT.index(" Caf")]
    assert found("Cafe\u0301 fine.") == "Café ﬁne."
    assert found("doesn't  leak") == "doesn’t leak"
    assert found("ﬁ ne", "fi ne") == "fi ne"
    assert found("3", "3 of 35") == "3"


def test_anything_else_is_not_a_quote() -> None:
    for quote in (
        "opens at 4 bar",
        "the valve opens",
        "valve … above",
        "",
        " ",
        ".",
        "3 bar never",
        "pens at",
        "bar — nev",
        "esn't leak",
    ):
        assert found(quote) is None, quote


@given(st.text(max_size=60), st.integers(0, 60), st.integers(0, 60))
def test_a_slice_between_spaces_is_always_found_as_itself_or_earlier(text: str, a: int, b: int) -> None:
    quote = text[min(a, b) : max(a, b)].strip()
    span = locate(quote, f"{text} {quote} ")
    if sum(c.isalnum() for c in quote) >= 2 and not unicodedata.category(quote[0]).startswith("M"):
        assert span is not None
        assert 0 <= span[0] < span[1] <= len(text) + len(quote) + 1


@given(st.text(alphabet="ab \n\t\u00a0\u200b’'-—ﬁ", max_size=30), st.text(alphabet="ab \n'-", min_size=1, max_size=8))
def test_a_span_never_leaves_the_text(text: str, quote: str) -> None:
    span = locate(quote, text)
    if span is not None:
        assert 0 <= span[0] < span[1] <= len(text)
