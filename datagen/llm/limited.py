"""Driving anything that sends one request: how many at once, how fast, how often again, and when to stop."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Protocol

from datagen.core.errors import DatagenError
from datagen.llm import problems
from datagen.llm.backend import CallFailed, Reply, Request
from datagen.llm.breaker import Breaker
from datagen.llm.config import ClientConfig
from datagen.llm.deadline import Deadline
from datagen.llm.faults import Fault, Rejected
from datagen.llm.headers import Left
from datagen.llm.latency import MOST, Latency
from datagen.llm.rate import Pace
from datagen.llm.turns import Turns
from datagen.llm.window import Window

MAX_PAUSE_S = 600.0  # a longer Retry-After ends the run, which the same command then continues
REFUSED_S = 180.0  # so long nobody is let in: the quota is used up for longer than a minute's window
PROBE_S = 5.0
MAX_FAILED_IN_A_ROW = 50
CANARIES = 3  # small questions that decide whether so many failures are the endpoint's or their own
EARLY_LOOK = 2  # attempts after which, where nothing ever answered, we look whether anything is there
SUSPECT = 2  # times that others were let in after a request, and it was refused again: it is not the rate
LONELY = 2  # refusals with nobody let in, after which a small question finds out whether that is possible
LONELY_S = 0.2  # not counting those of the first moment, which are of one burst
MAX_DENIED_WAIT_S = 2.0  # the pace is what spaces refused requests; this only mixes them
_NO_ANSWER = frozenset({"connection", "timeout"})
_OVERLOAD = frozenset({"connection", "http_502", "http_503", "http_504", "http_529"})


class Transport(Protocol):
    """What sends one request, once.

    A transport that restarts its server may also have ``async def ready(self) -> None``: it returns when
    requests can be sent again, and raises DatagenError when they never can. It is awaited before the
    first request, and after each Fault that is ``free``. One with an attribute ``told`` is given a function
    there, to be called with what the endpoint says is left of its limits.
    """

    base_url: str

    async def complete(self, request: Request) -> Reply:
        """Answer, or raise Fault (may be tried again), Rejected (may not) or DatagenError (nothing may)."""
        ...

    async def alive(self, limit_s: float) -> bool:
        """Whether anything answers at all."""
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...


@dataclass(slots=True)
class _Call:
    """What is known of one request's attempts.

    Attributes:
        sent: requests made; counted: those that count as attempts.
        patience: factor on the time limit.
        denied: HTTP 429 it got; denied_at: when the last of them was sent.
        passed: times others were let in between two of them.
        alone_s: seconds that the last of them asked this one request to wait.
    """

    arrival: int
    sent: int = 0
    counted: int = 0
    patience: float = 1.0
    denied: int = 0
    denied_at: float = 0.0
    passed: int = 0
    alone_s: float = 0.0


class Limited:
    """Sends requests as fast as the endpoint takes them; what waits is served by (priority, arrival).

    - How many are in flight: :class:`~datagen.llm.window.Window`, at most ``config.concurrency``.
    - How many a second: :class:`~datagen.llm.rate.Pace`. HTTP 429 is no attempt of the request that got
      it, unless others were let in twice meanwhile. ``Retry-After`` is obeyed by all: while it
      lasts nothing new starts.
    - How long one may take: :class:`~datagen.llm.latency.Latency`. A learnt limit ends a request only if
      one that was sent later has been answered; otherwise the whole endpoint is slow, and the request
      gets four times as long, at most ``timeout_s``. A request that ran into its limit gets twice the
      time at its next attempt, because a server that is merely slow would do the same work again for
      nothing.
    - When everybody fails: :class:`~datagen.llm.breaker.Breaker`.

    A fault is followed by another attempt after a wait drawn evenly from 0 to
    ``backoff_s * 2**(attempt - 1)``, at most ``max_backoff_s``: exponential back-off with *full
    jitter* (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015), the variant
    with the least work for the server there. A waiting request holds no place. A fault that is ``free``
    is no attempt either: all wait until the transport is ready again, and that counts for no limit.

    A :class:`DatagenError` reaches every caller at once, and later ones too: a backend that stopped
    stays so. Use from one event loop.

    Args:
        transport: what sends.
        config: limits.
        draw: uniform numbers in [0, 1), for the jitter.
        canary: makes a small question to a model. It is put where it must be known whether the endpoint is
            well: when the breaker is open, after 50 failed requests in a row, when refusals do not end.
            None: it is not well.
    """

    def __init__(
        self,
        transport: Transport,
        config: ClientConfig,
        draw: Callable[[], float] = random.random,
        canary: Callable[[str], Request] | None = None,
    ) -> None:
        self.transport = transport
        self.config = config
        self.stopped: DatagenError | None = None
        self.pace = Pace()
        self.window = Window(config.concurrency)
        self._latency = Latency(config.timeout_s)
        self._breaker = Breaker()
        self._draw = draw
        self._canary = canary
        self._arrivals = itertools.count()
        self._turns = Turns(self._gate, self.pace.sent)
        self._sleeping: set[asyncio.Future[None]] = set()
        self._opens_at = 0.0  # loop time before which nothing new starts
        self._model = ""
        self._answers = 0
        self._newest_answered = 0.0  # when the last sent of the answered requests was sent
        self._let_in_at = 0.0  # the same of those that were not refused
        self._refused_since: float | None = None
        self._lonely = 0
        self._ask_at = LONELY
        self._failed_in_a_row = 0
        self._look: asyncio.Task[bool] | None = None
        self._ready: Callable[[], Awaitable[None]] | None = getattr(transport, "ready", None)
        self._unready = self._ready is not None
        self._shared: dict[str, asyncio.Task[None]] = {}
        self._tokens = 0.0  # of a request and its reply, smoothed
        if hasattr(transport, "told"):
            transport.told = self._told

    async def complete(self, request: Request) -> Reply:
        """Answer a request, however many attempts it takes.

        Raises:
            CallFailed: all attempts are used up, or the endpoint refuses this request.
            DatagenError: no request can be answered.
        """
        loop = asyncio.get_running_loop()
        call = _Call(next(self._arrivals))
        while True:
            if self.stopped is not None:
                raise _copy(self.stopped)
            if not self._turns.try_enter():
                await self._turns.enter(request.priority, call.arrival)
            answers_before = self._answers
            try:
                if self._unready:
                    await self._until_ready()
                sent_at, self._model = loop.time(), request.model
                call.sent += 1
                reply = await self._send(request, call, sent_at)
            except TimeoutError:
                fault = Fault("timeout", "")
                call.patience *= 2
                self._note_fault(fault, call, sent_at)
            except Fault as error:
                fault = error
                self._note_fault(fault, call, sent_at)  # before the place is given on
            except Rejected as error:
                self._note_let_in(sent_at)
                self._breaker.succeeded()
                raise CallFailed(request.key(), f"http_{error.status}", call.sent, error.raw) from None
            except DatagenError as error:
                self.stop(error)
                raise
            else:
                self._note_answer(request, reply, sent_at)
                return reply if call.sent == 1 else reply.model_copy(update={"attempts": call.sent})
            finally:
                self._turns.leave()
            await self._give_up_or_wait(request, fault, call, answers_before)

    def stop(self, error: DatagenError) -> None:
        """Hand an error to everybody who waits for a place or for another attempt, and to all who come later."""
        if self.stopped is not None:
            return
        self.stopped = error
        self._turns.fail(lambda: _copy(error))
        for nap in self._sleeping:
            if not nap.done():
                nap.set_exception(_copy(error))

    async def close(self) -> None:
        """Close the connections below."""
        await self.transport.close()

    # Sending, and what is learnt from it

    async def _send(self, request: Request, call: _Call, sent_at: float) -> Reply:
        most = MOST * self.config.timeout_s
        limit_s = min(most, call.patience * self._latency.limit_s(request.purpose))
        deadline = Deadline(limit_s, self._more)
        try:
            return await self.transport.complete(request)
        except asyncio.CancelledError:
            if deadline.ran_out():
                raise TimeoutError from None
            raise
        finally:
            deadline.leave()

    def _more(self, sent_at: float, limit_s: float) -> float:
        """Seconds that a request which has run into its limit may go on."""
        return 0.0 if self._newest_answered > sent_at else min(4 * limit_s, self.config.timeout_s) - limit_s

    def _told(self, left: Left) -> None:
        per_request = 1.0 if left.what == "requests" else self._tokens
        if per_request:
            self.pace.told(left.limit, left.remaining, left.reset_s, per_request)

    def _note_answer(self, request: Request, reply: Reply, sent_at: float) -> None:
        now = asyncio.get_running_loop().time()
        tokens = reply.prompt_tokens + reply.completion_tokens
        self._tokens += (tokens - self._tokens) * (0.1 if self._tokens else 1.0)
        self._answers += 1
        self._failed_in_a_row = 0
        self._newest_answered = max(self._newest_answered, sent_at)
        self._note_let_in(sent_at)
        self._breaker.succeeded()
        self.window.good(sent_at, now, self._latency.add(request.purpose, now - sent_at))

    def _note_let_in(self, sent_at: float) -> None:
        self._let_in_at = max(self._let_in_at, sent_at)
        self._refused_since, self._lonely, self._ask_at = None, 0, LONELY
        self.pace.let_in(sent_at)

    def _note_fault(self, fault: Fault, call: _Call, sent_at: float) -> None:
        """Learn from a fault, and decide whether it counts as an attempt."""
        now = asyncio.get_running_loop().time()
        if fault.free:
            self._unready = self._ready is not None
            call.sent -= not fault.sent
            return
        if fault.retry_after is not None and fault.retry_after > MAX_PAUSE_S:
            error = problems.long_pause(self.transport.base_url, fault.retry_after)
            self.stop(error)
            raise error
        if fault.reason == "http_429":
            call.counted += self._note_refusal(fault, call, sent_at, now)
            return
        call.counted += 1
        self._note_let_in(sent_at)
        if fault.retry_after is not None:
            self._opens_at = max(self._opens_at, now + fault.retry_after)
        if fault.reason in _OVERLOAD:
            self.window.bad(sent_at, now)
        if fault.reason not in _NO_ANSWER and not fault.reason.startswith("http_5"):
            self._breaker.succeeded()
        elif self._breaker.failed(sent_at):
            self._together("recover", self._recover)

    def _note_refusal(self, fault: Fault, call: _Call, sent_at: float, now: float) -> bool:
        """Whether it counts as an attempt."""
        call.passed += call.denied > 0 and self._let_in_at > call.denied_at
        call.denied += 1
        call.denied_at = sent_at
        if call.passed >= SUSPECT:
            return True
        call.alone_s = 0.0
        blame = self.pace.refused(sent_at, now, fault.retry_after)
        if blame != "rate":
            call.alone_s = fault.retry_after or 0.0
        if blame == "rest":
            self.window.bad(sent_at, now)
            return True
        self._refused_since = now if self._refused_since is None else self._refused_since
        self._lonely += sent_at > self._refused_since + LONELY_S
        if now - self._refused_since > REFUSED_S:
            error = problems.refusing(self.transport.base_url, now - self._refused_since)
            self.stop(error)
            raise error
        return False

    # Another attempt, or none

    async def _give_up_or_wait(self, request: Request, fault: Fault, call: _Call, answers_before: int) -> None:
        """Return when the next attempt may begin; raise where there is to be none."""
        if fault.free:
            if self._ready is None:
                await self._sleep(self._ceiling(1))
            return
        last = call.counted >= self.config.attempts
        # Nobody got an answer while this attempt was under way: perhaps there is nothing any more.
        unanswered = fault.reason in _NO_ANSWER and self._answers == answers_before
        if unanswered and (last or (call.counted == EARLY_LOOK and self._answers == 0)) and not await self._alive():
            error = problems.gone(self.transport.base_url, _why(fault))
            self.stop(error)
            raise error
        if last:
            await self._count_failure(request, fault)
            raise CallFailed(request.key(), fault.reason, call.sent, fault.raw) from None
        if self._lonely >= self._ask_at and self._canary is not None:
            self._ask_at *= 2
            await self._put_canary(request.model)
        if fault.reason == "http_429" and call.passed < SUSPECT:
            await self._sleep(max(self._draw() * min(MAX_DENIED_WAIT_S, self._ceiling(call.denied)), call.alone_s))
        else:
            await self._sleep(max(self._draw() * self._ceiling(max(1, call.counted)), fault.retry_after or 0.0))

    async def _count_failure(self, request: Request, fault: Fault) -> None:
        if not fault.reason.startswith(("http_5", "http_429")):
            return
        self._failed_in_a_row += 1
        if self._failed_in_a_row != MAX_FAILED_IN_A_ROW:
            return
        if await self._is_well(request.model):
            self._failed_in_a_row = 0
            return
        error = problems.failing(self.transport.base_url, self._failed_in_a_row, fault.reason)
        self.stop(error)
        raise error

    async def _is_well(self, model: str) -> bool:
        for attempt in range(1, CANARIES + 1):
            if self._canary is None:
                return False
            fault = await self._put_canary(model)
            if fault is None:
                return True
            await self._sleep(max(self._draw() * self._ceiling(attempt), fault.retry_after or 0.0))
        return False

    async def _put_canary(self, model: str) -> Fault | None:
        """Ask the small question once; None where it was answered, with sense or with a refusal of its form."""
        assert self._canary is not None
        while True:
            if self._unready:
                await self._until_ready()
            sent_at = asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout(self.config.timeout_s):
                    await self.transport.complete(self._canary(model))
            except Rejected:
                pass
            except TimeoutError:
                return Fault("timeout")
            except Fault as fault:
                if fault.free and self._ready is not None:  # it says nothing: the server is to be started first
                    self._unready = True
                    continue
                return fault
            self._note_let_in(sent_at)
            return None

    async def _recover(self) -> None:
        """While the breaker is open: find out, after growing waits, whether the endpoint is back."""
        fault = Fault("connection")
        for attempt in range(1, max(2, self.config.attempts)):
            await self._sleep(self._ceiling(attempt))
            if self._canary is None:
                well = await self._alive()
            else:
                answer = await self._put_canary(self._model)
                well, fault = answer is None, answer or fault
            if well:
                now = asyncio.get_running_loop().time()
                self._breaker.close(now)
                self.window.restart(now)
                self._turns.look()
                return
            if self._answers == 0 and fault.reason in _NO_ANSWER and not await self._alive():
                break
        if fault.reason in _NO_ANSWER and not await self._alive():
            raise problems.gone(self.transport.base_url, _why(fault))
        raise problems.failing(self.transport.base_url, self.config.attempts, fault.reason)

    def _ceiling(self, attempt: int) -> float:
        return min(self.config.max_backoff_s, self.config.backoff_s * 2.0 ** min(attempt - 1, 60))

    async def _sleep(self, seconds: float) -> None:
        """Sleep, unless everything stops meanwhile."""
        if self.stopped is not None:
            raise _copy(self.stopped)
        loop = asyncio.get_running_loop()
        nap = loop.create_future()
        timer = loop.call_later(seconds, _wake, nap)
        self._sleeping.add(nap)
        try:
            await nap
        finally:
            timer.cancel()
            self._sleeping.discard(nap)

    # Who may send

    def _gate(self, inside: int, now: float) -> float:
        if inside >= self.window.limit or self._breaker.open:
            return math.inf
        return max(self._opens_at - now, self.pace.wait(now))

    async def _until_ready(self) -> None:
        """Wait for the transport, together with all others who do."""
        task = self._together("ready", self._make_ready)
        over = asyncio.get_running_loop().create_future()

        def tell(_: object) -> None:
            _wake(over)

        task.add_done_callback(tell)
        self._sleeping.add(over)
        try:
            await over
        finally:
            self._sleeping.discard(over)
            task.remove_done_callback(tell)
        if self.stopped is not None:
            raise _copy(self.stopped)

    async def _make_ready(self) -> None:
        assert self._ready is not None
        await self._ready()
        self._unready = False

    def _together(self, name: str, work: Callable[[], Coroutine[None, None, None]]) -> asyncio.Task[None]:
        """One task for all who want the same; its failure is everybody's."""
        task = self._shared.get(name)
        if task is None or task.done():
            task = self._shared[name] = asyncio.create_task(work())

            def ended(done: asyncio.Task[None]) -> None:
                if self._shared.get(name) is done:
                    del self._shared[name]
                error = None if done.cancelled() else done.exception()
                if isinstance(error, DatagenError):
                    self.stop(error)
                elif error is not None:
                    self.stop(problems.broken(error))

            task.add_done_callback(ended)
        return task

    async def _alive(self) -> bool:
        """Look whether the endpoint is there; those who ask at the same time share one look."""
        if self._look is None:
            self._look = asyncio.create_task(self._look_twice())
            self._look.add_done_callback(self._looked)
        return await asyncio.shield(self._look)

    async def _look_twice(self) -> bool:
        limit_s = min(PROBE_S, self.config.timeout_s)
        return await self.transport.alive(limit_s) or await self.transport.alive(limit_s)

    def _looked(self, look: Awaitable[bool]) -> None:
        self._look = None


def _wake(nap: asyncio.Future[None]) -> None:
    if not nap.done():
        nap.set_result(None)


def _copy(error: DatagenError) -> DatagenError:
    return type(error)(error.what, error.why, error.fix)


def _why(fault: Fault) -> str:
    if fault.reason == "timeout":
        return "A request ran into its time limit"
    return f"Connecting failed ({fault.raw.splitlines()[0][:200] if fault.raw else 'no reason given'})"
