"""The texts of a row of training data, in any known form: where each stands, and how to put others there.

One row is one record, whatever it holds, so that a row can be kept, rejected or changed as a whole and all that
datagen does not know about it stays as it is.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]
Kind = Literal["message", "rejected", "source", "other"]
Path = tuple[str | int, ...]

MAX_SLOTS = 10_000
MAX_DEPTH = 200
_ROLES: dict[str, Role] = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user", "prompter": "user",
    "assistant": "assistant", "gpt": "assistant", "model": "assistant", "chatgpt": "assistant", "bot": "assistant",
    "function_call": "assistant",
    "tool": "tool", "function": "tool", "observation": "tool", "ipython": "tool",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Slot:
    """A text of a row.

    Attributes:
        path: keys and positions that lead to it.
        role: who says it.
        kind: ``message`` of the conversation, ``rejected`` reply, ``source`` passage, or any ``other`` text
            (further replies, arguments of tool calls).
        text: what stands there.
    """

    path: Path
    role: Role
    kind: Kind
    text: str


def slots(row: Mapping[str, Any], fields: Sequence[str] = ()) -> list[Slot]:
    """The texts of a row, the conversation in its order.

    Args:
        row: of any form that datagen exports, ``{"question", "answer"}``, ``{"prompt", "completion"}``,
            ``{"passage", "pairs" | "tasks"}`` or ``{"text"}``.
        fields: names of the fields that hold its texts instead; the last of several is the assistant's.

    Raises:
        ValueError: it is of no known form, or too large for one row.
    """
    found: list[Slot] = []
    for slot in _named(row, fields) if fields else _known(row):
        found.append(slot)
        if len(found) > MAX_SLOTS:
            raise ValueError(f"it holds over {MAX_SLOTS:,} texts")
    if not any(slot.kind == "message" for slot in found):
        names = ", ".join(sorted(str(name)[:40] for name in row)[:8])
        raise ValueError(f"it holds no text in a place that is known; its fields are {names or 'none'}")
    return found


def with_texts(row: Mapping[str, Any], texts: Mapping[Path, str]) -> dict[str, Any]:
    """A copy of the row with other texts at these places."""
    changed = copy.deepcopy(dict(row))
    for path, text in texts.items():
        place: Any = changed
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = text
    return changed


def _named(row: Mapping[str, Any], fields: Sequence[str]) -> Iterator[Slot]:
    held = [name for name in fields if isinstance(row.get(name), str)]
    for name in held:
        last = name == fields[-1] and len(fields) > 1
        yield Slot((name,), "assistant" if last else "user", "message", row[name])


def _known(row: Mapping[str, Any]) -> Iterator[Slot]:
    """By its fields; the first form that fits."""
    for name in ("passage", "context"):
        yield from _text(row, name, "user", "source")
    if "chosen" in row and "rejected" in row:
        yield from _said(row.get("prompt"), ("prompt",), "user")
        yield from _said(row["chosen"], ("chosen",), "assistant")
        yield from _rejected(row["rejected"])
    elif isinstance(row.get("messages"), list):
        yield from _said(row["messages"], ("messages",), "user")
    elif isinstance(row.get("conversations"), list):
        yield from _text(row, "system", "system")
        yield from _said(row["conversations"], ("conversations",), "user")
    elif "instruction" in row and "output" in row:
        yield from _alpaca(row, ())
    elif isinstance(row.get("prompt"), dict):
        yield from _tree(row["prompt"], ("prompt",), 0)
    elif "prompt" in row:
        yield from _said(row["prompt"], ("prompt",), "user")
        yield from _said(row.get("completion"), ("completion",), "assistant")
        yield from _ranked(row.get("responses"))
    elif isinstance(row.get("pairs"), list):
        yield from _each(row["pairs"], "pairs", ("question", "answer", "evidence"))
    elif isinstance(row.get("tasks"), list):
        yield from _each(row["tasks"], "tasks", ("instruction", "input", "output", "evidence"))
    elif "question" in row:
        yield from _text(row, "question", "user")
        yield from _text(row, "answer", "assistant")
    else:
        yield from _text(row, "text", "user")


def _text(row: Mapping[str, Any], name: str, role: Role, kind: Kind = "message", before: Path = ()) -> Iterator[Slot]:
    if isinstance(row.get(name), str) and row[name]:
        yield Slot((*before, name), role, kind, row[name])


def _said(value: Any, path: Path, role: Role) -> Iterator[Slot]:
    """A text, or a list of messages in OpenAI's or ShareGPT's form."""
    if isinstance(value, str):
        yield Slot(path, role, "message", value)
    elif isinstance(value, list):
        for i, message in enumerate(value):
            if isinstance(message, dict):
                yield from _message(message, (*path, i))


def _message(message: Mapping[str, Any], path: Path) -> Iterator[Slot]:
    role = _ROLES.get(str(message.get("role") or message.get("from") or ""), "user")
    name = "content" if "content" in message else "value"
    content = message.get(name)
    if isinstance(content, str):
        yield Slot((*path, name), role, "message", content)
    elif isinstance(content, list):
        for i, part in enumerate(content):
            if isinstance(part, dict) and isinstance(part.get("text"), str):
                yield Slot((*path, name, i, "text"), role, "message", part["text"])
    calls = message.get("tool_calls")
    for i, call in enumerate(calls if isinstance(calls, list) else ()):
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict) and isinstance(function.get("arguments"), str):
            yield Slot((*path, "tool_calls", i, "function", "arguments"), role, "other", function["arguments"])


def _rejected(value: Any) -> Iterator[Slot]:
    """The last text is the rejected reply; what stands before it repeats the conversation."""
    found = list(_said(value, ("rejected",), "assistant"))
    for i, slot in enumerate(found):
        yield Slot(slot.path, slot.role, "rejected" if i == len(found) - 1 else "other", slot.text)


def _alpaca(row: Mapping[str, Any], before: Path) -> Iterator[Slot]:
    yield from _text(row, "system", "system", before=before)
    history = row.get("history")
    for i, turn in enumerate(history if isinstance(history, list) else ()):
        for j, text in enumerate(turn if isinstance(turn, list) else ()):
            if isinstance(text, str):
                yield Slot((*before, "history", i, j), "assistant" if j else "user", "message", text)
    yield from _text(row, "instruction", "user", before=before)
    yield from _text(row, "input", "user", before=before)
    yield from _text(row, "output", "assistant", before=before)


def _ranked(value: Any) -> Iterator[Slot]:
    for i, reply in enumerate(value if isinstance(value, list) else ()):
        kind: Kind = "other" if i else "message"
        if isinstance(reply, str):
            yield Slot(("responses", i), "assistant", kind, reply)
        elif isinstance(reply, dict):
            for name in ("content", "text", "response"):
                yield from _text(reply, name, "assistant", kind, ("responses", i))


def _each(rows: Sequence[Any], name: str, fields: Sequence[str]) -> Iterator[Slot]:
    for i, row in enumerate(rows):
        for field in fields if isinstance(row, dict) else ():
            role: Role = "assistant" if field in ("answer", "output") else "user"
            yield from _text(row, field, role, "other" if field == "evidence" else "message", (name, i))


def _tree(node: Mapping[str, Any], path: Path, depth: int) -> Iterator[Slot]:
    """A tree of messages in the form of Open Assistant: every branch, depth first."""
    if depth > MAX_DEPTH:
        raise ValueError(f"it is nested over {MAX_DEPTH} replies deep")
    role = _ROLES.get(str(node.get("role", "")), "user")
    yield from _text(node, "text", role, before=path)
    replies = node.get("replies")
    for i, reply in enumerate(replies if isinstance(replies, list) else ()):
        if isinstance(reply, dict):
            yield from _tree(reply, (*path, "replies", i), depth + 1)
