"""What several tests of the client need: a quick configuration, questions, a transport that is scripted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from pydantic import BaseModel

from datagen.core.record import Message
from datagen.llm.backend import Reply, Request
from datagen.llm.config import ClientConfig

T = TypeVar("T")
QUICK = ClientConfig(concurrency=16, timeout_s=2, attempts=4, backoff_s=0.01, max_backoff_s=0.05)


class Pair(BaseModel):
    question: str
    answer: str
    evidence: list[str]


class Pairs(BaseModel):
    pairs: list[Pair]


def question(text: str = "x", model: str = "fake-model", **more: Any) -> Request:
    """A question about a passage that holds ``text``."""
    passage = f"The first sentence is about {text} and more. The second one, on {text}, is shorter."
    content = f"<passage>\n{passage}\n</passage>\nWrite 2 question and answer pairs."
    more.setdefault("json_schema", Pairs.model_json_schema())
    return Request(model=model, messages=(Message(role="user", content=content),), **more)


def reply(request: Request, text: str = "{}") -> Reply:
    """An accepted reply."""
    return Reply(key=request.key(), text=text, prompt_tokens=3, completion_tokens=2)


class Scripted:
    """A transport whose answers a function decides."""

    base_url = "http://127.0.0.1:1/v1"

    def __init__(self, answer: Callable[[Request], Awaitable[Reply]], alive: bool = True) -> None:
        self.answer = answer
        self.there = alive
        self.looks = 0

    async def complete(self, request: Request) -> Reply:
        return await self.answer(request)

    async def alive(self, limit_s: float) -> bool:
        self.looks += 1
        return self.there

    async def close(self) -> None:
        pass


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run in a loop of its own, at most half a minute."""

    async def limited() -> T:
        async with asyncio.timeout(30):
            return await main

    return asyncio.run(limited())
