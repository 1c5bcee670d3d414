"""What a real endpoint has little of: requests a second, places, and blocks of its prefix cache."""

from __future__ import annotations

import hashlib
from collections import OrderedDict, deque
from collections.abc import Callable

BLOCK = 64  # characters


class Rate:
    """Requests allowed a second.

    Args:
        rate: requests a second.
        burst: ``bucket``: what may come at once after a pause; ``window``: requests in any ``burst / rate`` seconds.
        kind: ``bucket`` (refills evenly) or ``window`` (sliding).
    """

    def __init__(self, rate: float, burst: int, kind: str) -> None:
        self.rate = rate
        self.burst = burst
        self.kind = kind
        self._tokens = float(burst)
        self._at = 0.0
        self._taken: deque[float] = deque()

    def take(self, now: float, amount: float = 1.0) -> float:
        """0 where a request (or one of so many tokens) is allowed, else the seconds until it would be."""
        if self.kind == "window":
            span = self.burst / self.rate
            while self._taken and self._taken[0] <= now - span:
                self._taken.popleft()
            if len(self._taken) >= self.burst:
                return self._taken[0] + span - now
            self._taken.append(now)
            return 0.0
        self._tokens = min(float(self.burst), self._tokens + (now - self._at) * self.rate)
        self._at = now
        amount = min(amount, float(self.burst))
        if self._tokens >= amount:
            self._tokens -= amount
            return 0.0
        return (amount - self._tokens) / self.rate

    def reset(self) -> float:
        """Seconds until all is allowed again."""
        missing = self.burst - self._tokens if self.kind == "bucket" else len(self._taken)
        return missing / self.rate

    def left(self) -> int:
        """Requests that would be allowed at once now."""
        return int(self._tokens) if self.kind == "bucket" else self.burst - len(self._taken)


class Slots:
    """So many requests are served at once, the others queue in order of arrival."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._queue: OrderedDict[object, Callable[[], None]] = OrderedDict()

    def enter(self, who: object, start: Callable[[], None]) -> None:
        """Call ``start`` when a place is free."""
        if self._free:
            self._free -= 1
            start()
        else:
            self._queue[who] = start

    def leave(self, who: object) -> None:
        """The place of ``who``, or its place in the queue, is given up."""
        if self._queue.pop(who, None) is not None:
            return
        if self._queue:
            self._queue.popitem(last=False)[1]()
        else:
            self._free += 1


class PrefixCache:
    """Blocks of prompts, chained by hash so that only a shared beginning is shared (as vLLM's automatic prefix
    caching), the least recently used dropped first.

    Attributes:
        total, hits: blocks of all prompts, and those found.
        distinct: blocks that had to be computed by a cache without bounds.
    """

    def __init__(self, blocks: int) -> None:
        self.blocks = blocks
        self.total = self.hits = 0
        self._seen: set[bytes] = set()
        self._kept: OrderedDict[bytes, None] = OrderedDict()

    @property
    def best(self) -> int:
        """Hits that an unlimited cache would have had, in any order."""
        return self.total - len(self._seen)

    def see(self, text: str) -> int:
        """A prompt is computed.

        Returns:
            How many of its blocks were there.
        """
        chained, found, missed = b"", 0, False
        for start in range(0, len(text) - BLOCK + 1, BLOCK):
            part = text[start : start + BLOCK].encode("utf-8", "replace")
            chained = hashlib.blake2b(chained + part, digest_size=12).digest()
            self.total += 1
            self._seen.add(chained)
            missed = missed or chained not in self._kept
            if not missed:
                found += 1
            self._kept[chained] = None
            self._kept.move_to_end(chained)
            if len(self._kept) > self.blocks:
                self._kept.popitem(last=False)
        self.hits += found
        return found
