"""What a row of some format says: messages of a conversation, whoever wrote the file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Messages = tuple[dict[str, str], ...]
ROLES = ("system", "user", "assistant")
_FROM = {
    "system": "system", "developer": "system", "human": "user", "user": "user", "prompter": "user",
    "gpt": "assistant", "chatgpt": "assistant", "bing": "assistant", "bard": "assistant", "model": "assistant",
    "assistant": "assistant",
}  # fmt: skip
"""Names of speakers in rows of others, ShareGPT's first of all, and the role each one is."""
SHAPES = (
    "A row needs messages (role, content), or prompt and completion, or instruction and output, or conversations "
    "(from, value)."
)


class BadRow(Exception):
    """A row that cannot be used.

    Attributes:
        what: the fault, to go on after "line 7,".
        why: what a row must be, one sentence.
    """

    def __init__(self, what: str, why: str = SHAPES) -> None:
        super().__init__(what)
        self.what, self.why = what, why


class Tools(BadRow):
    """A row with calls of tools: nothing is wrong with it, but only texts are trained."""

    def __init__(self) -> None:
        super().__init__("it has calls of tools", "Calls of tools are not trained: a row must hold texts alone.")


def conversation(row: Mapping[str, Any]) -> Messages:
    """The messages of a row for supervised fine-tuning.

    Formats: OpenAI's ``messages``; TRL's ``prompt`` and ``completion`` (texts or messages); Stanford Alpaca's
    ``instruction``, ``input`` and ``output``, with LLaMA-Factory's ``system`` and ``history``; ShareGPT's
    ``conversations``. Raises :class:`BadRow`.
    """
    if row.get("tools"):
        raise Tools
    if row.get("messages") is not None:
        found = turns(row["messages"], "messages")
    elif row.get("conversations") is not None:
        found = _system(row) + turns(row["conversations"], "conversations")
    elif "completion" in row and "prompt" in row:
        found = said(row["prompt"], "user", "prompt") + said(row["completion"], "assistant", "completion")
    elif "instruction" in row and "output" in row:
        found = alpaca_prompt(row) + said(row["output"], "assistant", "output")
    else:
        raise BadRow("it is of no known format", SHAPES)
    check(found, last="assistant")
    return found


def alpaca_prompt(row: Mapping[str, Any]) -> Messages:
    """System message, earlier turns and the instruction with its input after it (Stanford Alpaca's prompt)."""
    found = list(_system(row))
    history = row.get("history") or ()
    if not isinstance(history, (list, tuple)):
        raise BadRow("history is no list", "history is a list of [question, answer].")
    for turn in history:
        if not isinstance(turn, (list, tuple)) or len(turn) != 2:
            raise BadRow("a turn of history is no pair", "history is a list of [question, answer].")
        found += [message("user", turn[0], "history"), message("assistant", turn[1], "history")]
    told = [text(row["instruction"], "instruction"), text_or_empty(row, "input")]
    found.append(message("user", "\n".join(part for part in told if part), "instruction"))
    return tuple(found)


def _system(row: Mapping[str, Any]) -> Messages:
    return (message("system", row["system"], "system"),) if row.get("system") else ()


def said(value: Any, role: str, name: str) -> Messages:
    """Messages, or a plain text as one message of ``role``. Raises :class:`BadRow`."""
    return (message(role, value, name),) if isinstance(value, str) else turns(value, name)


def turns(value: Any, name: str) -> Messages:
    """A list of ``role`` and ``content``, or of ``from`` and ``value``. Raises :class:`BadRow`."""
    if not isinstance(value, (list, tuple)) or not value:
        raise BadRow(f"{name} is no list of turns", SHAPES)
    return tuple(_turn(turn, f"{name}[{i}]") for i, turn in enumerate(value))


def _turn(turn: Any, name: str) -> dict[str, str]:
    if not isinstance(turn, Mapping):
        raise BadRow(f"{name} is {kind(turn)}", "A turn is an object of role and content.")
    role = turn.get("role", turn.get("from"))
    if role in ("tool", "function", "observation", "function_call", "ipython") or turn.get("tool_calls"):
        raise Tools
    if not isinstance(role, str) or role not in _FROM:
        shown = repr(role)[:40] if isinstance(role, str) else kind(role)
        raise BadRow(f"the role of {name} is {shown}", "A role is system, user or assistant.")
    content = turn.get("content", turn.get("value"))
    if isinstance(content, (list, tuple)):
        content = _parts(content, name)
    return message(_FROM[role], content, name)


def _parts(parts: list[Any] | tuple[Any, ...], name: str) -> str:
    """OpenAI's content in parts, all of them text."""
    found = []
    for part in parts:
        if not isinstance(part, Mapping) or part.get("type") != "text":
            raise BadRow(f"{name} holds something other than text", "Content is a text, or parts of type text.")
        found.append(text(part.get("text"), name))
    return "".join(found)


def message(role: str, content: Any, name: str) -> dict[str, str]:
    """One message; the text must be text. Raises :class:`BadRow`."""
    return {"role": role, "content": text(content, name)}


def check(messages: Messages, *, last: str) -> None:
    """Whether turns can be trained on.

    Raises:
        BadRow: a system message that is not first, no turn of the user before the first reply, a last turn that
            is not by ``last``, or a turn of the user or the assistant that says nothing.
    """
    roles = [m["role"] for m in messages]
    if "system" in roles[1:]:
        raise BadRow("a system message is not the first", "Only the first message may be of the system.")
    if not roles or roles[-1] != last:
        end = f"by the {roles[-1]}" if roles else "missing"
        raise BadRow(f"the last turn is {end}", f"The last turn must be by the {last}.")
    if "user" not in roles or ("assistant" in roles and roles.index("assistant") < roles.index("user")):
        raise BadRow("the assistant speaks before any user", "The user must speak before the assistant does.")
    for i, m in enumerate(messages):
        if m["role"] != "system" and not m["content"].strip():
            raise BadRow(f"turn {i + 1} (of the {m['role']}) is empty", "A turn must say something.")


def text(value: Any, name: str) -> str:
    """A text that can be written as UTF-8. Raises :class:`BadRow`."""
    if not isinstance(value, str):
        raise BadRow(f"{name} is {kind(value)} where text should be", "Texts are JSON strings.")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise BadRow(
                f"{name} holds half a character (a lone surrogate, \\u{ord(value[error.start]):04x})",
                "Such a text cannot be written as UTF-8; whatever cut the text cut through a character.",
            ) from None
    return value


def text_or_empty(row: Mapping[str, Any], name: str) -> str:
    """A field that may be missing or null. Raises :class:`BadRow`."""
    value = row.get(name)
    return "" if value is None else text(value, name)


def kind(value: Any) -> str:
    """What a JSON value is, in words."""
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "a text"
    return "a list" if isinstance(value, (list, tuple)) else "an object"
