"""A question about each item of a shard: what every stage that asks a model does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from datagen.core.progress import advance
from datagen.llm import loop
from datagen.llm.backend import Backend
from datagen.llm.connect import Endpoint, open_backend

T = TypeVar("T")
R = TypeVar("R")


def ask_each(stage: str, endpoint: Endpoint, items: Sequence[T], one: Callable[[Backend, T], Awaitable[R]]) -> list[R]:
    """Apply ``one`` to each item, as many at once as the endpoint may have in flight, and count progress.

    Args:
        stage: the name under which progress is shown.
        endpoint: resolved.
        items: what is asked about.
        one: asks about one item.

    Returns:
        The results in the order of the items.

    Raises:
        DatagenError: what ``one`` raises first; the rest is cancelled.
    """
    advance(stage, expected=len(items))
    backend = open_backend(endpoint)

    async def counted(item: T) -> R:
        result = await one(backend, item)
        advance(stage, done=1)
        return result

    return loop.run(loop.gather_lazily(counted, items, endpoint.in_flight))
