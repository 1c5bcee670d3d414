"""Several replies to one question: at once where the endpoint can, else one by one."""

from __future__ import annotations

import asyncio

from datagen.llm.backend import Backend, CallFailed, Reply, Request


async def candidates(backend: Backend, request: Request, n: int) -> list[Reply]:
    """Ask for ``n`` different replies.

    One request with ``n`` is sent. What the endpoint refuses or ignores of it (the backend leaves ``n`` out
    where that is known) is asked for by further requests, which differ in ``index`` and, where there is one,
    in ``seed``: an endpoint that draws by the seed would otherwise say the same again.

    Args:
        request: without ``n``.
        n: at least 1.

    Returns:
        The replies in a fixed order; those of one request share its ``key``, and the first of them carries
        the tokens billed for all. Fewer than ``n`` where single requests failed.

    Raises:
        CallFailed: not one reply came.
        datagen.core.errors.DatagenError: as :meth:`Backend.complete`.
    """
    if n == 1:
        return [await backend.complete(request)]
    first = await backend.complete(request.model_copy(update={"params": {**request.params, "n": n}}))
    found = split(first)[:n]
    more = (_other(request, number) for number in range(len(found), n))
    for outcome in await asyncio.gather(*(_try(backend, other) for other in more)):
        if outcome is not None:
            found.append(outcome)
    return found


def split(reply: Reply) -> list[Reply]:
    """A reply with several choices as that many replies with one."""
    if not reply.choices:
        return [reply]
    alone = {"choices": (), "finishes": ()}
    apart = [reply.model_copy(update=alone)]
    for text, finish in zip(reply.choices[1:], reply.finishes[1:], strict=True):
        change = {
            "text": text,
            "finish": finish,
            "refusal": "",
            "logprobs": (),
            "prompt_tokens": 0,
            "completion_tokens": 0,
        }
        apart.append(reply.model_copy(update={**alone, **change}))
    return apart


def _other(request: Request, number: int) -> Request:
    params = dict(request.params)
    if isinstance(params.get("seed"), int):
        params["seed"] += number
    return request.model_copy(update={"params": params, "index": request.index + number})


async def _try(backend: Backend, request: Request) -> Reply | None:
    try:
        return await backend.complete(request)
    except CallFailed:
        return None
