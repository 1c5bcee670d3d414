"""A hard stop before the request that would cross the budget, counting what is in flight.

::

    Cached → Limited → Budgeted → OpenAI       (one reservation an attempt)
    Cached → Budgeted → BatchBackend           (one a request)
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable
from typing import Any

from datagen.core.errors import StoppedEarly
from datagen.core.record import Record
from datagen.llm.backend import CallFailed, Reply, Request
from datagen.llm.cached import CallLog
from datagen.llm.faults import Fault
from datagen.llm.prices import Price
from datagen.llm.transports import ModelTransport

ASSUMED_REPLY = 4096
"""Tokens a reply may have where the request states no ``max_tokens``. Our requests all state it."""
MESSAGE_TOKENS, REQUEST_TOKENS = 8, 16
"""Tokens of a chat template a message and a request, at most (OpenAI's cookbook counts 3 to 4 and 3)."""
SLACK = 1.15
"""By how much a prompt may have more tokens a byte than the densest one the endpoint has counted so far."""
# A reply may have been made, and billed, that we did not get. Nothing is billed for a refusal (HTTP 4xx, 503).
_MAYBE_BILLED = frozenset({"timeout", "truncated", "bad_envelope", "invalid_utf8", "connection", "too_large"})
_NOTE = "lost "


class Limits(Record):
    """What may be spent, all sessions of a run together; 0: no limit.

    Attributes:
        usd: US dollars. Every model must then have a price.
        tokens: prompt and reply tokens together.
    """

    usd: float = 0.0
    tokens: int = 0


class Cost(Record):
    """An amount in both currencies."""

    usd: float = 0.0
    tokens: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(usd=self.usd + other.usd, tokens=self.tokens + other.tokens)

    def __sub__(self, other: Cost) -> Cost:
        return Cost(usd=self.usd - other.usd, tokens=self.tokens - other.tokens)


class Budget:
    """What one run may spend, whoever asks. Thread-safe; those who wait do so in the model loop.

    Spent is what the call log says was billed, and the worst case of every request whose reply was lost.

    Args:
        log: the run's call log.
        limits: what may be spent.
        price: of a model; None where it is unknown (then only tokens are limited).
        batch: factor for the Batch API applies.
    """

    def __init__(self, log: CallLog, limits: Limits, price: Callable[[str], Price | None], batch: bool = False) -> None:
        self.limits = limits
        self._log = log
        self._price = price
        self._batch = batch
        self._lock = threading.Lock()
        self._densest: dict[str, float] = {}
        self._held = Cost()
        self._in_flight = 0
        self._settled: list[asyncio.Future[None]] = []
        self._spent = Cost()
        for total in log.totals():
            self._spent += self._cost(total.model, total.prompt_tokens, total.completion_tokens)
        for name, value in log.notes(_NOTE):
            prompt, reply = json.loads(value)
            self._spent += self._cost(name.removeprefix(_NOTE), prompt, reply)

    @property
    def spent(self) -> Cost:
        """Spent so far, without what is in flight."""
        return self._spent

    def reserve(self, request: Request) -> Cost | None:
        """Set the worst case of a request aside; None where it does not fit while others are in flight.

        Raises:
            StoppedEarly: it does not fit, and nothing is in flight that could settle lower.
        """
        worst = self._worst(request)
        with self._lock:
            if self._fits(self._spent + self._held + worst):
                self._held += worst
                self._in_flight += 1
                return worst
            if self._in_flight:
                return None
        raise self._reached(worst)

    def settle(self, request: Request, held: Cost, reply: Reply | None, *, lost: bool = False) -> None:
        """Replace a reservation by what was billed: as the reply says, or all of it where the reply was lost."""
        billed = Cost()
        if reply is not None:
            self._learn(request, reply)
            billed = self._billed(request, reply)
        elif lost:
            billed = held
            self._note_lost(request)
        with self._lock:
            self._held -= held
            self._spent += billed
            self._in_flight -= 1
            waiting, self._settled = self._settled, []
        for turn in waiting:
            turn.get_loop().call_soon_threadsafe(_wake, turn)

    async def something_settles(self) -> None:
        """Return when a reservation has been settled, or none is held."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._lock:
            if not self._in_flight:
                return
            self._settled.append(turn)
        await turn

    def _fits(self, cost: Cost) -> bool:
        limits = self.limits
        # A billionth of a dollar of rounding decides nothing.
        return (not limits.usd or cost.usd <= limits.usd + 1e-9) and (not limits.tokens or cost.tokens <= limits.tokens)

    def _cost(self, model: str, prompt: int, reply: int) -> Cost:
        price = self._price(model)
        usd = price.cost(prompt, reply, batch=self._batch) if price is not None else 0.0
        return Cost(usd=usd, tokens=prompt + reply)

    def _worst(self, request: Request) -> Cost:
        return self._cost(request.model, *self._worst_tokens(request))

    def _worst_tokens(self, request: Request) -> tuple[int, int]:
        told = request.params.get("max_tokens") or request.params.get("max_completion_tokens") or ASSUMED_REPLY
        reply = int(told) * int(request.params.get("n") or 1)
        plain, other, frame = _size(request)
        # A byte-level tokenizer makes no more tokens than there are bytes. What has been counted says more of
        # plain text; a rare script may need a token a byte.
        density = min(1.0, SLACK * self._densest.get(request.model, 1.0))
        return frame + other + int(density * plain) + 1, reply

    def _billed(self, request: Request, reply: Reply) -> Cost:
        prompt, written = reply.prompt_tokens, reply.completion_tokens
        if not prompt and not written:  # the endpoint does not say
            prompt, written = self._worst_tokens(request)[0], len(reply.text.encode("utf-8", "replace"))
        return self._cost(request.model, prompt, written)

    def _learn(self, request: Request, reply: Reply) -> None:
        plain, other, _ = _size(request)
        if reply.prompt_tokens and plain:
            seen = reply.prompt_tokens / (plain + other)
            self._densest[request.model] = max(self._densest.get(request.model, 0.0), seen)

    def _note_lost(self, request: Request) -> None:
        """Remember it beyond this process: a continued run must not spend it again."""
        name = _NOTE + request.model
        prompt, reply = self._worst_tokens(request)
        with self._lock:
            before = json.loads(self._log.note(name) or "[0, 0]")
            self._log.set_note(name, json.dumps([before[0] + prompt, before[1] + reply]))

    def _reached(self, worst: Cost) -> StoppedEarly:
        spent, limits = self._spent, self.limits
        if limits.usd and spent.usd + worst.usd > limits.usd:
            said = f"${spent.usd:,.4f} of ${limits.usd:,.4f} are spent; the next request could cost ${worst.usd:,.4f}"
            fix = "--max-usd"
        else:
            said = (
                f"{spent.tokens:,} of {limits.tokens:,} tokens are spent; the next request could take {worst.tokens:,}"
            )
            fix = "--max-tokens"
        return StoppedEarly(
            "The budget is reached.",
            f"{said}.",
            f"Every reply is kept. Run the same command with a larger {fix} to go on.",
        )


class Budgeted:
    """A transport that asks the budget before each attempt. Looks like the transport it wraps."""

    def __init__(self, inner: ModelTransport, budget: Budget) -> None:
        self.inner = inner
        self.budget = budget
        self.base_url = inner.base_url
        self.dialects = inner.dialects

    async def complete(self, request: Request) -> Reply:
        """Send, if it fits.

        Raises:
            Fault: as the wrapped transport; a free one where it must wait for others to settle.
            StoppedEarly: the budget is reached.
        """
        held = self.budget.reserve(request)
        if held is None:
            raise Fault("budget", free=True)
        reply: Reply | None = None
        lost = True
        try:
            reply = await self.inner.complete(request)
        except Fault as fault:
            lost = fault.reason in _MAYBE_BILLED
            raise
        except asyncio.CancelledError:  # the time limit: the server may be at work on it
            raise
        except BaseException:
            lost = False
            raise
        finally:
            self.budget.settle(request, held, reply, lost=lost)
        return reply

    async def ready(self) -> None:
        """Return when it is worth asking again."""
        inner: Any = getattr(self.inner, "ready", None)
        if inner is not None:
            await inner()
        await self.budget.something_settles()

    async def models(self, limit_s: float) -> tuple[str, ...] | None:
        """As of the wrapped transport."""
        return await self.inner.models(limit_s)

    async def alive(self, limit_s: float) -> bool:
        """As of the wrapped transport."""
        return await self.inner.alive(limit_s)

    async def close(self) -> None:
        """As of the wrapped transport."""
        await self.inner.close()


class BudgetedBackend:
    """The same around a whole backend whose requests are each sent once: the Batch API's."""

    def __init__(self, inner: Any, budget: Budget) -> None:
        self.inner = inner
        self.budget = budget

    async def complete(self, request: Request) -> Reply:
        """Ask, when it fits.

        Raises:
            CallFailed, DatagenError: as the wrapped backend.
            StoppedEarly: the budget is reached.
        """
        while (held := self.budget.reserve(request)) is None:
            await self.budget.something_settles()
        reply: Reply | None = None
        lost = False
        try:
            reply = await self.inner.complete(request)
        except CallFailed:
            raise
        finally:
            self.budget.settle(request, held, reply, lost=lost)
        return reply


def _size(request: Request) -> tuple[int, int, int]:
    """What becomes prompt tokens: ASCII bytes, other bytes, and the tokens of the frame."""
    texts = [m.content for m in request.messages]
    if request.json_schema is not None:
        texts.append(json.dumps(request.json_schema))
    size = sum(len(text.encode("utf-8", "replace")) for text in texts)
    plain = size if all(text.isascii() for text in texts) else sum(sum(c < "\x80" for c in text) for text in texts)
    return plain, size - plain, MESSAGE_TOKENS * len(request.messages) + REQUEST_TOKENS


def _wake(turn: asyncio.Future[None]) -> None:
    with contextlib.suppress(asyncio.InvalidStateError):
        turn.set_result(None)
