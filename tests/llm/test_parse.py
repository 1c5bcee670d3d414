"""Reading replies: strict first, repaired once, never invented."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from datagen.llm.parse import Unparsable, is_refusal, parse
from datagen.llm.repair import candidates


class Pair(BaseModel):
    model_config = ConfigDict(extra="forbid")
    question: str
    answer: str
    evidence: list[str] = []


class Pairs(BaseModel):
    model_config = ConfigDict(extra="forbid")
    pairs: list[Pair]


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
PAIRS = st.builds(
    Pairs, pairs=st.lists(st.builds(Pair, question=TEXT, answer=TEXT, evidence=st.lists(TEXT)), max_size=3)
)
GOOD = '{"pairs": [{"question": "Why?", "answer": "Because.", "evidence": ["x"]}]}'


def reason(text: str, finish: str = "stop") -> str:
    with pytest.raises(Unparsable) as caught:
        parse(text, Pairs, finish)
    assert caught.value.detail
    return caught.value.reason


@given(PAIRS)
def test_what_is_right_is_taken_as_it_is(value: Pairs) -> None:
    parsed = parse(value.model_dump_json(), Pairs)
    assert parsed.value == value
    assert parsed.how == "as_is"


@given(
    PAIRS,
    st.sampled_from(
        ["```json\n{}\n```", "```\n{}```", "Here it is:\n{}\nI hope it helps!", '<think>{{"pairs": []}} no</think>\n{}']
    ),
)
def test_what_stands_around_is_dropped(value: Pairs, around: str) -> None:
    parsed = parse(around.format(value.model_dump_json(indent=1)), Pairs)
    assert parsed.value == value
    assert parsed.how == "repaired"


@given(PAIRS)
def test_trailing_commas_are_dropped(value: Pairs) -> None:
    if re.search(r"[\]}]\s*[\]}]", "".join(t for p in value.pairs for t in (p.question, p.answer, *p.evidence))):
        return  # the commas would be put inside a string
    loose = re.sub(r"(?<=[\]}])(\s*[\]}])", r",\1", value.model_dump_json(indent=1) + "\n")
    assert parse(loose, Pairs).value == value


@given(PAIRS)
def test_raw_control_characters_in_strings_are_escaped(value: Pairs) -> None:
    raw = value.model_dump_json().replace("\\n", "\n").replace("\\t", "\t")
    try:
        json.loads(raw)
    except ValueError:
        # An escaped backslash before the letter n is not a line break; then the texts differ.
        if "\\" not in "".join(t for p in value.pairs for t in (p.question, p.answer, *p.evidence)):
            assert parse(raw, Pairs).value == value


@given(PAIRS, st.integers(0, 3))
def test_missing_closers_are_added_only_after_a_full_stop(value: Pairs, count: int) -> None:
    text = value.model_dump_json()
    cut = re.sub(rf"[\]}}]{{0,{count}}}\Z", "", text)
    if cut == text:
        return
    assert parse(cut, Pairs).value == value
    assert reason(cut, "length") in ("invalid_json", "schema")


def test_a_string_without_its_end_is_never_closed() -> None:
    assert reason('{"pairs": [{"question": "Why?", "answer": "Because it') == "invalid_json"


@pytest.mark.parametrize(
    "text",
    [
        "{“pairs”: [{“question”: “Why?”, “answer”: “Because.”, “evidence”: [“x”]}]}",
        '{"pairs": [{"question": "Why?”, "answer": "Because.", "evidence": ["x"]}]}',
        '{"pairs": [{"question": “Why?", "answer": "Because.", "evidence": ["x"]}]}',
    ],
)
def test_typographic_quotes_as_delimiters(text: str) -> None:
    assert parse(text, Pairs).value == parse(GOOD, Pairs).value


def test_typographic_quotes_inside_a_string_stay() -> None:
    text = '{"pairs": [{"question": "Say “x”, or “y”:", "answer": "“z”",}]}'
    assert parse(text, Pairs).value.pairs[0].question == "Say “x”, or “y”:"


def test_stray_backslashes() -> None:
    text = r'{"pairs": [{"question": "What is \(x\)?", "answer": "It\'s \alpha"}]}'
    pair = parse(text, Pairs).value.pairs[0]
    assert pair.question == r"What is \(x\)?"
    assert pair.answer == r"It's \alpha"


def test_two_different_values_are_not_chosen_between() -> None:
    assert reason(f'Either {GOOD} or {{"pairs": []}}') == "invalid_json"
    assert parse(f"{GOOD}\n{GOOD}", Pairs).value == parse(GOOD, Pairs).value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("I'm sorry, but I can't help with that.", "refusal"),
        ("I cannot assist with this request.", "refusal"),
        ("As an AI language model, I must decline.", "refusal"),
        ("The passage says that I cannot be late.", "invalid_json"),
        ("Certainly! The passage is about caches.", "invalid_json"),
        ("[]", "schema"),
        ("{}", "schema"),
        ('{"pairs": [{"question": "Why?"}]}', "schema"),
        ('{"pairs": [{"question": 1, "answer": "x"}]}', "schema"),
        ('{"pairs": [], "more": 1}', "schema"),
        ('{"pairs": [{"question": "\\ud800", "answer": "x"}]}', "invalid_json"),
        ("{" * 100_000, "invalid_json"),
        ('{"a":' * 1000, "invalid_json"),
        ("[" * 5000 + "]" * 5000, "invalid_json"),
        ("null", "schema"),
    ],
)
def test_reasons(text: str, expected: str) -> None:
    assert reason(text) == expected


def test_schema_errors_name_the_place() -> None:
    with pytest.raises(Unparsable, match=r"pairs\.0\.answer"):
        parse('{"pairs": [{"question": "Why?"}]}', Pairs)


def test_an_answer_that_mentions_being_sorry_is_no_refusal() -> None:
    assert not is_refusal(GOOD.replace("Because.", "I'm sorry, I cannot."))
    assert not is_refusal("I cannot " + "stress this enough. " * 100)


@given(st.text(alphabet='{}[]",:\\ \nabe“”1', max_size=60), st.booleans())
def test_repair_adds_no_content(text: str, may_close: bool) -> None:
    for repaired in candidates(text, may_close=may_close):
        assert _is_subsequence(_content(repaired.replace("\\n", "\n")), _content(text))
        if not may_close:
            assert len(re.findall(r"[\]}]", repaired)) <= len(re.findall(r"[\]}]", text))


def _content(text: str) -> str:
    return re.sub(r'[{}\[\]",:\\“”]', "", text)


def _is_subsequence(small: str, large: str) -> bool:
    rest = iter(large)
    return all(char in rest for char in small)
