"""Every format gives back the conversation it was given, or says that it cannot hold it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.core.errors import UsageError
from datagen.core.record import Message, Rejected
from datagen.output.formats import FORMATS, CannotHold, named, to_preference
from datagen.output.text import json_line, scrub
from tests.output.made import a_sample

GOLDEN = Path(__file__).parent / "golden"
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


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    messages = [Message(role="system", content=draw(texts))] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, 3))):
        messages += [Message(role="user", content=draw(texts)), Message(role="assistant", content=draw(texts))]
    return tuple(messages)


def _clean(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    return tuple(m.model_copy(update={"content": scrub(m.content)}) for m in messages)


@pytest.mark.parametrize("name", FORMATS)
@given(messages=conversations())
def test_there_and_back_through_a_line_of_json(name: str, messages: tuple[Message, ...]) -> None:
    line = json_line(FORMATS[name].to_row(a_sample(messages=messages)))
    assert line.endswith(b"\n")
    text = line.decode("utf-8")
    assert len(text.splitlines()) == 1, "no reader may take anything in a row for a line end"
    assert FORMATS[name].from_row(json.loads(text)) == _clean(messages)


@pytest.mark.parametrize("name", FORMATS)
def test_rows_are_as_they_always_were(name: str) -> None:
    samples = [
        a_sample("What is a lock?", 'A "lock" keeps\nothers out. é 😀'),
        a_sample("And a key?", "It opens it.\u2028", system="Be brief."),
        a_sample(
            messages=tuple(
                Message(role=role, content=text)  # type: ignore[arg-type]
                for role, text in (("user", "Hi"), ("assistant", "Hello"), ("user", "Why?"), ("assistant", "Because."))
            )
        ),
    ]
    made = b"".join(json_line(FORMATS[name].to_row(s)) for s in samples)
    assert made == (GOLDEN / f"{name}.jsonl").read_bytes()


def test_alpaca_keeps_an_empty_system_message_apart_from_none() -> None:
    alpaca = FORMATS["alpaca"]
    assert "system" not in alpaca.to_row(a_sample())
    assert alpaca.to_row(a_sample(system=""))["system"] == ""


def test_alpaca_reads_the_input_of_other_peoples_rows() -> None:
    row = {"instruction": "Translate.", "input": "Guten Tag", "output": "Good day", "system": None, "history": None}
    assert [m.content for m in FORMATS["alpaca"].from_row(row)] == ["Translate.\nGuten Tag", "Good day"]


TOOL: dict[str, Any] = {"id": "t1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
WITH_TOOLS = (
    Message(role="user", content="What time is it?"),
    Message(role="assistant", content="", tool_calls=(TOOL,)),
    Message(role="tool", content="12:00"),
    Message(role="assistant", content="Noon."),
)


def test_openai_messages_hold_tool_calls() -> None:
    row = FORMATS["messages"].to_row(a_sample(messages=WITH_TOOLS))
    assert row["messages"][1]["tool_calls"] == [TOOL]
    assert "tool_calls" not in row["messages"][0]
    assert FORMATS["messages"].from_row(json.loads(json_line(row))) == WITH_TOOLS


@pytest.mark.parametrize("name", ["alpaca", "sharegpt", "parquet"])
def test_a_format_without_a_place_for_tools_says_so(name: str) -> None:
    with pytest.raises(CannotHold, match="tool calls"):
        FORMATS[name].to_row(a_sample(messages=WITH_TOOLS))


@pytest.mark.parametrize(
    "roles", [["user", "user", "assistant"], ["assistant"], ["user"], ["user", "system", "assistant"]]
)
def test_alpaca_refuses_turns_it_would_have_to_bend(roles: list[Any]) -> None:
    with pytest.raises(CannotHold, match="alternation"):
        FORMATS["alpaca"].to_row(a_sample(messages=tuple(Message(role=r, content="x") for r in roles)))


def test_preference_rows_are_trl_conversational_with_an_explicit_prompt() -> None:
    sample = a_sample("Q?", "Good.", system="S", rejected=Rejected(content="Bad.", flaw="changed_number"))
    assert to_preference(sample) == {
        "id": sample.id,
        "prompt": [{"role": "system", "content": "S"}, {"role": "user", "content": "Q?"}],
        "chosen": [{"role": "assistant", "content": "Good."}],
        "rejected": [{"role": "assistant", "content": "Bad."}],
        "flaw": "changed_number",
    }
    with pytest.raises(CannotHold):
        to_preference(a_sample())


def test_an_unknown_format_names_the_known_ones() -> None:
    with pytest.raises(UsageError) as error:
        named("csv")
    assert all(name in str(error.value) for name in FORMATS)
