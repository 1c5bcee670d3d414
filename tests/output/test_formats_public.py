"""Rows are valid by the public definition of their format, as its own project or documentation states it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from datagen.core.record import Candidate, Message, Rejected
from datagen.output.formats import FORMATS
from datagen.output.text import json_line
from tests.output.made import a_sample
from tests.output.test_formats import CLOCK, WITH_TOOLS

OURS = {"id", "source", "recipe", "family", "metric", "flaw"}
TALK = (
    Message(role="user", content="Hi"),
    Message(role="assistant", content="Hello"),
    Message(role="user", content="Why?"),
    Message(role="assistant", content="Because."),
)
SYSTEM = (Message(role="system", content="Be brief."), *TALK)
BAD = Rejected(content="No.", flaw="f", score=1.0)


class Strict(BaseModel):
    """No field but those that a definition names."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Said(Strict):
    """A message of TRL's conversational form ("Dataset formats and types")."""

    role: Literal["system", "user", "assistant"]
    content: str


class TrlPreference(Strict):
    """TRL, "Preference", conversational, explicit prompt."""

    prompt: list[Said]
    chosen: list[Said]
    rejected: list[Said]


class TrlPlainPreference(Strict):
    """TRL, "Preference", standard, explicit prompt."""

    prompt: str
    chosen: str
    rejected: str


class TrlUnpaired(Strict):
    """TRL, "Unpaired preference", conversational."""

    prompt: list[Said]
    completion: list[Said]
    label: bool


class Ranked(Strict):
    """Ours: best first."""

    prompt: list[Said]
    responses: list[str]
    scores: list[float | None]


class Alpaca(Strict):
    """Stanford Alpaca's three fields; ``system`` and ``history`` of LLaMA-Factory, data/README.md, "Alpaca Format"."""

    instruction: str
    input: str
    output: str
    system: str | None = None
    history: list[tuple[str, str]] | None = None


class Node(Strict):
    """Open Assistant, ``ExportMessageNode``: the fields that we fill."""

    model_config = ConfigDict(extra="ignore")  # the export has fields of its own: kept, score, samples …

    message_id: str
    parent_id: str | None
    text: str
    role: Literal["prompter", "assistant"]
    rank: int | None
    replies: list[Node]


class Tree(Strict):
    """Open Assistant, ``ExportMessageTree``."""

    message_tree_id: str
    tree_state: Literal["ready_for_export"]
    prompt: Node


def rows(name: str, **fields: Any) -> list[dict[str, Any]]:
    """Rows as a program reads them from the file, without what is ours."""
    made = [json.loads(json_line(row)) for row in FORMATS[name].to_rows(a_sample(**fields))]
    return [{k: v for k, v in row.items() if k not in OURS} for row in made]


def openai_messages(row: dict[str, Any]) -> None:
    """The request types of the ``openai`` package."""
    chat = pytest.importorskip("openai.types.chat")
    assert set(row) <= {"messages", "tools"}
    for message in row["messages"]:
        found = TypeAdapter(chat.ChatCompletionMessageParam).validate_python(message)
        assert found["role"] == message["role"]
        if message["role"] == "tool":
            assert message["tool_call_id"]
    for tool in row.get("tools", ()):
        TypeAdapter(chat.ChatCompletionToolParam).validate_python(tool)


def llama_factory_sharegpt(row: dict[str, Any]) -> None:
    """Users and observations at odd places, the model and its calls at even ones; tools and calls are JSON text."""
    assert set(row) <= {"conversations", "tools"}
    said = row["conversations"]
    assert all(set(turn) == {"from", "value"} and isinstance(turn["value"], str) for turn in said)
    places = [turn["from"] for turn in said if turn["from"] != "system"]
    assert [turn["from"] for turn in said[1:]].count("system") == 0
    assert all(name in {"human", "observation"} for name in places[0::2])
    assert all(name in {"gpt", "function_call"} for name in places[1::2])
    for turn in said:
        if turn["from"] == "function_call":
            call = json.loads(turn["value"])
            assert set(call) == {"name", "arguments"}
            assert isinstance(call["arguments"], dict)
    for tool in json.loads(row.get("tools", "[]")):
        assert set(tool) <= {"name", "description", "parameters"}


def a(model: type[BaseModel]) -> Callable[[dict[str, Any]], None]:
    """A check by a model, of what JSON holds."""
    return lambda row: (model.model_validate_json(json.dumps(row)), None)[1]


RANKED = (Candidate(content="Because.", score=5), Candidate(content="No.", score=1.5), Candidate(content="Eh."))
DEFINITIONS: list[tuple[str, Callable[[dict[str, Any]], None], dict[str, Any]]] = [
    ("messages", openai_messages, {"messages": SYSTEM}),
    ("messages", openai_messages, {"messages": WITH_TOOLS, "tools": (CLOCK,)}),
    ("alpaca", a(Alpaca), {"messages": TALK}),
    ("alpaca", a(Alpaca), {"messages": SYSTEM}),
    ("sharegpt", llama_factory_sharegpt, {"messages": SYSTEM}),
    ("sharegpt", llama_factory_sharegpt, {"messages": WITH_TOOLS, "tools": (CLOCK,)}),
    ("oasst", a(Tree), {"messages": TALK}),
    ("oasst", a(Tree), {"messages": TALK, "ranked": RANKED}),
    ("dpo", a(TrlPreference), {"messages": SYSTEM, "rejected": BAD}),
    ("dpo-plain", a(TrlPlainPreference), {"rejected": BAD}),
    ("kto", a(TrlUnpaired), {"messages": SYSTEM, "rejected": BAD}),
    ("ranked", a(Ranked), {"messages": TALK, "ranked": RANKED}),
    ("ranked", a(Ranked), {"messages": SYSTEM, "rejected": BAD}),
]


@pytest.mark.parametrize(("name", "check", "fields"), DEFINITIONS)
def test_rows_are_valid_by_their_public_definition(
    name: str, check: Callable[[dict[str, Any]], None], fields: dict[str, Any]
) -> None:
    found = rows(name, **fields)
    assert found
    for row in found:
        check(row)
        with pytest.raises((ValidationError, AssertionError, KeyError)):  # the check can fail
            check({"id": "x", **dict(list(row.items())[1:])})


def test_every_format_has_a_definition() -> None:
    assert {name for name, _, _ in DEFINITIONS} | {"parquet", "datasets"} == set(FORMATS), "those two hold messages"


def test_a_tree_is_linked() -> None:
    tree = Tree.model_validate_json(json.dumps(rows("oasst", messages=TALK, ranked=RANKED)[0]))
    seen: list[str] = []

    def walk(node: Node, parent: str | None) -> None:
        assert node.parent_id == parent
        seen.append(node.message_id)
        ranks = [reply.rank for reply in node.replies]
        assert ranks == ([None] if len(ranks) == 1 else list(range(len(ranks))))
        for reply in node.replies:
            walk(reply, node.message_id)

    walk(tree.prompt, None)
    assert len(seen) == len(set(seen)) == 6
    assert tree.message_tree_id == tree.prompt.message_id
