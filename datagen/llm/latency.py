"""How long an endpoint takes, and from that how long it is worth waiting."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

KEPT = 256  # latencies of each kind of request
ENOUGH = 20  # before any is known well enough
REFRESH = 16
FLOOR_S = 2.0
TIMES = 4.0  # the slowest hundredth
MOST = 4.0  # the configured limit


@dataclass(slots=True)
class _Kind:
    found: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))
    fresh: int = 0
    floor: float = float("inf")
    slow: float = 0.0


class Latency:
    """Observed latencies by kind of request (its purpose: a judgement is shorter than a dialogue).

    The time limit of a request is 4 times the slowest hundredth of the last 256 like it, at least 2 s and
    at most 4 times ``timeout_s``; until 20 are known, ``timeout_s``. So a request that hangs on a fast
    server is given up after seconds, and a server that is slow by nature is given more than ``timeout_s``
    as soon as its latencies show that, because each request abandoned there is work it has done and does
    again. Four times, because of a log-normal distribution with sigma 1, as wide as ever seen, one in ten
    thousand lies beyond.

    Args:
        timeout_s: the configured limit.
    """

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._kinds: dict[str, _Kind] = {}

    def add(self, kind: str, seconds: float) -> float:
        """A request was answered.

        Returns:
            Its latency in multiples of the fastest tenth's on a free server; 1 while little is known.
        """
        entry = self._kinds.get(kind)
        if entry is None:
            entry = self._kinds[kind] = _Kind()
        entry.found.append(seconds)
        entry.fresh += 1
        if entry.fresh >= REFRESH:
            entry.fresh = 0
            found = sorted(entry.found)
            newest = sorted(list(entry.found)[-2 * REFRESH :])
            entry.slow = found[int(0.99 * (len(found) - 1))] if len(found) >= ENOUGH else 0.0
            entry.floor = min(entry.floor, newest[len(newest) // 10])
        return seconds / max(entry.floor, 1e-6) if entry.floor < float("inf") else 1.0

    def limit_s(self, kind: str) -> float:
        """How long to wait for a request of this kind."""
        entry = self._kinds.get(kind)
        if entry is None or not entry.slow:
            return self.timeout_s
        return min(MOST * self.timeout_s, max(min(FLOOR_S, self.timeout_s), TIMES * entry.slow))
