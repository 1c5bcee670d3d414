"""Rows are what the public definition of their format says, so that the tools that read it take them as they are.

Definitions, by name: OpenAI API reference, "FineTuneChatRequestInput"; Stanford Alpaca, README ("Data Release");
LLaMA-Factory, data/README ("Sharegpt Format", its rule of alternating turns too); TRL, "Dataset formats and types".
"""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, TypeAdapter

from datagen.core.record import Message, Rejected, Sample
from datagen.output.formats import FORMATS, CannotHold
from datagen.output.text import json_line
from tests.output.made import a_sample
from tests.output.test_formats import CLOCK, TOOL, WITH_TOOLS, conversations, texts, tool_talks


class _Public(BaseModel):
    """Further columns (``id``, ``source`` …) stand beside what a definition names; types are taken strictly."""

    model_config = ConfigDict(strict=True, extra="allow")


class _Function(_Public):
    name: str
    arguments: str


class _Call(_Public):
    id: str
    type: Literal["function"]
    function: _Function


class _Said(_Public):
    role: Literal["system", "user"]
    content: str


class _Assistant(_Public):
    role: Literal["assistant"]
    content: str | None = None
    tool_calls: list[_Call] | None = None


class _Tool(_Public):
    role: Literal["tool"]
    content: str
    tool_call_id: str


class _Definition(_Public):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class _ToolDefinition(_Public):
    type: Literal["function"]
    function: _Definition


class FineTuneChatRequestInput(_Public):
    messages: list[_Said | _Assistant | _Tool]
    tools: list[_ToolDefinition] | None = None


class Alpaca(_Public):
    instruction: str
    input: str
    output: str
    system: str = ""
    history: list[tuple[str, str]] = []


class ShareGPT(_Public):
    conversations: list[dict[str, str]]
    tools: str = ""


class _Chat(_Public):
    model_config = ConfigDict(strict=True, extra="forbid")
    role: Literal["system", "user", "assistant"]
    content: str


class Preference(_Public):
    prompt: list[_Chat]
    chosen: list[_Chat]
    rejected: list[_Chat]


class StandardPreference(_Public):
    prompt: str
    chosen: str
    rejected: str


class UnpairedPreference(_Public):
    prompt: list[_Chat]
    completion: list[_Chat]
    label: bool


DEFINITIONS: dict[str, type[BaseModel]] = {
    "messages": FineTuneChatRequestInput,
    "alpaca": Alpaca,
    "sharegpt": ShareGPT,
    "dpo": Preference,
    "dpo-plain": StandardPreference,
    "kto": UnpairedPreference,
}
TRL_KEYS = {"messages", "prompt", "completion", "chosen", "rejected", "label", "text", "completions", "labels"}
"""The fields by which TRL tells the kinds of rows apart; it passes over all others."""
TRL_KINDS = {
    "messages": {"messages"},
    "parquet": {"messages"},
    "datasets": {"messages"},
    "dpo": {"prompt", "chosen", "rejected"},
    "dpo-plain": {"prompt", "chosen", "rejected"},
    "kto": {"prompt", "completion", "label"},
}


def rows_of(name: str, sample: Sample) -> list[dict[str, Any]]:
    return [json.loads(json_line(row)) for row in FORMATS[name].to_rows(sample)]


@pytest.mark.parametrize("name", sorted(DEFINITIONS))
@given(data=st.data(), bad=texts)
def test_every_row_is_as_its_definition_says(name: str, data: st.DataObject, bad: str) -> None:
    plain = name == "dpo-plain"
    talk = conversations(system=not plain, most=1 if plain else 3)
    tools = name in ("messages", "sharegpt")
    messages = data.draw(st.one_of(talk, tool_talks()) if tools else talk)
    defined = (CLOCK,) if any(m.tool_calls for m in messages) else ()
    sample = a_sample(messages=messages, tools=defined, rejected=Rejected(content=bad, flaw="omission"))
    for row in rows_of(name, sample):
        TypeAdapter(DEFINITIONS[name]).validate_json(json.dumps(row))


@pytest.mark.parametrize("name", sorted(TRL_KINDS))
def test_trl_takes_rows_for_what_they_are(name: str) -> None:
    sample = a_sample(rejected=Rejected(content="No.", flaw=""), family="qa", metric="f1")
    for row in rows_of(name, sample):
        assert TRL_KEYS & set(row) == TRL_KINDS[name]
        conversational = isinstance(row[min(TRL_KINDS[name] - {"label"})], list)
        assert conversational == (name != "dpo-plain")


@pytest.mark.parametrize("name", ["ranked", "oasst", "sharegpt", "alpaca"])
def test_trl_takes_rows_of_other_tools_for_none_of_its_pairs(name: str) -> None:
    for row in rows_of(name, a_sample(rejected=Rejected(content="No.", flaw=""))):
        assert TRL_KEYS & set(row) <= {"prompt"}


def factory_takes(row: dict[str, Any]) -> bool:
    """LLaMA-Factory's rule: after the system turn users and tools at odd places, the model at even ones, in pairs."""
    turns = [turn["from"] for turn in row["conversations"]]
    turns = turns[1:] if turns[0] == "system" else turns
    allowed = (("human", "observation"), ("gpt", "function_call"))
    return len(turns) % 2 == 0 and all(turn in allowed[i % 2] for i, turn in enumerate(turns))


@given(st.lists(st.sampled_from(["system", "user", "assistant", "tool", "call"]), min_size=1, max_size=6))
def test_sharegpt_rows_are_taken_by_llama_factory_or_refused_here(kinds: list[str]) -> None:
    calls = {"call": Message(role="assistant", content="", tool_calls=(TOOL,))}
    messages = tuple(calls.get(kind) or Message(role=kind, content="x") for kind in kinds)  # type: ignore[arg-type]
    try:
        rows = rows_of("sharegpt", a_sample(messages=messages))
    except CannotHold:
        return
    assert all(factory_takes(row) for row in rows)
    for turn in rows[0]["conversations"]:
        assert set(turn) == {"from", "value"}


def test_sharegpt_holds_a_tool_call_as_llama_factory_wants_it() -> None:
    (row,) = rows_of("sharegpt", a_sample(messages=WITH_TOOLS, tools=(CLOCK,)))
    assert factory_takes(row)
    assert json.loads(row["conversations"][1]["value"]) == {"name": "now", "arguments": {}}
    assert json.loads(row["tools"]) == [CLOCK["function"]]
