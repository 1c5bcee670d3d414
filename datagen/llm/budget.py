"""A hard stop before the request that would cross the budget, counting what is in flight.

::

    Cached → Limited → Budgeted → OpenAI       (one reservation an attempt)
    Cached → BudgetedBackend → BatchBackend    (one a request)

Before a request is sent, the most that it can cost is set aside: its prompt at a token a byte, and every token
that it allows for the reply. When the reply comes, what was billed takes its place. Where no more fits, requests
wait for those in flight; where none is in flight either, the run stops, and everything that was paid is kept.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from datagen.core.errors import StoppedEarly, UsageError
from datagen.core.record import Record
from datagen.llm.backend import Backend, Reply, Request
from datagen.llm.batch_store import requests_waiting
from datagen.llm.cached import CallLog
from datagen.llm.faults import Fault
from datagen.llm.prices import Price
from datagen.llm.transports import ModelTransport

ASSUMED_REPLY = 4096
"""Tokens a reply may have where the request states no ``max_tokens``. Our requests all state it."""
MESSAGE_TOKENS, REQUEST_TOKENS = 8, 64
"""Tokens that a chat template adds to a message and to a request, at most: OpenAI's cookbook ("How to count tokens
with tiktoken") counts 3 and 3; templates of open models also write today's date and a line on who they are."""
CANARY = "canary"
"""The purpose of small questions whose replies are not kept."""
# A reply may have been made, and billed, that we did not get. Nothing is billed for a refusal (HTTP 4xx, 500, 503);
# of the last three a gateway says that the model was at work when it gave up.
_MAYBE_BILLED = frozenset(
    {
        "timeout",
        "truncated",
        "bad_envelope",
        "invalid_utf8",
        "connection",
        "too_large",
        "http_504",
        "http_520",
        "http_524",
    }
)
# Notes in the call log, by model: tokens that no kept reply accounts for, and those that were in flight at most.
_UNKEPT, _UNKEPT_BATCH, _OPEN = "unkept ", "unkept-batch ", "in-flight "


class Limits(Record):
    """What may be spent, all sessions of a run together; 0: no limit.

    Attributes:
        usd: US dollars. Every model must then have a price.
        tokens: prompt and reply tokens together.
    """

    usd: float = 0.0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Cost:
    """An amount in both currencies."""

    usd: float = 0.0
    tokens: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.usd + other.usd, self.tokens + other.tokens)

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.usd - other.usd, self.tokens - other.tokens)


@dataclass(frozen=True, slots=True)
class Held:
    """What is set aside for one request.

    Attributes:
        prompt, reply: tokens at most; cost: what they come to.
        batch: at the price of the Batch API.
    """

    request: Request
    prompt: int
    reply: int
    cost: Cost
    batch: bool


class Budget:
    """What one run may spend, whoever asks. Made in any thread, used from one event loop.

    Spent is what the call log says was billed, and the worst case of each request whose reply was lost: by a
    broken connection, a time limit, or with the process. Requests in batches that an earlier process began count
    as in flight.

    Once it has stopped it stays so: smaller requests would still fit, but are not worth a run that goes on lamely.

    Args:
        log: the run's call log.
        limits: what may be spent.
        price: of a model; None where it is unknown.

    Raises:
        UsageError: dollars are limited, and a model asked earlier has no price.
    """

    def __init__(self, log: CallLog, limits: Limits, price: Callable[[str], Price | None]) -> None:
        self.limits = limits
        self.stopped: StoppedEarly | None = None
        self.settled = 0
        self._log = log
        self._price = price
        self._more: dict[str, int] = {}  # prompt tokens of a model beyond our bound, as counted by its endpoint
        self._held = self._spent = self._unkept = Cost()
        self._in_flight = 0
        self._open: dict[str, list[int]] = {}
        self._waiting: list[asyncio.Future[None]] = []
        self._queue: deque[tuple[Held, asyncio.Future[None]]] = deque()
        self._take_up_lost()
        for total in log.totals():
            self._spent += self._cost(total.model, total.prompt_tokens, total.completion_tokens, total.batched)
        for prefix, batch in ((_UNKEPT, False), (_UNKEPT_BATCH, True)):
            for name, value in log.notes(prefix):
                prompt, reply = json.loads(value)
                self._unkept += self._cost(name.removeprefix(prefix), prompt, reply, batch)
        self._spent += self._unkept
        self._promised = {request.key(): self._worst(request, True) for request in requests_waiting(log)}
        self._logged = _replies(log)
        for held in self._promised.values():
            self._held += held.cost

    @property
    def spent(self) -> Cost:
        """Spent so far, without what is in flight."""
        return self._spent

    def reserve(self, request: Request) -> Held | None:
        """Set the worst case of a request aside; None where it does not fit while others are in flight.

        Raises:
            StoppedEarly: it does not fit, and nothing is in flight that could settle lower.
            UsageError: dollars are limited, and its model has no price.
        """
        if self.stopped is not None:
            raise _copy(self.stopped)
        worst = self._worst(request, False)
        if not self._fits(worst.cost) and not (self._keep_promises() and self._fits(worst.cost)):
            if self._in_flight:
                return None
            raise self._stop(worst.cost)
        self._hold(worst)
        self._note_open(worst)
        return worst

    async def reserve_in_turn(self, request: Request) -> Held:
        """Set the worst case of a request for a batch aside, in the order of those who wait for that.

        Raises:
            StoppedEarly, UsageError: as :meth:`reserve`.
        """
        if self.stopped is not None:
            raise _copy(self.stopped)
        promised = self._promised.pop(request.key(), None) if self._promised else None
        if promised is not None:  # an earlier process has sent it, and it is set aside already
            self._in_flight += 1
            return promised
        worst = self._worst(request, True)
        if not self._queue and (self._fits(worst.cost) or (self._keep_promises() and self._fits(worst.cost))):
            self._hold(worst)
            return worst
        if not self._in_flight:
            raise self._stop(worst.cost)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((worst, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.settle(worst)  # it had just been set aside for us
            raise
        return worst

    def settle(self, held: Held, reply: Reply | None = None, *, lost: bool = False) -> None:
        """Replace a reservation by what was billed: as the reply says, all of it where the reply was lost, else 0."""
        self._held -= held.cost
        if reply is not None:
            self._spent += self._count(held, reply)
        elif lost:
            self._spent += held.cost
        self._in_flight -= 1
        self.settled += 1
        self._wake()
        self._admit()
        if reply is None and lost:
            self._remember(held, held.prompt, held.reply)
        if not held.batch:
            self._note_closed(held)

    async def something_settles(self, since: int) -> None:
        """Return when more has been settled than ``since``, or nothing is in flight."""
        if self.settled != since or not self._in_flight:
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        await turn

    # What fits

    def _fits(self, cost: Cost) -> bool:
        limits, usd = self.limits, self._spent.usd + self._held.usd + cost.usd
        tokens = self._spent.tokens + self._held.tokens + cost.tokens
        # A billionth of a dollar of rounding decides nothing.
        return (not limits.usd or usd <= limits.usd + 1e-9) and (not limits.tokens or tokens <= limits.tokens)

    def _hold(self, held: Held) -> None:
        self._held += held.cost
        self._in_flight += 1

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for turn in waiting:
            if not turn.done():
                turn.set_result(None)

    def _admit(self) -> None:
        """Let those in the queue through who fit now; the first who does not holds up the others."""
        while self._queue:
            worst, turn = self._queue[0]
            if turn.done():
                self._queue.popleft()
            elif self._fits(worst.cost):
                self._queue.popleft()
                self._hold(worst)
                turn.set_result(None)
            elif self._in_flight:
                return
            else:
                self._stop(worst.cost)

    def _keep_promises(self) -> bool:
        """Settle what earlier batches were to bring and has been fetched meanwhile; True if that was anything."""
        if not self._promised or _replies(self._log) == self._logged:
            return False
        self._logged, before = _replies(self._log), len(self._promised)
        for key, held in list(self._promised.items()):
            reply = self._log.get(key)
            if reply is not None:
                del self._promised[key]
                self._held -= held.cost
                self._spent += self._count(held, reply)
        return len(self._promised) < before

    def _stop(self, worst: Cost) -> StoppedEarly:
        spent, limits = self._spent, self.limits
        if limits.usd and self._held.usd + spent.usd + worst.usd > limits.usd:
            said = f"${spent.usd:,.4f} of ${limits.usd:,.4f} are spent, and the next request could cost"
            said += f" ${worst.usd:,.4f}"
            unkept = f"${self._unkept.usd:,.4f}" if self._unkept.usd else ""
            option = "--max-usd"
        else:
            said = f"{spent.tokens:,} of {limits.tokens:,} tokens are spent, and the next request could take"
            said += f" {worst.tokens:,}"
            unkept = f"{self._unkept.tokens:,} tokens" if self._unkept.tokens else ""
            option = "--max-tokens"
        if unkept:
            said += f" ({unkept} are counted for replies that were lost or not counted by the endpoint)"
        if self._promised:
            said += f"; {len(self._promised):,} requests are in batches under way"
        error = StoppedEarly(
            "The budget is reached.",
            f"{said}.",
            f"Every reply is kept: run the same command with a larger {option} to go on.",
        )
        self.stopped = error
        queue, self._queue = self._queue, deque()
        for _, turn in queue:
            if not turn.done():
                turn.set_exception(_copy(error))
        return _copy(error)

    # What it costs

    def _cost(self, model: str, prompt: int, reply: int, batch: bool) -> Cost:
        price = self._price(model)
        if price is None and self.limits.usd and (prompt or reply):
            raise unpriced(model)
        usd = price.cost(prompt, reply, batch=batch) if price is not None else 0.0
        return Cost(usd, prompt + reply)

    def _worst(self, request: Request, batch: bool) -> Held:
        params = request.params
        told = max(int(params.get("max_tokens") or 0), int(params.get("max_completion_tokens") or 0))
        reply = (told or ASSUMED_REPLY) * int(params.get("n") or 1)
        prompt = prompt_bound(request) + self._more.get(request.model, 0)
        return Held(request, prompt, reply, self._cost(request.model, prompt, reply, batch), batch)

    def _count(self, held: Held, reply: Reply) -> Cost:
        """What a reply cost: as the endpoint counted it, else as much as it can be at most."""
        model = held.request.model
        prompt, written = reply.prompt_tokens, reply.completion_tokens
        kept = (0, 0) if held.request.purpose == CANARY else (prompt, written)
        if prompt > held.prompt:
            self._more[model] = self._more.get(model, 0) + prompt - held.prompt
        texts = reply.choices or (reply.text + reply.refusal,)
        size = sum(len(text.encode("utf-8", "replace")) for text in texts)
        prompt, written = prompt or held.prompt, written or min(size, held.reply)
        if kept != (prompt, written):
            self._remember(held, prompt - kept[0], written - kept[1])
        return self._cost(model, prompt, written, held.batch)

    # What the call log must know beyond the replies in it

    def _remember(self, held: Held, prompt: int, reply: int) -> None:
        """Tokens that the log will not hold. A continued run must not spend them again."""
        self._unkept += self._cost(held.request.model, prompt, reply, held.batch)
        self._add((_UNKEPT_BATCH if held.batch else _UNKEPT) + held.request.model, prompt, reply)

    def _add(self, name: str, prompt: int, reply: int) -> None:
        before = json.loads(self._log.note(name) or "[0, 0]")
        self._log.set_note(name, json.dumps([before[0] + prompt, before[1] + reply]))

    def _note_open(self, held: Held) -> None:
        """Before it is sent: if this process is killed, the next counts as lost what was in flight at most."""
        now = self._open.setdefault(held.request.model, [0, 0, 0, 0])
        now[0] += held.prompt
        now[1] += held.reply
        if now[0] > now[2] or now[1] > now[3]:
            now[2], now[3] = max(now[0], now[2]), max(now[1], now[3])
            self._log.set_note(_OPEN + held.request.model, json.dumps(now[2:]))

    def _note_closed(self, held: Held) -> None:
        now = self._open[held.request.model]
        now[0] -= held.prompt
        now[1] -= held.reply
        if not now[0] and not now[1]:
            now[2:] = 0, 0
            self._log.set_note(_OPEN + held.request.model, "[0, 0]")

    def _take_up_lost(self) -> None:
        for name, value in self._log.notes(_OPEN):
            if any(lost := json.loads(value)):
                self._add(_UNKEPT + name.removeprefix(_OPEN), *lost)
                self._log.set_note(name, "[0, 0]")


class Budgeted:
    """A transport that asks the budget before each attempt. Looks like the transport it wraps."""

    def __init__(self, inner: ModelTransport, budget: Budget) -> None:
        self.inner = inner
        self.budget = budget
        self.base_url = inner.base_url
        self.dialects = inner.dialects
        self._refused_at: int | None = None

    @property
    def told(self) -> Any:
        """Who is told what the endpoint says of its limits. Raises AttributeError where it says nothing."""
        return self.inner.told  # type: ignore[attr-defined]

    @told.setter
    def told(self, function: Any) -> None:
        self.inner.told = function  # type: ignore[attr-defined]

    async def complete(self, request: Request) -> Reply:
        """Send, if it fits.

        Raises:
            Fault: as the wrapped transport; a free one where it must wait for others to settle.
            StoppedEarly: the budget is reached.
        """
        held = self.budget.reserve(request)
        if held is None:
            self._refused_at = self.budget.settled
            raise Fault("budget", free=True, sent=False)
        try:
            reply = await self.inner.complete(request)
        except Fault as fault:
            self.budget.settle(held, lost=fault.sent and fault.reason in _MAYBE_BILLED)
            raise
        except asyncio.CancelledError:  # its time limit, or the end of the run: the endpoint may be at work on it
            self.budget.settle(held, lost=True)
            raise
        except BaseException:
            self.budget.settle(held)
            raise
        self.budget.settle(held, reply)
        return reply

    async def ready(self) -> None:
        """Return when it is worth asking again."""
        inner: Any = getattr(self.inner, "ready", None)
        if inner is not None:
            await inner()
        if self._refused_at is not None:
            since, self._refused_at = self._refused_at, None
            await self.budget.something_settles(since)

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
    """The same around a backend that sends each request once, together with many others: the Batch API's."""

    def __init__(self, inner: Backend, budget: Budget) -> None:
        self.inner = inner
        self.budget = budget

    async def complete(self, request: Request) -> Reply:
        """Ask, when it fits.

        Raises:
            CallFailed, DatagenError: as the wrapped backend.
            StoppedEarly: the budget is reached.
        """
        held = await self.budget.reserve_in_turn(request)
        try:
            reply = await self.inner.complete(request)
        except BaseException:  # what failed in a batch is not billed; what goes on in one is noted with it
            self.budget.settle(held)
            raise
        self.budget.settle(held, reply)
        return reply


def unpriced(model: str) -> UsageError:
    """What to say where dollars are limited and a model has no price."""
    return UsageError(
        f"The price of {model!r} is unknown, so a budget in dollars cannot be kept.",
        "It is not in the table of prices.",
        "Add it to a file named by --set limits.prices=FILE (docs/cost.md), or limit tokens with --max-tokens.",
    )


def prompt_bound(request: Request) -> int:
    """Prompt tokens at most: tokenizers whose smallest token is a byte make no more tokens than there are bytes
    (byte-level BPE: A. Radford et al., "Language models are unsupervised multitask learners", 2019, section 2.2;
    SentencePiece with byte fallback)."""
    size = MESSAGE_TOKENS * len(request.messages) + REQUEST_TOKENS
    for message in request.messages:
        size += len(message.content.encode("utf-8", "replace"))
        if message.tool_calls or message.tool_call_id or message.name:
            size += len(json.dumps([list(message.tool_calls), message.tool_call_id, message.name], default=str))
    if request.json_schema is not None:
        size += len(json.dumps(request.json_schema)) + len(request.schema_name)
    return size


def _replies(log: CallLog) -> int:
    return sum(total.calls for total in log.totals())


def _copy(error: StoppedEarly) -> StoppedEarly:
    return StoppedEarly(error.what, error.why, error.fix)
