"""Does a server still work? Judged from looks at it, at even distances."""

from __future__ import annotations

SILENT_LOOKS = 6
"""Looks without an answer, after which a server hangs."""
STUCK_LOOKS = 12
"""Looks without a step of its engine, after which that hangs; more where it was slower before."""
STUCK_LOOKS_AT_FIRST = 60
"""The same before its first step, which may compile; and the most in any case."""
TIMES_SLOWER = 10


class Pulse:
    """Tells a server that hangs from one that is slow.

    vLLM's ``/health`` goes on answering when a worker process is stuck (found by stopping one). What stands still
    then is the count of engine steps in ``/metrics``. How long a step takes depends on model and machine, so the
    limit follows the longest time between two steps that was seen.
    """

    def __init__(self) -> None:
        self._silent = 0
        self._still = 0
        self._steps: float | None = None
        self._longest = 0
        self._moved = False

    def look(self, *, waiting: bool, healthy: bool, steps: float | None) -> str:
        """One look.

        Args:
            waiting: are requests in flight?
            healthy: does it answer?
            steps: engine steps so far; None where it does not say.

        Returns:
            Why it is to be given up, or "".
        """
        if not waiting:
            self._silent = self._still = 0
            return ""
        if not healthy:
            self._silent += 1
            return "does not answer any more" if self._silent >= SILENT_LOOKS else ""
        self._silent = 0
        if steps is None:
            self._still = 0
            return ""
        if steps != self._steps:
            if self._steps is not None:
                self._longest = max(self._longest, self._still)
                self._moved = True
            self._steps, self._still = steps, 0
            return ""
        self._still += 1
        return "answers nothing any more: its engine stands still" if self._still >= self._limit() else ""

    def _limit(self) -> int:
        if not self._moved:
            return STUCK_LOOKS_AT_FIRST
        return min(STUCK_LOOKS_AT_FIRST, max(STUCK_LOOKS, TIMES_SLOWER * self._longest))
