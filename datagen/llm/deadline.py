"""How long one attempt may take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Deadline:
    """Cancels the present task when its time is up: :func:`asyncio.timeout` with less work on the way.

    Args:
        limit_s: seconds from now.
        more: given when this began and its limit, the seconds that may be added, once, when the time is up.
    """

    __slots__ = ("_before", "_limit_s", "_more", "_out", "_since", "_task", "_timer")

    def __init__(self, limit_s: float, more: Callable[[float, float], float]) -> None:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        self._task = task
        self._before = task.cancelling()
        self._limit_s = limit_s
        self._more = more
        self._out = False
        self._since = loop.time()
        self._timer = loop.call_at(self._since + limit_s, self._run_out, True)

    def _run_out(self, first: bool) -> None:
        more = self._more(self._since, self._limit_s) if first else 0.0
        if more > 0:
            self._timer = asyncio.get_running_loop().call_later(more, self._run_out, False)
        else:
            self._out = True
            self._task.cancel()

    def ran_out(self) -> bool:
        """Whether a cancellation is this one's alone."""
        return self._out and self._task.cancelling() <= self._before + 1

    def leave(self) -> None:
        """Whatever came of it."""
        self._timer.cancel()
        if self._out:
            self._task.uncancel()
