"""What a format of training rows is, and the pieces that formats share."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from datagen.core.record import Candidate, Message, Sample

Row = dict[str, Any]
Messages = tuple[Message, ...]
Part = Literal["sft", "preference"]
BAD_ROW = (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError, OverflowError)
"""What reading a row of another format may raise (pydantic's ValidationError is a ValueError)."""


class CannotHold(Exception):
    """The format has no place for a conversation like this one.

    Attributes:
        reason: what it has no place for, a few words for a person.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Parts:
    """What a row holds of a sample.

    Attributes:
        messages: the conversation; the last message is the preferred reply.
        tools: definitions of tools, in the OpenAI form.
        rejected: the dispreferred reply, None where there is none; ``flaw`` names what is wrong with it.
        ranked: all replies to the prompt, best first, where the row has more than one.
    """

    messages: Messages
    tools: tuple[Row, ...] = ()
    rejected: str | None = None
    flaw: str = ""
    ranked: tuple[Candidate, ...] = ()


@dataclass(frozen=True)
class Format:
    """A format of training rows.

    Attributes:
        name: as the user types it.
        part: ``"sft"`` (a conversation) or ``"preference"`` (replies to compare).
        suffix: of the files, ``"jsonl"`` or ``"parquet"``.
        to_rows: a sample as rows, always the same number; raises :class:`CannotHold`.
        from_rows: the parts of a sample from such rows; raises one of :data:`BAD_ROW` for others.
        features: the columns, in the form of the Hugging Face ``dataset_info`` block, so that a column
            that many rows leave out has a type all the same. Takes: are there tools in some row?
        about: one sentence for the dataset card.
        folders: files are named as on the Hugging Face hub, ``sft/train-00000-of-00001.parquet``.
        rows_a_sample: rows that one sample gives.
        merged: samples that begin alike become one row, preference samples among them (a ``Forest`` does it).
    """

    name: str
    part: Part
    suffix: str
    to_rows: Callable[[Sample], list[Row]]
    from_rows: Callable[[Sequence[Mapping[str, Any]]], Parts]
    features: Callable[[bool], list[Row]]
    about: str
    folders: bool = False
    rows_a_sample: int = 1
    merged: bool = False


def string(name: str, dtype: str = "string") -> Row:
    """A column of plain values."""
    return {"name": name, "dtype": dtype}


def turns(name: str, *parts: str) -> Row:
    """A column that holds a list of objects of strings."""
    return {"name": name, "list": [string(part) for part in parts]}


ORIGIN = [string(name) for name in ("source", "recipe", "family", "metric")]
"""The columns of :func:`origin`."""


def origin(sample: Sample) -> Row:
    """What every row for supervised fine-tuning says of its origin, beside the format's own fields."""
    source = "gold" if sample.recipe == "gold" else "generated"
    return {"source": source, "recipe": sample.recipe, "family": sample.family, "metric": sample.metric}


def no_tools(sample: Sample) -> None:
    """Raises CannotHold for a conversation with tools."""
    if sample.tools or any(m.tool_calls or m.role == "tool" for m in sample.messages):
        raise CannotHold("tool calls")


def chat(messages: Messages) -> list[Row]:
    """Messages as OpenAI's chat API takes them; the fields of tools only where there are any."""
    rows: list[Row] = []
    for m in messages:
        row: Row = {"role": m.role, "content": m.content}
        if m.tool_calls:
            row["tool_calls"] = list(m.tool_calls)
        if m.tool_call_id:
            row["tool_call_id"] = m.tool_call_id
        if m.name:
            row["name"] = m.name
        rows.append(row)
    return rows


def messages_of(rows: Any) -> Messages:
    """Messages from a list of objects as OpenAI's chat API has them.

    ``content`` may be null or missing beside tool calls, or a list of text parts. Raises one of :data:`BAD_ROW`.
    """
    if not isinstance(rows, list | tuple) or not rows:
        raise ValueError("there are no messages")
    return tuple(_message(row) for row in rows)


def _message(row: Mapping[str, Any]) -> Message:
    calls = tuple(_call(call) for call in row.get("tool_calls") or ())
    content = row.get("content") if calls else row["content"]
    if isinstance(content, list):
        content = "\n".join(part["text"] for part in content)
    role = "system" if row["role"] == "developer" else row["role"]
    return Message(
        role=role,
        content=content or "" if calls else content,
        tool_calls=calls,
        tool_call_id=row.get("tool_call_id") or "",
        name=row.get("name") or "",
    )


def _call(call: Mapping[str, Any]) -> Row:
    function = call["function"]
    arguments = function["arguments"]
    if not isinstance(arguments, str):  # templates of the hub take objects, the OpenAI form is text
        arguments = json.dumps(arguments, ensure_ascii=False)
    if not isinstance(function["name"], str):
        raise TypeError("the name of a called function must be text")
    return {
        "id": call.get("id") or "",
        "type": call.get("type") or "function",
        "function": {"name": function["name"], "arguments": arguments},
    }


def tools_of(value: Any) -> tuple[Row, ...]:
    """Definitions of tools in the OpenAI form, from a list or its JSON text, wrapped or bare. Raises as above."""
    if isinstance(value, str):
        value = json.loads(value) if value.strip() else ()
    found = []
    for tool in value or ():
        wrapped = tool if "function" in tool else {"type": "function", "function": tool}
        if not isinstance(wrapped["function"]["name"], str):
            raise TypeError("the name of a tool must be text")
        found.append(dict(wrapped))
    return tuple(found)


def assistant_last(messages: Messages) -> Messages:
    """The same messages. Raises ValueError where the last one is not the assistant's."""
    if messages[-1].role != "assistant":
        raise ValueError("the last message must be the assistant's")
    return messages


def text_of(row: Mapping[str, Any], name: str, default: str | None = None) -> str:
    """A text of a row; null and missing are ``default``. Raises KeyError or TypeError."""
    value = row.get(name)
    if value is None:
        if default is None:
            raise KeyError(name)
        return default
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text")
    return value


def replies_of(sample: Sample) -> list[Candidate]:
    """All replies to the last prompt of a sample, best first: its own, its candidates, the rejected one.

    Where all have a score it decides, and the sample's own reply comes before its equals. Else candidates keep
    their order, the sample's own reply comes before and the rejected one after them, unless they are among them.
    """
    found = list(sample.ranked)
    known = {c.content for c in found}
    if (own := sample.messages[-1].content) not in known:
        found.insert(0, Candidate(content=own, score=sample.score))
    if sample.rejected is not None and sample.rejected.content not in known:
        found.append(Candidate(content=sample.rejected.content, score=sample.rejected.score))
    if all(c.score is not None for c in found):
        found.sort(key=lambda c: (-(c.score or 0.0), c.content != own))
    return found


def number_of(value: Any) -> float:
    """A finite number; JSON as Python reads it also has NaN, infinities and integers of any size.

    Raises TypeError or ValueError, or OverflowError for an integer that no float holds.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("a score or rank must be a number")
    if not math.isfinite(found := float(value)):
        raise ValueError("a score or rank must be a finite number")
    return found
