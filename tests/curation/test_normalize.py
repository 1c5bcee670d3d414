from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.normalize import Normalize, normalize_text
from datagen.core.record import Failure, Message, Sample, Verdict
from tests.curation.make import sample

HOSTILE = st.text(
    alphabet=st.one_of(
        st.characters(codec="utf-8"),
        st.sampled_from("\r\n\t `~\u200b\u200c\u200d\ufeff\u00a0\u2028\u202e\u0301\u1fef\u0930\u094d👩💻\u212b\x00"),
    ),
    max_size=80,
)


@given(HOSTILE)
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalize_text(text)
    assert normalize_text(once) == once


@given(HOSTILE)
def test_no_line_ends_but_newlines_and_no_blank_edges(text: str) -> None:
    out = normalize_text(text)
    assert not set(out) & set("\r\x0b\x0c\x85\u2028\u2029")
    assert out == out.strip("\n")


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("e\u0301", "é"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("bell\x07 \x1b[31m", "bell [31m"),
        ("non\u00a0breaking\u3000wide", "non breaking wide"),
        ("trailing  \t\nnext ", "trailing\nnext"),
        ("a\n\n\n\n\n\nb", "a\n\n\nb"),
        ("\n\n a\n\n", " a"),
        ("left\u202eright", "leftright"),
        ("latin\u200djoiner", "latinjoiner"),
        ("lone \ud800 surrogate", "lone \ufffd surrogate"),
    ],
)
def test_what_changes(raw: str, wanted: str) -> None:
    assert normalize_text(raw) == wanted


@pytest.mark.parametrize("text", ["می\u200cخواهم", "क्\u200dष", "👩\u200d💻", "👁\ufe0f\u200d🗨\ufe0f"])
def test_joiners_that_mean_something_stay(text: str) -> None:
    assert normalize_text(text) == unicodedata.normalize("NFC", text)


def test_inside_a_fence_only_line_ends_change() -> None:
    code = "```\nx = 1  \r\n\u00a0\u200b\n\n\n\n\ny\n```\nafter\u00a0it  "
    assert normalize_text(code) == "```\nx = 1  \n\u00a0\u200b\n\n\n\n\ny\n```\nafter it"


def test_a_quoted_answer_stays_as_in_the_document() -> None:
    answer = "def f():  \n    return\u00a01"
    quoted = sample("What\u00a0is f?", answer, f"x\n{answer}\ny", quoted=True)
    (out,) = Normalize().run([quoted])
    assert isinstance(out, Sample)
    assert out.messages[1].content == answer == out.lineage.quotes[0].text
    assert out.messages[0].content == "What is f?"
    assert out.id == quoted.id


def test_clean_rejected_and_failed_records_pass_as_they_are() -> None:
    clean = sample("What is it?", "An answer.")
    rejected = clean.model_copy(
        update={"messages": (Message(role="assistant", content="a\r"),), "verdict": Verdict(stage="x", reason="y")}
    )
    failure = Failure(call="", recipe="qa", chunk="c", samples=1, reason="timeout", attempts=1, raw="\r")
    out = Normalize().run([clean, rejected, failure])
    assert out[0] is clean
    assert out[1] is rejected
    assert out[2] is failure
