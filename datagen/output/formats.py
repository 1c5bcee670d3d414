"""The formats of exported rows, each with its way there and back.

To add one: two functions and a line in :data:`FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from datagen.core.errors import UsageError
from datagen.core.record import Message, Sample

Row = dict[str, Any]
Messages = tuple[Message, ...]


class CannotHold(Exception):
    """The format has no place for a conversation like this one.

    Attributes:
        reason: what it has no place for, a few words for a person.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Format:
    """A format of training rows.

    Attributes:
        name: as the user types it.
        suffix: of the files, ``"jsonl"`` or ``"parquet"``.
        to_row: a sample as a row; raises :class:`CannotHold`.
        from_row: the conversation of a row; raises KeyError or TypeError for a row of another format.
        features: the columns, in the form of the Hugging Face ``dataset_info`` block, so that a column
            that many rows leave out has a type all the same.
        about: one sentence for the dataset card.
    """

    name: str
    suffix: str
    to_row: Callable[[Sample], Row]
    from_row: Callable[[Mapping[str, Any]], Messages]
    features: list[dict[str, Any]]
    about: str


def chat(messages: Messages) -> list[Row]:
    """Messages as OpenAI's chat API takes them; ``tool_calls`` only where there are any."""
    return [
        {"role": m.role, "content": m.content, **({"tool_calls": list(m.tool_calls)} if m.tool_calls else {})}
        for m in messages
    ]


def _to_messages(sample: Sample) -> Row:
    return {"id": sample.id, "messages": chat(sample.messages)}


def _from_messages(row: Mapping[str, Any]) -> Messages:
    return tuple(
        Message(role=m["role"], content=m["content"], tool_calls=tuple(m.get("tool_calls") or ()))
        for m in row["messages"]
    )


def _to_plain_messages(sample: Sample) -> Row:
    _no_tools(sample.messages)
    return _to_messages(sample)


def _no_tools(messages: Messages) -> None:
    if any(m.tool_calls or m.role == "tool" for m in messages):
        raise CannotHold("tool calls")


def _to_alpaca(sample: Sample) -> Row:
    _no_tools(sample.messages)
    system = sample.messages[0] if sample.messages and sample.messages[0].role == "system" else None
    turns = sample.messages[1:] if system else sample.messages
    roles = [m.role for m in turns]
    if not roles or roles != ["user", "assistant"] * (len(roles) // 2):
        raise CannotHold("turns that are not user and assistant in alternation")
    row: Row = {
        "id": sample.id,
        "instruction": turns[-2].content,
        "input": "",
        "output": turns[-1].content,
    }
    if system:
        row["system"] = system.content
    if len(turns) > 2:
        row["history"] = [[turns[i].content, turns[i + 1].content] for i in range(0, len(turns) - 2, 2)]
    return row


def _from_alpaca(row: Mapping[str, Any]) -> Messages:
    messages: list[Message] = []
    if row.get("system") is not None:
        messages.append(Message(role="system", content=row["system"]))
    for question, answer in row.get("history") or ():
        messages += [Message(role="user", content=question), Message(role="assistant", content=answer)]
    # The Stanford Alpaca prompt puts the input after the instruction.
    instruction = "\n".join(part for part in (row["instruction"], row.get("input")) if part)
    messages += [Message(role="user", content=instruction), Message(role="assistant", content=row["output"])]
    return tuple(messages)


_SHAREGPT = {"system": "system", "user": "human", "assistant": "gpt"}
_FROM_SHAREGPT = {"system": "system", "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant"}


def _to_sharegpt(sample: Sample) -> Row:
    _no_tools(sample.messages)
    turns = [{"from": _SHAREGPT[m.role], "value": m.content} for m in sample.messages]
    return {"id": sample.id, "conversations": turns}


def _from_sharegpt(row: Mapping[str, Any]) -> Messages:
    return tuple(
        Message.model_validate({"role": _FROM_SHAREGPT[turn["from"]], "content": turn["value"]})
        for turn in row["conversations"]
    )


def _string(name: str) -> Row:
    return {"name": name, "dtype": "string"}


def _turns(name: str, *parts: str) -> Row:
    return {"name": name, "list": [_string(part) for part in parts]}


CHAT_FEATURES = [_string("id"), _turns("messages", "role", "content")]
PREFERENCE_FEATURES = [
    _string("id"),
    *(_turns(name, "role", "content") for name in ("prompt", "chosen", "rejected")),
    _string("flaw"),
]

FORMATS: dict[str, Format] = {
    f.name: f
    for f in (
        Format(
            "messages",
            "jsonl",
            _to_messages,
            _from_messages,
            CHAT_FEATURES,
            "OpenAI chat messages: `messages` is a list of `role` and `content`.",
        ),
        Format(
            "alpaca",
            "jsonl",
            _to_alpaca,
            _from_alpaca,
            [
                *(_string(name) for name in ("id", "instruction", "input", "output", "system")),
                {"name": "history", "list": {"list": "string"}},
            ],
            "Alpaca: `instruction`, `input`, `output`; `system` and `history` (pairs of earlier turns, as "
            "LLaMA-Factory reads them) only in rows that have them.",
        ),
        Format(
            "sharegpt",
            "jsonl",
            _to_sharegpt,
            _from_sharegpt,
            [_string("id"), _turns("conversations", "from", "value")],
            "ShareGPT: `conversations` is a list of `from` (`human`, `gpt`, `system`) and `value`.",
        ),
        Format(
            "parquet",
            "parquet",
            _to_plain_messages,
            _from_messages,
            CHAT_FEATURES,
            "Parquet with the columns `id` and `messages`, a list of `role` and `content`.",
        ),
    )
}


def named(name: str) -> Format:
    """The format of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in FORMATS:
        raise UsageError(
            f"There is no export format {name!r}.",
            f"The formats are {', '.join(FORMATS)}.",
            f"Give one of them, as in --format {next(iter(FORMATS))}.",
        )
    return FORMATS[name]


def to_preference(sample: Sample) -> Row:
    """A sample with a rejected reply as TRL's conversational preference row, with the planted flaw beside it.

    Source: https://huggingface.co/docs/trl/dataset_formats#preference (explicit prompt).

    Raises:
        CannotHold: the sample has no rejected reply, or the conversation has tool calls.
    """
    if sample.rejected is None:
        raise CannotHold("no rejected reply")
    _no_tools(sample.messages)
    return {
        "id": sample.id,
        "prompt": chat(sample.messages[:-1]),
        "chosen": chat(sample.messages[-1:]),
        "rejected": [{"role": "assistant", "content": sample.rejected.content}],
        "flaw": sample.rejected.flaw,
    }
