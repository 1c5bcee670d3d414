"""Who sends next: what waits is let through in order of (priority, arrival), when a gate says so."""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Callable

from datagen.core.errors import DatagenError

TICK_S = 0.0005  # timers of the event loop count milliseconds


class Turns:
    """A queue before a gate.

    Args:
        gate: given how many are inside and the loop's time, the seconds until one more may go in; 0: now;
            infinity: not until :meth:`look` is called again.
        passed: told the loop's time when one goes in.
    """

    def __init__(self, gate: Callable[[int, float], float], passed: Callable[[float], None]) -> None:
        self.inside = 0
        self._gate = gate
        self._passed = passed
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    def try_enter(self) -> bool:
        """Take a turn where nobody waits and the gate is open. Who got one must call :meth:`leave`."""
        if self._waiting:
            return False
        now = asyncio.get_running_loop().time()
        if self._gate(self.inside, now) > 0:
            return False
        self.inside += 1
        self._passed(now)
        return True

    async def enter(self, priority: int, arrival: int) -> None:
        """Wait for a turn. Who got one must call :meth:`leave`.

        Raises:
            DatagenError: what :meth:`fail` was given.
        """
        if self.try_enter():
            return
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, arrival, turn))
        self.look()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.leave()  # the place had just been given to us
            raise

    def leave(self) -> None:
        """One has come out."""
        self.inside -= 1
        self.look()

    def look(self) -> None:
        """Let through who may go; the gate may have opened."""
        if not self._waiting:
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._waiting:
            turn = self._waiting[0][2]
            if turn.done():
                heapq.heappop(self._waiting)
                continue
            wait = self._gate(self.inside, now)
            if wait > 0:
                if wait < math.inf:
                    self._come_back(loop, now + max(wait, TICK_S))
                return
            heapq.heappop(self._waiting)
            self.inside += 1
            self._passed(now)
            turn.set_result(None)

    def fail(self, copy: Callable[[], DatagenError]) -> None:
        """Hand an error to everybody who waits."""
        waiting = [turn for _, _, turn in self._waiting]
        self._waiting.clear()
        for turn in waiting:
            if not turn.done():
                turn.set_exception(copy())

    def _come_back(self, loop: asyncio.AbstractEventLoop, when: float) -> None:
        if self._timer is not None:
            if self._timer_at <= when:
                return
            self._timer.cancel()
        self._timer_at = when
        self._timer = loop.call_at(when, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self.look()
