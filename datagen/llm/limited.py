"""Bounded concurrency, priorities and retries around anything that sends one request."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections.abc import Awaitable, Callable
from typing import Protocol

from datagen.core.errors import DatagenError
from datagen.llm import problems
from datagen.llm.backend import CallFailed, Reply, Request
from datagen.llm.config import ClientConfig
from datagen.llm.faults import Fault, Rejected

MAX_PAUSE_S = 600.0  # a longer Retry-After ends the run, which the same command then continues
PROBE_S = 5.0
MAX_FAILED_IN_A_ROW = 50
CANARIES = 3  # small questions that decide whether so many failures are the endpoint's or their own
EARLY_LOOK = 2  # attempts after which, where nothing ever answered, we look whether anything is there
_NO_ANSWER = frozenset({"connection", "timeout"})


class Transport(Protocol):
    """What sends one request, once."""

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


class Limited:
    """At most ``config.concurrency`` requests in flight; what waits is served by (priority, arrival).

    A fault is followed by another attempt after a wait drawn evenly from 0 to
    ``backoff_s * 2**(attempt - 1)``, at most ``max_backoff_s``: exponential back-off with *full
    jitter* (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015), the variant
    with the least work for the server there. A waiting request holds no place. ``Retry-After`` is
    obeyed by all: while it lasts nothing new starts. A request that ran into its time limit gets
    twice the time at its next attempt (up to 4 times), because a server that is merely slow would
    otherwise do the same work again for nothing.

    A :class:`DatagenError` reaches every caller at once, and later ones too: a backend that stopped
    stays so. Use from one event loop.

    Args:
        transport: what sends.
        config: limits.
        draw: uniform numbers in [0, 1), for the jitter.
        canary: makes a small question to a model. After 50 failures in a row it is put: an answer
            shows that the endpoint is well and those requests are not. None: it is not well.
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
        self._draw = draw
        self._canary = canary
        self._free = config.concurrency
        self._arrivals = itertools.count()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._sleeping: set[asyncio.Future[None]] = set()
        self._opens_at = 0.0  # loop time before which nothing new starts
        self._opening: asyncio.TimerHandle | None = None
        self._answers = 0
        self._failed_in_a_row = 0
        self._look: asyncio.Task[bool] | None = None

    async def complete(self, request: Request) -> Reply:
        """Answer a request, however many attempts it takes.

        Raises:
            CallFailed: all attempts are used up, or the endpoint refuses this request.
            DatagenError: no request can be answered.
        """
        if self.stopped is not None:
            raise _copy(self.stopped)
        arrival = next(self._arrivals)
        limit_s = self.config.timeout_s
        attempt = 0
        while True:
            attempt += 1
            await self._enter(request.priority, arrival)
            answers_before = self._answers
            try:
                async with asyncio.timeout(limit_s):
                    reply = await self.transport.complete(request)
            except TimeoutError:
                fault = Fault("timeout", "")
                limit_s = min(2 * limit_s, 4 * self.config.timeout_s)
            except Fault as error:
                fault = error
                self._close_for(fault.retry_after)  # before the place is given on
            except Rejected as error:
                raise CallFailed(request.key(), f"http_{error.status}", attempt, error.raw) from None
            except DatagenError as error:
                self.stop(error)
                raise
            else:
                self._answers += 1
                self._failed_in_a_row = 0
                return reply if attempt == 1 else reply.model_copy(update={"attempts": attempt})
            finally:
                self._leave()
            await self._give_up_or_wait(request, fault, attempt, answers_before)

    def stop(self, error: DatagenError) -> None:
        """Hand an error to everybody who waits for a place or for another attempt, and to all who come later."""
        if self.stopped is not None:
            return
        self.stopped = error
        waiting = [turn for _, _, turn in self._waiting]
        self._waiting.clear()
        for future in [*waiting, *self._sleeping]:
            if not future.done():
                future.set_exception(_copy(error))

    async def close(self) -> None:
        """Close the connections below."""
        await self.transport.close()

    async def _give_up_or_wait(self, request: Request, fault: Fault, attempt: int, answers_before: int) -> None:
        """Return when the next attempt may begin; raise where there is to be none."""
        last = attempt >= self.config.attempts
        # Nobody got an answer while this attempt was under way: perhaps there is nothing any more.
        unanswered = fault.reason in _NO_ANSWER and self._answers == answers_before
        if unanswered and (last or (attempt == EARLY_LOOK and self._answers == 0)) and not await self._alive():
            error = problems.gone(self.transport.base_url, _why(fault))
            self.stop(error)
            raise error
        if last:
            await self._count_failure(request, fault)
            raise CallFailed(request.key(), fault.reason, attempt, fault.raw) from None
        await self._pause(fault, attempt)

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
        if self._canary is None:
            return False
        question = self._canary(model)
        for attempt in range(1, CANARIES + 1):
            try:
                async with asyncio.timeout(self.config.timeout_s):
                    await self.transport.complete(question)
            except (Fault, TimeoutError) as error:
                await self._pause(error if isinstance(error, Fault) else Fault("timeout"), attempt)
            except Rejected:
                return True  # it answers, with sense, and not to everybody with an error
            else:
                return True
        return False

    async def _pause(self, fault: Fault, attempt: int) -> None:
        ceiling = min(self.config.max_backoff_s, self.config.backoff_s * 2.0 ** min(attempt - 1, 60))
        wait = max(self._draw() * ceiling, fault.retry_after or 0.0)
        loop = asyncio.get_running_loop()
        if self.stopped is not None:
            raise _copy(self.stopped)
        nap = loop.create_future()
        timer = loop.call_later(wait, _wake, nap)
        self._sleeping.add(nap)
        try:
            await nap
        finally:
            timer.cancel()
            self._sleeping.discard(nap)

    def _close_for(self, seconds: float | None) -> None:
        """Start nothing new for so long, because the endpoint asks for it."""
        if seconds is None:
            return
        if seconds > MAX_PAUSE_S:
            error = problems.long_pause(self.transport.base_url, seconds)
            self.stop(error)
            raise error
        self._opens_at = max(self._opens_at, asyncio.get_running_loop().time() + seconds)

    async def _enter(self, priority: int, arrival: int) -> None:
        """Take a place, waiting for one in order of (priority, arrival)."""
        if self.stopped is not None:
            raise _copy(self.stopped)
        loop = asyncio.get_running_loop()
        if self._free and not self._waiting and loop.time() >= self._opens_at:
            self._free -= 1
            return
        turn = loop.create_future()
        heapq.heappush(self._waiting, (priority, arrival, turn))
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._leave()  # the place had just been given to us
            raise

    def _leave(self) -> None:
        self._free += 1
        self._admit()

    def _admit(self) -> None:
        """Give free places to what waits, unless the endpoint asked for a pause."""
        if not self._waiting or not self._free:
            return
        loop = asyncio.get_running_loop()
        if loop.time() < self._opens_at:
            if self._opening is None:
                self._opening = loop.call_at(self._opens_at, self._open)
            return
        while self._waiting and self._free:
            turn = heapq.heappop(self._waiting)[2]
            if not turn.done():
                self._free -= 1
                turn.set_result(None)

    def _open(self) -> None:
        self._opening = None
        self._admit()

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
