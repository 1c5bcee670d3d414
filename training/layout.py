"""Where in a rendered conversation the assistant's own text stands: what the model must write itself, and stops with.

A chat template with ``{% generation %}`` says so. For any other it is found out, not guessed: every message gets one
unassigned character behind its text, the template renders that, and the characters show where each message ends.
What the template writes between a prompt and a reply is known from a rendering that asks for a reply; what it writes
behind a reply, up to the first control token, is the end of the turn. Without the characters the text must be exactly
what the template renders without them. The template itself is never edited.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from training.rows_formats import Messages

_MARK = 0xF0000  # the private use planes 15 and 16: no text uses more than a few of their characters
_MARKS = 0x110000 - _MARK
_PRIVATE = re.compile("[\U000f0000-\U0010ffff]")
_HAS_MARKS = re.compile(r"\{%-?\s*generation\s*-?%\}")
_DATE: dict[str, Any] = {"date_string": "26 Jul 2024"}
"""Llama 3's templates write today's date unless they are given one: this is the one they fall back on themselves, so
that the same rows give the same tokens on every day."""
_BLOCK = re.compile(r"<[^<>]*>|thought|think")
_USER, _REPLY, _NEXT, _SYSTEM = "alpha", "bravo", "charlie", "delta"


class NoLayout(Exception):
    """Why a template's replies cannot be found, one sentence."""


@dataclass(frozen=True)
class Layout:
    """How a tokenizer's template frames a reply.

    Attributes:
        marked: the template marks replies with ``{% generation %}``.
        folded: it refuses or drops a system message, which then goes before the first user's text.
        end: the text that ends a reply, a control token with any space before it.
        end_id: that control token; ``end_ids`` are it and what may stand for it in the middle of a conversation.
        heads: what may stand between the end of the message before a reply and the reply, by the role of that
            message, the longest first.
        stable: a reply is rendered alike in the middle and at the end of a conversation.
    """

    marked: bool
    folded: bool
    end: str
    end_id: int
    end_ids: frozenset[int]
    heads: dict[str, tuple[str, ...]]
    stable: bool


@dataclass(frozen=True)
class Rendered:
    """A conversation as text. ``spans`` are the replies with their end: (start, end) in characters."""

    text: str
    spans: tuple[tuple[int, int], ...]


def find(tokenizer: Any) -> Layout:
    """The layout of a tokenizer's template. Raises :class:`NoLayout`."""
    folded = _folds(tokenizer)
    if _HAS_MARKS.search(tokenizer.chat_template) and (marked := _marked(tokenizer, folded)):
        return marked
    end, end_id = _end(tokenizer)
    heads, stable = _heads(tokenizer)
    layout = Layout(False, folded, end, end_id, frozenset({end_id}), heads, stable)
    found = render([_talk(_USER, _REPLY, _NEXT, _REPLY)], tokenizer, layout)[0]
    if isinstance(found, str):
        raise NoLayout(found)
    return layout


def render(conversations: Sequence[Messages], tokenizer: Any, layout: Layout) -> list[Rendered | str]:
    """Conversations as text with the places of the replies, or for one that cannot be rendered the reason.

    One that the template refuses costs its batch a second rendering, one by one.
    """
    folded = [fold(messages) if layout.folded else messages for messages in conversations]
    try:
        if layout.marked:
            return _by_marks(folded, tokenizer)
        return _by_ends(folded, tokenizer, layout)
    except NoLayout as error:
        if len(folded) == 1:
            return [str(error)]
    return [render([messages], tokenizer, layout)[0] for messages in conversations]


def fold(messages: Messages) -> Messages:
    """The system message before the first user's text, as Gemma 3's own template has it."""
    if not messages or messages[0]["role"] != "system":
        return messages
    rest = [dict(m) for m in messages[1:]]
    for m in rest:
        if m["role"] == "user":
            m["content"] = "\n\n".join(part for part in (messages[0]["content"], m["content"]) if part)
            break
    return tuple(rest)


def write(conversations: Sequence[Messages], tokenizer: Any, *, ask: bool = False) -> list[str]:
    """What the template makes of conversations, with the start of a reply at the end if ``ask``.

    Raises:
        NoLayout: the template refuses one of them.
    """
    try:
        found = tokenizer.apply_chat_template(
            [list(messages) for messages in conversations], tokenize=False, add_generation_prompt=ask, **_DATE
        )
    except Exception as error:  # a template is a program of others, which may raise anything
        raise NoLayout(f"The chat template refuses it ({_short(error)}).") from error
    return list(found)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def _by_marks(conversations: Sequence[Messages], tokenizer: Any) -> list[Rendered | str]:
    from transformers.utils.chat_template_utils import render_jinja_template

    try:
        made: Any = render_jinja_template(
            conversations=[list(messages) for messages in conversations],
            chat_template=tokenizer.chat_template,
            return_assistant_tokens_mask=True,
            **tokenizer.special_tokens_map,
            **_DATE,
        )
    except Exception as error:  # a template is a program of others, which may raise anything
        raise NoLayout(f"The chat template refuses it ({_short(error)}).") from error
    texts, places = made
    return [
        Rendered(text, tuple(spans)) if spans else "The chat template marks no reply."
        for text, spans in zip(texts, places, strict=True)
    ]


def _by_ends(conversations: Sequence[Messages], tokenizer: Any, layout: Layout) -> list[Rendered | str]:
    bases = [_base(messages) for messages in conversations]
    with_ends = [_with_ends(m, base) for m, base in zip(conversations, bases, strict=True)]
    plain = write(conversations, tokenizer)
    ended = write(with_ends, tokenizer)
    return [
        _place(messages, base, text, other, layout)
        for messages, base, text, other in zip(conversations, bases, plain, ended, strict=True)
    ]


def _base(messages: Messages) -> int:
    """The first of as many private characters as there are messages, none of which is in any of their texts."""
    used = {
        ord(char)
        for m in messages
        if not m["content"].isascii()
        for char in _private(m["content"])
    }  # fmt: skip
    base = _MARK
    for code in sorted(used):
        if code - base >= len(messages):
            break
        base = code + 1
    if base + len(messages) > _MARK + _MARKS:
        raise NoLayout("It has too many turns.")
    return base


def _private(text: str) -> list[str]:
    return _PRIVATE.findall(text)


def _with_ends(messages: Messages, base: int) -> Messages:
    """Each text with its character behind it, but before space at its end, which some templates strip."""
    found = []
    for i, m in enumerate(messages):
        content = m["content"]
        core = len(content.rstrip())
        found.append({**m, "content": content[:core] + chr(base + i) + content[core:]})
    return tuple(found)


def _place(messages: Messages, base: int, text: str, ended: str, layout: Layout) -> Rendered | str:
    ends: dict[int, int] = {}
    pieces: list[str] = []
    at = 0
    for match in _PRIVATE.finditer(ended):
        number = ord(match[0]) - base
        if 0 <= number < len(messages):
            pieces.append(ended[at : match.start()])
            ends[number] = match.start() - len(ends)
            at = match.end()
    pieces.append(ended[at:])
    if len(pieces) != len(ends) + 1 or "".join(pieces) != text:
        return "The chat template writes a text of it otherwise than it is."
    spans = []
    for i, m in enumerate(messages):
        if m["role"] != "assistant":
            continue
        if i == 0 or i not in ends or i - 1 not in ends:
            return "The chat template leaves a turn of it out."
        start = _after(text, ends[i - 1], messages[i - 1]["content"], layout.heads.get(messages[i - 1]["role"], ()))
        end = _after(text, ends[i], m["content"], (layout.end,))
        if start is None or end is None or not start <= ends[i] < end:
            return "The chat template frames a reply of it otherwise than others."
        spans.append((start, end))
    return Rendered(text, tuple(spans))


def _after(text: str, at: int, content: str, options: Sequence[str]) -> int | None:
    """The place behind the first of ``options`` that follows a message, with or without the space at its end."""
    space = content[len(content.rstrip()) :]
    for option in options:
        for before in (space, "") if space else ("",):
            if text.startswith(before + option, at):
                return at + len(before) + len(option)
    return None


def _shared(one: str, other: str) -> str:
    """What two texts begin with."""
    length = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return one[:length]


def _talk(*texts: str) -> Messages:
    return tuple({"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts))


def _folds(tokenizer: Any) -> bool:
    """Does the template refuse a system message, or write nothing of it?"""
    talk = _talk(_USER, _REPLY)
    plain = write([talk], tokenizer)[0]
    if _USER not in plain or _REPLY not in plain:
        raise NoLayout("The chat template leaves the texts of a conversation out.")
    try:
        return _SYSTEM not in write([({"role": "system", "content": _SYSTEM}, *talk)], tokenizer)[0]
    except NoLayout:
        return True


def _end(tokenizer: Any) -> tuple[str, int]:
    """What ends a reply in the middle and at the end of a conversation: up to the first control token."""
    last = write([_talk(_USER, _REPLY)], tokenizer)[0].partition(_REPLY)[2]
    middle = write([_talk(_USER, _REPLY, _NEXT)], tokenizer)[0].partition(_REPLY)[2].partition(_NEXT)[0]
    common = _shared(last, middle)
    found = _first_token(common, tokenizer)
    if found is None:
        raise NoLayout("The chat template ends a reply with no control token, so a model would not learn to stop.")
    return found


def _heads(tokenizer: Any) -> tuple[dict[str, tuple[str, ...]], bool]:
    """What stands between a message and the reply to it, by its role, and whether that is everywhere the same."""
    heads: dict[str, set[str]] = {"user": set(), "assistant": set()}
    stable = True
    asked = [_talk(_USER), _talk(_USER, _REPLY, _NEXT), _talk(_USER, _REPLY)]
    for messages in asked:
        role, text = messages[-1]["role"], messages[-1]["content"]
        reply = ({"role": "assistant", "content": "\uf8ff"}, {"role": "user", "content": _SYSTEM})
        try:
            head = write([messages], tokenizer, ask=True)[0].rpartition(text)[2]
            written = [write([(*messages, *reply[:n])], tokenizer)[0].partition("\uf8ff")[0] for n in (1, 2)]
            between = [one.rpartition(text)[2] for one in written]
            found = {_head(head, real) for real in between}
        except NoLayout:
            if role == "assistant":
                continue  # a template that wants turns to alternate, or joins two replies in a row
            raise
        stable = stable and between[0] == between[1]
        heads[role] |= {head, *found}
    return {role: tuple(sorted(some, key=len, reverse=True)) for role, some in heads.items()}, stable


def _head(asked: str, real: str) -> str:
    """What the start of a reply shares where it is asked for and where it is written."""
    shared = _shared(asked, real)
    left = asked[len(shared) :]
    if left and ("th" not in left or _BLOCK.sub("", left).strip()):  # the beginning of thoughts may differ
        raise NoLayout("The chat template asks for a reply otherwise than it writes one.")
    return shared


def _marked(tokenizer: Any, folded: bool) -> Layout | None:
    """The layout that the template's marks give, if each reply is marked with the end of its turn inside."""
    layout = Layout(True, folded, "", -1, frozenset(), {}, True)
    found = render([_talk(_USER, _REPLY, _NEXT, _REPLY)], tokenizer, layout)[0]
    if isinstance(found, str) or len(found.spans) != 2:
        return None
    ends = []
    for start, stop in found.spans:
        before, reply, after = found.text[start:stop].partition(_REPLY)
        token = _first_token(after, tokenizer)
        if not reply or token is None or _USER in before or _NEXT in before:
            return None
        ends.append(token)
    end, end_id = ends[-1]
    return Layout(True, folded, end, end_id, frozenset(number for _, number in ends), {}, True)


def _first_token(text: str, tokenizer: Any) -> tuple[str, int] | None:
    """The text up to its first control token, space alone, with that token, and its number."""
    tokens = {str(token): number for number, token in tokenizer.added_tokens_decoder.items()}
    places = ((text.find(token), -len(token), token) for token in tokens if token and token in text)
    found = min(places, default=None)
    if found is None or text[: found[0]].strip():
        return None
    return text[: found[0] + len(found[2])], tokens[found[2]]
