"""How many requests may be in flight: shrinks when the endpoint is overloaded, grows when it is not."""

from __future__ import annotations

OVERLOADED = 0.2  # share of an epoch's requests that must meet overload before anything shrinks
EPOCH = 8  # requests at least
QUEUE_EPOCH = 32
STRETCH = 2.0  # times the latency of a free server, of the fastest tenth: then requests queue there
TRIAL = 0.8  # of the window, tried while requests queue
SAME = 0.95  # of the throughput: as much as before
HOLD_S = 30.0


class Window:
    """The number of requests allowed in flight.

    It starts at its ceiling, because a healthy endpoint is to be used in full at once. Increase is
    additive and decrease multiplicative, which is what makes several clients of one server converge to
    fair shares (D.-M. Chiu and R. Jain, "Analysis of the increase and decrease algorithms for congestion
    avoidance in computer networks", 1989). The decrease is by half the *share* of requests that met
    overload (M. Alizadeh et al., "Data Center TCP", 2010), looked at once a window, and only from a fifth
    on: single errors that come at random say nothing about load. Growth is by one an answer up to half of
    where overload was met, then by one a window.

    A server that queues (vLLM does) never refuses. There, latency rises without more work being done: when
    even the fastest tenth takes twice as long as on a free server, twice in a row, a window smaller by a fifth
    is tried, and kept if as much is answered a second as before. What waits then waits here, in order of priority.

    Attributes:
        size: requests; at least 1.
    """

    def __init__(self, ceiling: int) -> None:
        self.size = float(ceiling)
        self._ceiling = float(ceiling)
        self._threshold = float(ceiling)
        self._good = self._bad = 0
        self._since = -1.0  # what was sent until then is of an earlier epoch
        self._stretches: list[float] = []
        self._began: float | None = None
        self._queued = False
        self._stretched = False  # at the last look
        self._skip = False
        self._trial: tuple[float, float] | None = None  # size and throughput before it
        self._hold_until = 0.0
        self._hold_s = HOLD_S

    @property
    def limit(self) -> int:
        """Requests in flight, as a whole number."""
        return max(1, int(self.size))

    def good(self, sent_at: float, now: float, stretch: float) -> None:
        """A request was answered.

        Args:
            stretch: its latency, in multiples of what such a request takes on a free server.
        """
        if sent_at > self._since:
            self._good += 1
            if self.size < self._ceiling and not self._queued:
                self.size = min(self._ceiling, self.size + (1.0 if self.size < self._threshold else 1 / self.size))
            self._end_epoch(now)
        if self._began is None:
            self._began = now
        self._stretches.append(stretch)
        if len(self._stretches) >= max(QUEUE_EPOCH, 8 * self.size):
            self._look_at_queue(now)

    def bad(self, sent_at: float, now: float) -> None:
        """A request met overload: HTTP 503, a connection that is not accepted."""
        if sent_at > self._since:
            self._bad += 1
            self._end_epoch(now)

    def restart(self, now: float) -> None:
        """The endpoint answers again after it answered nobody: begin with one, and double."""
        self._threshold = max(1.0, self.size / 2)
        self.size = 1.0
        self._good = self._bad = 0
        self._since = now

    def _end_epoch(self, now: float) -> None:
        count = self._good + self._bad
        if count < max(EPOCH, self.size):
            return
        share = self._bad / count
        self._good = self._bad = 0
        if share >= OVERLOADED:
            self.size = max(1.0, self.size * (1 - share / 2))
            self._threshold = max(1.0, self.size / 2)
            self._since = now

    def _look_at_queue(self, now: float) -> None:
        found = sorted(self._stretches)
        fastest = found[len(found) // 10]
        throughput = len(found) / max(now - (self._began or 0.0), 1e-6)
        self._stretches.clear()
        self._began = now
        if self._skip:  # half of these were sent before the window changed
            self._skip = False
            return
        before_too, self._stretched = self._stretched, fastest > STRETCH
        self._queued = fastest > 0.75 * STRETCH
        if self._trial is not None:
            before, reached = self._trial
            self._trial = None
            if throughput < SAME * reached:
                self.size, self._queued = before, False
                self._hold_until, self._hold_s = now + self._hold_s, 2 * self._hold_s
                return
        if self._stretched and before_too and self.size > 1 and now >= self._hold_until:
            self._trial = (self.size, throughput)
            self.size = max(1.0, TRIAL * self.size)
            self._skip = True
