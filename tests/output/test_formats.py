"""Every format gives back the conversation it was given, or says that it cannot hold it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.core.errors import UsageError
from datagen.core.record import Candidate, Message, Rejected, Sample
from datagen.output.formats import FORMATS, CannotHold, Parts, named
from datagen.output.formats_base import ORIGIN
from datagen.output.text import json_line, scrub
from tests.output.made import a_sample

GOLDEN = Path(__file__).parent / "golden"
SFT = [name for name, form in FORMATS.items() if form.part == "sft"]
PAIRED = [name for name, form in FORMATS.items() if form.part == "preference"]
AWKWARD = [
    "line\u2028separator and\u2029paragraph\u0085next",
    "emoji 👩‍👩‍👧‍👦🏳️‍🌈",
    "lone \ud83d surrogate \udc00",
    "tab\tnew\nline\r\nreturn\x00nul\x0b\x0c\x1c",
    '"quotes" \\back\\slash </script> {"json": [1]}',
    "",
    " ",
    "עברית عربي 漢字",
]
texts = st.one_of(
    st.sampled_from(AWKWARD),
    st.text(st.characters(), max_size=60),  # with surrogates
    st.text(st.sampled_from("a\n\t\r\u2028\u2029\u0085\ud800\udfff\x1e\ufeff😀{}\"\\'"), max_size=20),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab é{", max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xyz", max_size=3), inner, max_size=3),
    max_leaves=6,
)
TOOL: dict[str, Any] = {"id": "call_1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
CLOCK: dict[str, Any] = {
    "type": "function",
    "function": {"name": "now", "description": "The time.", "parameters": {"type": "object", "properties": {}}},
}
WITH_TOOLS = (
    Message(role="user", content="What time is it?"),
    Message(role="assistant", content="", tool_calls=(TOOL,)),
    Message(role="tool", content="12:00", tool_call_id="call_1", name="now"),
    Message(role="assistant", content="Noon."),
)


@st.composite
def conversations(draw: st.DrawFn, system: bool = True, most: int = 3) -> tuple[Message, ...]:
    messages = [Message(role="system", content=draw(texts))] if system and draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, most))):
        messages += [Message(role="user", content=draw(texts)), Message(role="assistant", content=draw(texts))]
    return tuple(messages)


@st.composite
def tool_talks(draw: st.DrawFn) -> tuple[Message, ...]:
    """A conversation in which the assistant calls one tool at a time; calls are numbered as an import numbers them."""
    messages = [Message(role="user", content=draw(texts))]
    for number in range(1, draw(st.integers(1, 3)) + 1):
        arguments = json.dumps(
            draw(st.dictionaries(st.text("xyz", max_size=3), values, max_size=3)), ensure_ascii=False
        )
        name = draw(st.sampled_from(["now", "find", "ünder score"]))
        call = {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}
        messages += [
            Message(role="assistant", content="", tool_calls=(call,)),
            Message(role="tool", content=draw(texts), tool_call_id=f"call_{number}", name=name),
        ]
    return (*messages, Message(role="assistant", content=draw(texts)))


def clean(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    return tuple(m.model_copy(update={"content": scrub(m.content)}) for m in messages)


def again(name: str, sample: Sample) -> Parts:
    """A sample through the lines of a file and back."""
    lines = [json_line(row) for row in FORMATS[name].to_rows(sample)]
    assert len(lines) == FORMATS[name].rows_a_sample
    for line in lines:
        assert line.endswith(b"\n")
        assert len(line.decode().splitlines()) == 1, "no reader may take anything in a row for a line end"
    return FORMATS[name].from_rows([json.loads(line) for line in lines])


@pytest.mark.parametrize("name", SFT)
@given(data=st.data())
def test_a_conversation_there_and_back(name: str, data: st.DataObject) -> None:
    messages = data.draw(conversations(system=name != "oasst"))
    assert again(name, a_sample(messages=messages)) == Parts(clean(messages))


@pytest.mark.parametrize("name", ["messages", "sharegpt", "parquet", "datasets"])
@given(messages=tool_talks(), parameters=st.dictionaries(st.text("pq", max_size=3), values, max_size=3))
def test_tools_there_and_back(name: str, messages: tuple[Message, ...], parameters: dict[str, Any]) -> None:
    tools = ({"type": "function", "function": {"name": "now", "parameters": parameters}},)
    assert again(name, a_sample(messages=messages, tools=tools)) == Parts(clean(messages), tools)


@pytest.mark.parametrize("name", PAIRED)
@given(data=st.data(), rejected=texts, flaw=st.sampled_from(["", "wrong_number"]))
def test_a_pair_there_and_back(name: str, data: st.DataObject, rejected: str, flaw: str) -> None:
    plain = name == "dpo-plain"
    messages = data.draw(conversations(system=not plain, most=1 if plain else 3))
    sample = a_sample(messages=messages, score=4.5, rejected=Rejected(content=rejected, flaw=flaw, score=2.0))
    found = again(name, sample)
    assert found.messages == clean(messages)
    if name == "ranked":
        assert [(c.content, c.score) for c in found.ranked] == [
            (clean(messages)[-1].content, 4.5),
            (scrub(rejected), 2.0),
        ]
    else:
        assert (found.rejected, found.flaw) == (scrub(rejected), flaw)


@pytest.mark.parametrize("name", ["ranked", "oasst"])
@given(replies=st.lists(texts, min_size=2, max_size=5, unique_by=scrub))
def test_ranked_replies_there_and_back(name: str, replies: list[str]) -> None:
    ranked = tuple(Candidate(content=text, score=5.0 - i) for i, text in enumerate(replies))
    found = again(name, a_sample("Why?", replies[0], ranked=ranked))
    assert found.messages[-1].content == scrub(replies[0])
    assert [c.content for c in found.ranked] == [scrub(text) for text in replies]


@pytest.mark.parametrize("name", FORMATS)
def test_rows_are_as_they_always_were(name: str) -> None:
    turns = (("user", "Hi"), ("assistant", "Hello"), ("user", "Why?"), ("assistant", "Because."))
    flawed = Rejected(content="It is a key.", flaw="contradiction", score=2.0)
    samples = [
        a_sample("What is a lock?", 'A "lock" keeps\nothers out. é 😀', rejected=flawed, family="qa", metric="f1"),
        a_sample("And a key?", "It opens it.\u2028", system="Be brief.", rejected=flawed, score=4.0, recipe="gold"),
        a_sample(messages=tuple(Message(role=r, content=text) for r, text in turns)),  # type: ignore[arg-type]
        a_sample(messages=WITH_TOOLS, tools=(CLOCK,)),
    ]
    rows = []
    for sample in samples:
        try:
            rows += FORMATS[name].to_rows(sample)
        except CannotHold:
            continue
    assert rows
    assert b"".join(map(json_line, rows)) == (GOLDEN / f"{name}.jsonl").read_bytes()


@pytest.mark.parametrize("name", SFT)
def test_a_row_says_where_it_comes_from(name: str) -> None:
    made = FORMATS[name].to_rows(a_sample(recipe="tasks", family="translation", metric="bleu"))[0]
    assert [made[c["name"]] for c in ORIGIN] == ["generated", "tasks", "translation", "bleu"]
    gold = FORMATS[name].to_rows(a_sample(recipe="gold"))[0]
    assert [gold[c["name"]] for c in ORIGIN] == ["gold", "gold", "", ""]


@pytest.mark.parametrize("name", FORMATS)
def test_a_row_has_the_declared_columns_and_no_other(name: str) -> None:
    sample = a_sample(rejected=Rejected(content="no", flaw="f"))
    for tools in (False, True):
        known = {c["name"] for c in FORMATS[name].features(tools)}
        assert all(set(row) <= known for row in FORMATS[name].to_rows(sample))


def test_alpaca_keeps_an_empty_system_message_apart_from_none() -> None:
    alpaca = FORMATS["alpaca"]
    assert "system" not in alpaca.to_rows(a_sample())[0]
    assert alpaca.to_rows(a_sample(system=""))[0]["system"] == ""


def test_alpaca_reads_the_input_of_other_peoples_rows() -> None:
    row = {"instruction": "Translate.", "input": "Guten Tag", "output": "Good day", "system": None, "history": None}
    assert [m.content for m in FORMATS["alpaca"].from_rows([row]).messages] == ["Translate.\nGuten Tag", "Good day"]


@pytest.mark.parametrize("name", ["alpaca", "oasst", *PAIRED])
def test_a_format_without_a_place_for_tools_says_so(name: str) -> None:
    with pytest.raises(CannotHold, match="tool calls"):
        FORMATS[name].to_rows(a_sample(messages=WITH_TOOLS, rejected=Rejected(content="x", flaw="")))


def _calls(*calls: dict[str, Any], content: str = "") -> Sample:
    said = Message(role="assistant", content=content, tool_calls=calls)
    return a_sample(messages=(WITH_TOOLS[0], said, *WITH_TOOLS[2:]))


def test_sharegpt_says_what_of_tools_it_cannot_hold() -> None:
    sharegpt = FORMATS["sharegpt"]
    bad = {**TOOL, "function": {"name": "now", "arguments": "{"}}
    for sample, reason in (
        (_calls(TOOL, TOOL), "several tool calls"),
        (_calls(TOOL, content="Let me see."), "text beside"),
        (_calls(bad), "no JSON"),
        (a_sample(tools=({"type": "custom", "custom": {}},)), "no functions"),
    ):
        with pytest.raises(CannotHold, match=reason):
            sharegpt.to_rows(sample)


@pytest.mark.parametrize(
    "roles", [["user", "user", "assistant"], ["assistant"], ["user"], ["user", "system", "assistant"]]
)
def test_alpaca_refuses_turns_it_would_have_to_bend(roles: list[Any]) -> None:
    with pytest.raises(CannotHold, match="alternation"):
        FORMATS["alpaca"].to_rows(a_sample(messages=tuple(Message(role=r, content="x") for r in roles)))


@pytest.mark.parametrize(
    ("name", "roles", "reason"),
    [
        ("oasst", ["system", "user", "assistant"], "system"),
        ("oasst", ["user", "user", "assistant"], "alternation"),
        ("oasst", ["assistant"], "begin"),
        ("dpo-plain", ["system", "user", "assistant"], "earlier turns"),
        ("dpo", ["assistant"], "no reply"),
        ("kto", ["user", "user"], "no reply"),
        ("ranked", ["user", "user"], "no reply"),
    ],
)
def test_a_conversation_without_a_place_is_refused(name: str, roles: list[Any], reason: str) -> None:
    messages = tuple(Message(role=r, content="x") for r in roles)
    with pytest.raises(CannotHold, match=reason):
        FORMATS[name].to_rows(a_sample(messages=messages, rejected=Rejected(content="y", flaw="")))


@pytest.mark.parametrize("name", PAIRED)
def test_no_pair_without_a_second_reply(name: str) -> None:
    with pytest.raises(CannotHold):
        FORMATS[name].to_rows(a_sample())


@pytest.mark.parametrize("own", [5.0, 3.5, None])
def test_the_best_of_several_candidates_is_ranked_with_the_kept_reply(own: float | None) -> None:
    """As checked pairs are: the candidates do not hold the reply that was kept, the rejected one is their lowest."""
    ranked = tuple(Candidate(content=text, score=score) for text, score in (("a", 4.0), ("b", 3.0), ("c", 1.0)))
    rejected = Rejected(content="c", flaw="omission", way="best_of_n", score=1.0)
    row = FORMATS["ranked"].to_rows(a_sample("Why?", "mine", score=own, ranked=ranked, rejected=rejected))[0]
    assert row["responses"] == (["a", "mine", "b", "c"] if own == 3.5 else ["mine", "a", "b", "c"])
    assert row["scores"][row["responses"].index("mine")] == own


def test_equal_scores_leave_the_kept_reply_first() -> None:
    rejected = Rejected(content="other", flaw="", score=4.0)
    row = FORMATS["ranked"].to_rows(a_sample("Why?", "mine", score=4.0, rejected=rejected))[0]
    assert row["responses"] == ["mine", "other"]


def test_an_unknown_format_names_the_known_ones() -> None:
    with pytest.raises(UsageError) as error:
        named("csv")
    assert all(name in str(error.value) for name in FORMATS)
