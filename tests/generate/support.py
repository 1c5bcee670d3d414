"""Chunks, tasks and scripted backends for the tests of recipes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datagen.core.record import AnyRecord, Chunk, Failure, Message, Sample, Task
from datagen.generate.recipe import Recipe, sample_of
from datagen.llm.backend import Reply, Request

TEXT = "Intro. The pump holds 3 litres. It must rest for ten minutes. Use only oil of grade B."
OTHER_TEXT = "Oil of grade B is sold in cans of 5 litres. It keeps for two years."


def chunk(text: str = TEXT, name: str = "c1", *, path: str = "a.md", start: int = 100, **fields: Any) -> Chunk:
    """A passage of a document."""
    shown: dict[str, Any] = {"heading": ("Pump",), "title": "Manual", **fields}
    return Chunk(id=name, path=path, sha256="s", start=start, end=start + len(text), text=text, **shown)


CHUNK = chunk()
OTHER = chunk(OTHER_TEXT, "c2", path="b.md", start=7, heading=("Oil",), title="Stock")


def task(*slots: Mapping[str, str], of: Chunk = CHUNK, recipe: str = "qa", **fields: Any) -> Task:
    """A task that owes a sample for each slot."""
    given: dict[str, Any] = {"samples": len(slots), "slots": tuple(dict(slot) for slot in slots), **fields}
    return Task(id="t", recipe=recipe, split=of.split, chunk=of, **given)


def pair(question: str, answer: str, of: Chunk = CHUNK) -> Sample:
    """A question and its answer, as a recipe would make them."""
    messages = (Message(role="user", content=question), Message(role="assistant", content=answer))
    return sample_of(task(of=of), "qa", messages, [])


class Scripted:
    """A backend that answers from a list and keeps what it was asked."""

    def __init__(self, *replies: str | Exception, finish: str = "stop") -> None:
        self.replies = list(replies)
        self.finish = finish
        self.asked: list[Request] = []

    async def complete(self, request: Request) -> Reply:
        self.asked.append(request)
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return Reply(key=request.key(), text=reply, finish=self.finish)


def make(recipe: Recipe, backend: Scripted, of: Task) -> list[AnyRecord]:
    """What a recipe makes of a task; what it owes is accounted for."""
    records = asyncio.run(recipe.make(backend, of))
    assert owed(records) == of.samples
    return records


def owed(records: Sequence[AnyRecord]) -> int:
    """Samples that records account for."""
    return sum(1 if isinstance(r, Sample) else r.samples if isinstance(r, Failure) else 0 for r in records)


def reasons(records: Sequence[AnyRecord]) -> list[str | None]:
    """Of each sample the reason of its verdict."""
    return [r.verdict.reason if r.verdict else None for r in records if isinstance(r, Sample)]


def told(request: Request) -> str:
    """All that a model is shown."""
    return "".join(f"=== {m.role} ===\n{m.content}\n" for m in request.messages)


def golden(name: str, request: Request) -> None:
    """A rendered prompt is the one that was last read by a person; ``UPDATE_GOLDEN=1`` writes it anew."""
    path = Path(__file__).parent / "golden" / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(told(request), encoding="utf-8", newline="")
    assert told(request) == path.read_bytes().decode("utf-8")
