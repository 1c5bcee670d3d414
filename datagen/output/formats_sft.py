"""Formats of rows for supervised fine-tuning: OpenAI messages (also as Parquet), Alpaca, ShareGPT."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from datagen.core.record import Message, Sample
from datagen.output.formats_base import (
    ORIGIN,
    CannotHold,
    Format,
    Parts,
    Row,
    assistant_last,
    chat,
    messages_of,
    no_tools,
    origin,
    string,
    text_of,
    tools_of,
    turns,
)

_CALL: Row = {"name": "tool_calls", "list": [string("id"), string("type"), {
    "name": "function", "struct": [string("name"), string("arguments")]}]}  # fmt: skip
_TOOL_TURNS: Row = {
    "name": "messages",
    "list": [string("role"), string("content"), _CALL, string("tool_call_id"), string("name")],
}


def _to_messages(sample: Sample) -> list[Row]:
    """OpenAI, "Fine-tuning: data format" of chat models: ``messages``, and ``tools`` where there are any."""
    row: Row = {"id": sample.id, "messages": chat(sample.messages)}
    if sample.tools:
        row["tools"] = list(sample.tools)
    return [row | origin(sample)]


def _from_messages(rows: Sequence[Mapping[str, Any]]) -> Parts:
    return Parts(assistant_last(messages_of(rows[0]["messages"])), tools_of(rows[0].get("tools")))


def _messages_features(tools: bool) -> list[Row]:
    if not tools:
        return [string("id"), turns("messages", "role", "content"), *ORIGIN]
    return [string("id"), _TOOL_TURNS, {"name": "tools", "list": "json"}, *ORIGIN]


def _to_columns(sample: Sample) -> list[Row]:
    """As messages, but with the tools as JSON text: a JSON Schema has no columns of its own."""
    if any(_odd_call(call) for m in sample.messages for call in m.tool_calls):
        raise CannotHold("tool calls that are no function calls")
    row = _to_messages(sample)[0]
    return [row | {"tools": json.dumps(row["tools"], ensure_ascii=False)}] if sample.tools else [row]


def _odd_call(call: Mapping[str, Any]) -> bool:
    """Has a tool call fields that the OpenAI form of function calls has no column for?"""
    return set(call) - {"id", "type", "function"} != set() or set(call.get("function", {})) != {"name", "arguments"}


def _columns_features(tools: bool) -> list[Row]:
    if not tools:
        return _messages_features(False)
    return [string("id"), _TOOL_TURNS, string("tools"), *ORIGIN]


def _to_alpaca(sample: Sample) -> list[Row]:
    """Stanford Alpaca's three fields; ``system`` and ``history`` as LLaMA-Factory has them (its data README)."""
    no_tools(sample)
    messages = sample.messages
    system = messages[0] if messages and messages[0].role == "system" else None
    said = messages[1:] if system else messages
    roles = [m.role for m in said]
    if not roles or roles != ["user", "assistant"] * (len(roles) // 2):
        raise CannotHold("turns that are not user and assistant in alternation")
    row: Row = {"id": sample.id, "instruction": said[-2].content, "input": "", "output": said[-1].content}
    if system:
        row["system"] = system.content
    if len(said) > 2:
        row["history"] = [[said[i].content, said[i + 1].content] for i in range(0, len(said) - 2, 2)]
    return [row | origin(sample)]


def _from_alpaca(rows: Sequence[Mapping[str, Any]]) -> Parts:
    row = rows[0]
    messages: list[Message] = []
    if row.get("system") is not None:
        messages.append(Message(role="system", content=row["system"]))
    for question, answer in row.get("history") or ():
        messages += [Message(role="user", content=question), Message(role="assistant", content=answer)]
    # The Stanford Alpaca prompt puts the input after the instruction.
    told = "\n".join(part for part in (text_of(row, "instruction"), text_of(row, "input", "")) if part)
    messages += [Message(role="user", content=told), Message(role="assistant", content=text_of(row, "output"))]
    return Parts(tuple(messages))


def _alpaca_features(tools: bool) -> list[Row]:
    plain = [string(name) for name in ("id", "instruction", "input", "output", "system")]
    return [*plain, {"name": "history", "list": {"list": "string"}}, *ORIGIN]


_SHAREGPT = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}
_TURNS = (("human", "observation"), ("gpt", "function_call"))
"""Who may speak at the even and at the odd places; LLaMA-Factory skips other conversations with a warning."""
_FROM_SHAREGPT = {
    "system": "system", "human": "user", "user": "user", "gpt": "assistant", "chatgpt": "assistant",
    "assistant": "assistant", "observation": "tool", "tool": "tool",
}  # fmt: skip


def _to_sharegpt(sample: Sample) -> list[Row]:
    """ShareGPT as LLaMA-Factory defines it (its data README): ``function_call`` and ``observation`` turns, ``tools``
    as JSON text. One call a turn, because users' and tools' turns alternate with the model's there."""
    said: list[Row] = []
    for m in sample.messages:
        if m.tool_calls:
            said.append({"from": "function_call", "value": _call_text(m)})
        else:
            said.append({"from": _SHAREGPT[m.role], "value": m.content})
    turns_alone = said[1:] if said and said[0]["from"] == "system" else said
    if any(turn["from"] not in _TURNS[i % 2] for i, turn in enumerate(turns_alone)) or len(turns_alone) % 2:
        raise CannotHold("turns of users and tools that do not alternate with the model's")
    row: Row = {"id": sample.id, "conversations": said}
    if sample.tools:
        if any(set(tool) != {"type", "function"} or tool["type"] != "function" for tool in sample.tools):
            raise CannotHold("tools that are no functions")
        row["tools"] = json.dumps([tool["function"] for tool in sample.tools], ensure_ascii=False)
    return [row | origin(sample)]


def _call_text(message: Message) -> str:
    if len(message.tool_calls) > 1:
        raise CannotHold("several tool calls in one turn")
    if message.content:
        raise CannotHold("text beside a tool call")
    function = message.tool_calls[0]["function"]
    try:
        arguments = json.loads(function["arguments"])
    except ValueError as error:
        raise CannotHold("tool calls whose arguments are no JSON") from error
    return json.dumps({"name": function["name"], "arguments": arguments}, ensure_ascii=False)


def _from_sharegpt(rows: Sequence[Mapping[str, Any]]) -> Parts:
    row = rows[0]
    messages: list[Message] = []
    if row.get("system") is not None:
        messages.append(Message(role="system", content=row["system"]))
    calls: list[Row] = []
    for turn in row["conversations"]:
        value = turn["value"]
        if turn["from"] == "function_call":
            calls = _calls(json.loads(value), sum(len(m.tool_calls) for m in messages))
            messages.append(Message(role="assistant", content="", tool_calls=tuple(calls)))
        elif _FROM_SHAREGPT[turn["from"]] == "tool":
            answered = calls.pop(0) if calls else None
            known = {"tool_call_id": answered["id"], "name": answered["function"]["name"]} if answered else {}
            messages.append(Message(role="tool", content=value, **known))
        else:
            messages.append(Message.model_validate({"role": _FROM_SHAREGPT[turn["from"]], "content": value}))
    return Parts(assistant_last(tuple(messages)), tools_of(row.get("tools")))


def _calls(value: Any, before: int) -> list[Row]:
    found: list[Row] = []
    for one in value if isinstance(value, list) else [value]:
        arguments = one["arguments"]
        text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        name = one["name"]
        if not isinstance(name, str):
            raise TypeError("the name of a called function must be text")
        number = before + len(found) + 1  # ShareGPT has no ids of calls
        found.append({"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": text}})
    return found


def _sharegpt_features(tools: bool) -> list[Row]:
    return [string("id"), turns("conversations", "from", "value"), *([string("tools")] if tools else []), *ORIGIN]


MESSAGES = Format(
    "messages",
    "sft",
    "jsonl",
    _to_messages,
    _from_messages,
    _messages_features,
    "OpenAI chat messages: `messages` is a list of `role` and `content`; `tools`, `tool_calls` and replies of tools "
    "where there are any.",
)
ALPACA = Format(
    "alpaca",
    "sft",
    "jsonl",
    _to_alpaca,
    _from_alpaca,
    _alpaca_features,
    "Alpaca: `instruction`, `input`, `output`; `system` and `history` (pairs of earlier turns, as LLaMA-Factory "
    "reads them) only in rows that have them.",
)
SHAREGPT = Format(
    "sharegpt",
    "sft",
    "jsonl",
    _to_sharegpt,
    _from_sharegpt,
    _sharegpt_features,
    "ShareGPT: `conversations` is a list of `from` (`human`, `gpt`, `system`, `function_call`, `observation`) and "
    "`value`; `tools` as JSON text where there are any.",
)
PARQUET = Format(
    "parquet",
    "sft",
    "parquet",
    _to_columns,
    _from_messages,
    _columns_features,
    "Parquet: `messages` is a list of `role` and `content`; `tools` as JSON text where there are any.",
)
DATASETS = Format(
    "datasets",
    "sft",
    "parquet",
    _to_columns,
    _from_messages,
    _columns_features,
    "A folder as the Hugging Face hub has it, Parquet by split: `messages` is a list of `role` and `content`; "
    "`tools` as JSON text where there are any.",
    folders=True,
)
