"""The texts of a row of training data, in any known form: where each stands, and how to put others there.

One row is one record, whatever it holds, so that a row can be kept, rejected or changed as a whole and all that
datagen does not know about it stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]
Kind = Literal["message", "rejected", "source", "other"]
Path = tuple[str | int, ...]

_ASKED = ("instruction", "prompt", "question", "query", "problem", "input")
_REPLIES = ("output", "completion", "response", "answer", "solution")
_BESIDE = ("text", "content", "messages", "conversations", "system", "system_prompt", "chosen", "rejected", "responses",
           "reasoning", "evidence")  # fmt: skip
_THOUGHTS = ("reasoning_content", "reasoning", "thinking")
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
        role: who says it; what a model is to write is the assistant's, as a plain text.
        kind: ``message`` of the conversation, ``rejected`` reply, ``source`` passage, or any ``other`` text
            (further replies, arguments of tool calls, a passage beside the first, what repeats the conversation).
        text: what stands there.
    """

    path: Path
    role: Role
    kind: Kind
    text: str


def slots(row: Mapping[str, Any], fields: Sequence[str] = ()) -> list[Slot]:
    """The texts of a row, the conversation in its order.

    Args:
        row: of any form that datagen exports, a question and a reply by any of their usual names,
            ``{"passage", "pairs" | "tasks"}``, ``{"text"}`` or ``{"content"}``. What else is text by its name, as a
            ``prompt`` beside ``messages``, is a further text of it.
        fields: names of the fields that hold its texts instead; the last is the assistant's.

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
    """A copy of the row with other texts at these places; what is not on the way to them is shared."""
    changed = dict(row)
    own: set[Path] = set()
    for path, text in texts.items():
        place: Any = changed
        for depth, step in enumerate(path[:-1], 1):
            if path[:depth] not in own:
                own.add(path[:depth])
                place[step] = place[step].copy()
            place = place[step]
        place[path[-1]] = text
    return changed


def _named(row: Mapping[str, Any], fields: Sequence[str]) -> Iterator[Slot]:
    for name in dict.fromkeys(fields):
        role: Role = "assistant" if name == fields[-1] else "user"
        if isinstance(row.get(name), str):
            yield Slot((name,), role, "message", row[name])
        else:
            yield from _said(row.get(name), (name,), role)


def _known(row: Mapping[str, Any]) -> Iterator[Slot]:
    """By its fields, the first form that fits; then what else of the row is text by its name."""
    seen: set[str | int] = set()
    for slot in _form(row):
        seen.add(slot.path[0])
        yield slot
    for name in (*_ASKED, *_REPLIES, *_BESIDE):
        if name not in seen:
            for slot in _said(row.get(name), (name,), "assistant" if name in _REPLIES else "user"):
                if slot.text:
                    yield Slot(slot.path, slot.role, "other", slot.text)


def _form(row: Mapping[str, Any]) -> Iterator[Slot]:
    yield from _sources(row)
    if "chosen" in row and "rejected" in row:
        yield from _asked(row)
        yield from _said(row["chosen"], ("chosen",), "assistant")
        yield from _rejected(row["rejected"])
    elif isinstance(row.get("messages"), list):
        yield from _system(row)
        yield from _said(row["messages"], ("messages",), "user")
    elif isinstance(row.get("conversations"), list):
        yield from _system(row)
        yield from _said(row["conversations"], ("conversations",), "user")
    elif isinstance(row.get("prompt"), dict):
        yield from _tree(row["prompt"], ("prompt",), 0)
    elif any(name in row for name in _ASKED):
        yield from _asked(row)
        for name in _REPLIES:
            yield from _said(row.get(name), (name,), "assistant")
        yield from _ranked(row.get("responses"))
    elif isinstance(row.get("pairs"), list):
        yield from _each(row["pairs"], "pairs", ("question", "answer", "evidence"))
    elif isinstance(row.get("tasks"), list):
        yield from _each(row["tasks"], "tasks", ("instruction", "input", "output", "evidence"))
    else:
        yield from _text(row, "text" if "text" in row else "content", "assistant")


def _asked(row: Mapping[str, Any]) -> Iterator[Slot]:
    """What is said before the reply: the system prompt, earlier turns, and the question by any of its names."""
    yield from _system(row)
    history = row.get("history")
    for i, turn in enumerate(history if isinstance(history, list) else ()):
        for j, text in enumerate(turn if isinstance(turn, list) else ()):
            if isinstance(text, str):
                yield Slot(("history", i, j), "assistant" if j else "user", "message", text)
    for name in _ASKED:
        if row.get(name) != "":
            yield from _said(row.get(name), (name,), "user")


def _system(row: Mapping[str, Any]) -> Iterator[Slot]:
    for name in ("system", "system_prompt"):
        yield from _text(row, name, "system")


def _sources(row: Mapping[str, Any]) -> Iterator[Slot]:
    """What a question is about; where that is several texts, the first of them."""
    kind: Kind = "source"
    for name in ("passage", "context"):
        for path, text in _leaves(row.get(name), (name,)):
            if text:
                yield Slot(path, "user", kind, text)
                kind = "other"


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """All texts in a value, however deep, in order."""
    waiting: list[tuple[Path, Any]] = [(path, value)]
    while waiting:
        at, held = waiting.pop()
        if isinstance(held, str):
            yield at, held
        elif isinstance(held, dict):
            waiting += [((*at, name), held[name]) for name in reversed(held)]
        elif isinstance(held, list):
            waiting += [((*at, i), held[i]) for i in range(len(held) - 1, -1, -1)]


def _text(row: Mapping[str, Any], name: str, role: Role, kind: Kind = "message", before: Path = ()) -> Iterator[Slot]:
    if isinstance(row.get(name), str) and row[name]:
        yield Slot((*before, name), role, kind, row[name])


def _said(value: Any, path: Path, role: Role) -> Iterator[Slot]:
    """A text, or a list of texts or of messages in OpenAI's or ShareGPT's form."""
    if isinstance(value, str):
        yield Slot(path, role, "message", value)
    elif isinstance(value, list):
        for i, message in enumerate(value):
            if isinstance(message, dict):
                yield from _message(message, (*path, i))
            elif isinstance(message, str):
                yield Slot((*path, i), role, "message", message)


def _message(message: Mapping[str, Any], path: Path) -> Iterator[Slot]:
    role = _ROLES.get(str(message.get("role") or message.get("from") or ""), "user")
    for name in _THOUGHTS:
        yield from _text(message, name, role, before=path)
    for name in ("content", "value"):
        content = message.get(name)
        if isinstance(content, str):
            yield Slot((*path, name), role, "message", content)
        for i, part in enumerate(content if isinstance(content, list) else ()):
            if isinstance(part, str):
                yield Slot((*path, name, i), role, "message", part)
            elif isinstance(part, dict):
                for field in ("text", *_THOUGHTS):
                    yield from _text(part, field, role, before=(*path, name, i))
    calls = message.get("tool_calls")
    for i, call in enumerate(calls if isinstance(calls, list) else ()):
        if isinstance(call, dict):
            yield from _arguments(call.get("function"), (*path, "tool_calls", i, "function"), role)
    yield from _arguments(message.get("function_call"), (*path, "function_call"), role)


def _arguments(function: Any, path: Path, role: Role) -> Iterator[Slot]:
    """Of a call: JSON in a text, or an object."""
    if isinstance(function, dict):
        for at, text in _leaves(function.get("arguments"), (*path, "arguments")):
            yield Slot(at, role, "other", text)


def _rejected(value: Any) -> Iterator[Slot]:
    """The last text is the rejected reply; what stands before it repeats the conversation."""
    found = list(_said(value, ("rejected",), "assistant"))
    for i, slot in enumerate(found):
        yield Slot(slot.path, slot.role, "rejected" if i == len(found) - 1 else "other", slot.text)


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
