"""The ``chat`` recipe: a conversation of people, as it was, becomes one sample; no model is asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from datagen.core.names import name_key
from datagen.core.record import AnyRecord, Chunk, Message, Quote, Task, Turn
from datagen.generate.recipe import Recipe, sample_of
from datagen.llm.backend import Backend

NO_MODEL = "none (chat export)"


class Chat(Recipe):
    """Multi-turn samples of chat exports, in the words of the people who wrote.

    Args:
        me: whose messages are the assistant's. All others are the user.
    """

    name = "chat"
    asks = False

    def __init__(self, me: str) -> None:
        self.me = name_key(me)

    def fingerprint(self) -> dict[str, Any]:
        """Who the assistant is."""
        return {"me": self.me}

    def takes(self, chunk: Chunk) -> bool:
        """Conversations only."""
        return bool(chunk.turns)

    def owes(self, chunk: Chunk) -> int:
        """A conversation is one sample."""
        return 1

    async def make(self, backend: Backend | None, task: Task) -> list[AnyRecord]:
        """The sample of the task's conversation; its quotes are the messages as they stand in the transcript."""
        chunk = task.chunk
        quotes = [Quote(text=_text(chunk, turn), start=turn.start, end=turn.end) for turn in chunk.turns]
        return [sample_of(task, self.name, messages(chunk, self.me), quotes, model=NO_MODEL)]


def messages(chunk: Chunk, me: str) -> list[Message]:
    """User and assistant by turns: messages in a row of one side are one, a line each.

    Where more than one other person speaks, each of them is named when he or she begins: ``Ann: …``.

    Args:
        me: the key (:func:`datagen.core.names.name_key`) of the assistant's name.
    """
    others = {name_key(turn.speaker) for turn in chunk.turns} - {me}
    out = []
    for mine, row in groupby(chunk.turns, lambda turn: name_key(turn.speaker) == me):
        content = "\n".join(_said(chunk, list(row), named=not mine and len(others) > 1))
        out.append(Message(role="assistant" if mine else "user", content=content))
    return out


def _said(chunk: Chunk, turns: Sequence[Turn], *, named: bool) -> Iterator[str]:
    before = ""
    for turn in turns:
        speaker = name_key(turn.speaker)
        yield f"{turn.speaker}: {_text(chunk, turn)}" if named and speaker != before else _text(chunk, turn)
        before = speaker


def _text(chunk: Chunk, turn: Turn) -> str:
    return chunk.text[turn.start - chunk.start : turn.end - chunk.start]
