"""The rate an endpoint allows: learnt from what it turns away, and from what it says of its limits."""

from __future__ import annotations

import math
from bisect import insort
from collections import deque
from itertools import takewhile
from typing import Literal

RAMP_S = 0.04  # the first requests: 8 in 40 ms, 24 in 80 ms, 56 in 120 ms …
IDLE_S = 0.15  # a pause that parts a first few requests from the row that follows
RAMP_FROM = 8
RAMP_UNTIL = 512
FIRST_PROBE_S = 1 / 32  # doubling, so that a limit by the second is probed after just a second
LAST_PROBE_S = 4.0
GROWTH = 0.002  # share by which the pace rises in a second; doubles every GROWTH_DOUBLES_S without a refusal
FIRST_GROWTH = 0.05  # the same until the first refusal of what was paced
BLIND_GROWTH = 0.3  # the same where the first pace rests on few requests
FEW = 8
BRACKET_S = 4.0  # in which the pace would rise again as far as a refusal brought it down
UNPROVEN = 0.5  # of the pace, below which a short span proves nothing
CUT = 0.993  # least that a refusal brings the pace down
GROWTH_DOUBLES_S = 2.0
HORIZON_S = 20.0  # refusals looked back on
RETRY = 0.1  # of the time between two requests, after which the next one tries
SPAN_S = 1.0  # shortest span that a rate is read from
ROUNDED_S = 2.0  # whole seconds up to here may have been rounded up
LATE = 2.0  # requests that may be made up for when a timer fires late
# So many among so many requests, in the order of sending, are not refused at random: where 1 in 10 is, such a row
# comes once in 100,000. A limiter refuses most of what goes beyond its rate.
ROWS = ((6, 7), (10, 18), (24, 100))
HEALTHY = 32  # requests answered, after which what a single refusal says is doubted
EPOCH = 40  # requests
UNRELIEVED = 0.08  # share refused, of an epoch, that pacing would have relieved if the rate were the cause
UNRELIEVED_EPOCHS = 3
SETTLED_S = 3.0  # after which a pace is near the rate
FALLEN = 0.6  # of the settled pace: what is still refused then is not refused for the rate
OFF_S = 30.0
LONG_EPOCH = 100  # requests
REALLY = 0.5  # share refused, of LONG_EPOCH requests, that is about the rate after all

Refusal = Literal["rate", "single", "rest"]


class Pace:
    """When the next request may go out.

    Nothing is paced until the endpoint refuses a request with HTTP 429. What it lets in between two
    refusals, divided by the time between them, is at most its rate (a limiter has nothing to spare at a
    refusal), and is just its rate where requests came faster than it allows. So the pace is set to the
    geometric mean of that lower bound and the pace that was refused, an upper bound, and rises from
    there, the faster the further the two lie apart and the longer nothing is refused: it stays about
    the rate, the endpoint is hardly ever idle, and what it refuses is a percent or two. Sends are spread
    evenly, because a limiter with a small burst refuses bunches.

    The first refusal closes the gate: single requests then find out, after 1/32, 1/16 … 1, 2, 4, 4 …
    seconds, when it opens. ``Retry-After`` is obeyed by all. One exception: 1 or 2 whole seconds may be a
    fraction, rounded up. A single request is sent after an eighth of that time, and if it is let in, the
    advice of this endpoint is known to be rounded; and where a pace is known, such advice is followed only
    after three refusals in a row.

    Some servers and proxies refuse at random, or for what a request holds. Single refusals among requests that
    are let in close nothing. The first ``Retry-After`` of such a one is obeyed by all, but a single request is
    sent after an eighth of it: if it is let in, what such refusals say is for the request that got it. And where
    slowing down does not relieve refusals, they are not about the rate: pacing then rests for a while.

    All times are in seconds of one clock. Not thread-safe.

    Attributes:
        rate: requests a second, or None where no limit is known.
    """

    def __init__(self) -> None:
        self.rate: float | None = None
        self._state: Literal["open", "closed", "paced"] = "open"
        self._sends = 0
        self._answered = 0
        self._refused = 0
        self._began: float | None = None  # the present row of requests
        self._before = 0  # let in before it
        self._last_sent = 0.0
        self._row = (0.0, 0)  # began and before of the row that was refused
        self._ramping = True
        self._turnaround = 0.002  # how fast refusals come back
        self._opens_at = 0.0
        self._next_at = 0.0
        self._grown_at = 0.0
        self._refused_at = 0.0
        self._marks: deque[tuple[float, int]] = deque()  # times of refusals, let in until then
        self._closed_at = 0.0
        self._probe_gap = FIRST_PROBE_S
        self._probe: float | None = None
        self._in_a_row = 0
        self._measured = False
        self._first_growth = FIRST_GROWTH
        self._growth = GROWTH
        self._scale = 1.0  # seconds the limit seems to count in
        self._early: float | None = None
        self._times: deque[float] = deque(maxlen=4 * RAMP_UNTIL)  # when the last requests went out
        self._turned_away: list[int] = []  # the last that were refused, by their numbers
        self._single = False  # the advice that comes with single refusals is for one request
        self._advice_is_rounded = False
        self._epoch = (0, 0)
        self._unrelieved = 0
        self._last_share = 0.0
        self._found_at = 0.0
        self._settled = 0.0
        self._off_until = 0.0
        self._off_s = OFF_S

    def wait(self, now: float) -> float:
        """Seconds until the next request may go out; 0: now."""
        if self._state == "closed":
            return self._wait_closed(now)
        if self._state == "paced":
            self._grow(now)
            return max(0.0, self._next_at - now)
        wait = max(0.0, self._opens_at - now)
        if wait and self._early is not None:
            wait = max(0.0, min(self._opens_at, self._early) - now)
        return max(wait, self._next_at - now) if self._ramping else wait

    def sent(self, now: float) -> None:
        """A request goes out."""
        let_in = self._sends - self._refused
        if self._began is None or (now - self._last_sent > IDLE_S and let_in - self._before < FEW):
            self._began, self._before = now, let_in
        self._last_sent = now
        self._sends += 1
        self._times.append(now)
        if self._ramping:
            self._ramping = self._sends < RAMP_UNTIL
            step = RAMP_S * math.log2(1 + 1 / (RAMP_FROM + self._sends))
            self._next_at = max(self._next_at, now - 0.002) + step
        if self._state == "closed":
            self._probe = now
        elif self._state == "open" and self._early is not None and now < self._opens_at:
            self._probe, self._early = now, None
        elif self._state == "paced" and self.rate is not None:
            gap = 1 / self.rate
            self._next_at = max(self._next_at, now - LATE * gap) + gap
            self._count_epoch(now)

    def let_in(self, sent_at: float) -> None:
        """A request was answered with anything but a refusal."""
        self._answered += 1
        if self._state == "closed" and sent_at >= self._closed_at:
            self._open_up(sent_at)
        elif self._state == "open" and self._probe is not None and sent_at >= self._probe:
            self._probe, self._opens_at, self._single = None, 0.0, True

    def refused(self, sent_at: float, now: float, retry_after: float | None) -> Refusal:
        """A request was answered with HTTP 429.

        Args:
            sent_at: when it went out.
            retry_after: seconds the endpoint asks to wait.

        Returns:
            Whether the rate is to blame, or this is a single refusal, or pacing rests.
        """
        self._refused += 1
        later = sum(1 for _ in takewhile(lambda at: at > sent_at, reversed(self._times)))
        insort(self._turned_away, self._sends - later)
        del self._turned_away[: -ROWS[-1][0]]
        self._turnaround = max(now - sent_at, 0.7 * self._turnaround)
        if now < self._off_until:
            self._count_epoch(now)
            self._obey_alone(retry_after, now)
            return "rest"
        if self._state == "open":
            probed = self._probe is not None and sent_at >= self._probe
            if not probed and not self._in_rows():
                self._obey_alone(retry_after, now)
                return "single"
            self._close(now)
            if probed:
                self._early = math.inf  # it was tried: the first advice stands
                return "rate"
        elif self._state == "closed":
            if sent_at >= self._closed_at:
                self._probe = None
        elif sent_at >= self._refused_at:
            self._slow_down(sent_at, now)
        self._obey(retry_after, now)
        return "rate"

    def _in_rows(self) -> bool:
        """Are the last refusals too many for single ones?"""
        numbers = self._turned_away
        return any(len(numbers) >= k and numbers[-1] - numbers[-k] < n for k, n in ROWS)

    def _obey_alone(self, retry_after: float | None, now: float) -> None:
        """Hold all back for what a single refusal says, until that is known to be for one request."""
        if retry_after is None or (self._single and retry_after <= ROUNDED_S):
            return
        if now + retry_after > self._opens_at:
            doubted = retry_after == int(retry_after) or self._answered >= HEALTHY
            if doubted and self._opens_at <= now and retry_after <= ROUNDED_S:
                self._early = now + retry_after / 8
            self._opens_at = now + retry_after

    def told(self, limit: float, remaining: float, reset_s: float, per_request: float = 1.0) -> None:
        """What the endpoint says in ``x-ratelimit-*`` headers (OpenAI, "Rate limits": headers).

        The refill is what is missing divided by the time until nothing is; that holds whether the limit
        counts by the second, minute or day. It is followed once little is left.

        Args:
            limit, remaining: requests, or tokens.
            reset_s: seconds until ``remaining`` is ``limit`` again.
            per_request: of what is counted, used by one request.
        """
        if self.rate is not None or self._began is None or reset_s <= 0 or not limit > remaining >= 0:
            return
        if remaining > 0.1 * limit:
            return
        refill = (limit - remaining) / reset_s / per_request
        self.rate = refill
        self._state = "paced"
        self._next_at = self._grown_at = self._began
        self._epoch = (self._sends, self._refused)

    def _wait_closed(self, now: float) -> float:
        if self._probe is not None:  # refusals come back fast: what was not refused by then was let in
            presumed = self._probe + max(0.01, 3 * self._turnaround)
            if now < presumed:
                return presumed - now
            self._open_up(self._probe)
            return max(0.0, self._next_at - now)
        due = self._closed_at + self._probe_gap
        if self._opens_at > now:
            due = self._opens_at
            if self._early is not None:
                due = min(due, self._early)
        return max(0.0, due - now)

    def _close(self, now: float) -> None:
        self._state = "closed"
        self._ramping = self._single = False
        self._early = self._probe = None
        self._closed_at = now
        self._probe, self._probe_gap = None, FIRST_PROBE_S
        self._row = (now if self._began is None else self._began, self._before)

    def _obey(self, retry_after: float | None, now: float) -> None:
        if self._state == "closed" and self._probe is None:
            while self._closed_at + self._probe_gap <= now:
                self._probe_gap += min(self._probe_gap, LAST_PROBE_S)
        if retry_after is None:
            return
        rounded = 0 < retry_after <= ROUNDED_S and retry_after == int(retry_after)
        if rounded and (self._advice_is_rounded or self._state == "paced" or now < self._off_until):
            return
        opens_at = now + retry_after
        if self._early is not None and now >= self._early:
            self._early = math.inf  # it was tried: the first advice stands
        elif opens_at > self._opens_at:
            new = self._opens_at <= now
            self._opens_at = opens_at
            if self._state == "paced":
                self._next_at = max(self._next_at, opens_at)
            if rounded and new and self._state == "closed" and self._early is None:
                self._early = now + retry_after / 8

    def _open_up(self, sent_at: float) -> None:
        """A request was let in again, sent at that time."""
        if self._early is not None and sent_at < self._opens_at:
            self._advice_is_rounded = True
            self._opens_at = 0.0
        self._early = None
        self._state = "paced"
        self._probe = None
        self._in_a_row = 0
        self._scale = max(1.0, self._scale, sent_at - self._closed_at)
        # Refusals of what went out before the gate closed have all come back by now.
        inside = self._sends - 1 - self._refused
        self._marks.clear()
        self._marks.append((sent_at, inside))
        if self.rate is None:
            self._measured = False
            self._found_at = self._settled = 0.0
            self._epoch = (self._sends, self._refused)
            since, before = self._row
            self._first_growth = BLIND_GROWTH if inside - before < FEW else FIRST_GROWTH
            self.rate = max(1, inside - before) / max(sent_at - since, FIRST_PROBE_S)
        self._next_at = sent_at + 1 / self.rate
        self._grown_at = self._refused_at = sent_at

    def _slow_down(self, sent_at: float, now: float) -> None:
        assert self.rate is not None
        inside = self._sends - self._refused
        self._in_a_row = self._in_a_row + 1 if self._marks and self._marks[-1][1] == inside else 1
        least, refused = self._least(sent_at, inside), self.rate
        self.rate = min(CUT * self.rate, math.sqrt(least * min(self.rate, 1.5 * least)))
        self._growth = min(max(GROWTH, math.log(refused / self.rate) / BRACKET_S), 2 * FIRST_GROWTH)
        if not self._measured:  # what lay spare when the gate opened is used up only now
            self._measured = True
            self._marks.clear()
        self._marks.append((sent_at, inside))
        while len(self._marks) > 2 and self._marks[1][0] < now - HORIZON_S:
            self._marks.popleft()
        self._refused_at = self._grown_at = now
        self._next_at = now + RETRY / max(least, 1e-3)
        self._found_at = self._found_at or now
        if not self._settled and now >= self._found_at + SETTLED_S * self._scale:
            self._settled = self.rate
        if self.rate < FALLEN * self._settled:
            self._rest(now)
        elif self._in_a_row >= 3:  # not a percent too fast, but closed
            self.rate = min(self.rate, least)
            self._close(now)

    def _least(self, sent_at: float, inside: int) -> float:
        """The highest rate that what was let in since an earlier refusal proves."""
        assert self.rate is not None
        spans = [(inside - count, sent_at - at) for at, count in self._marks]
        proven = [(n - 1) / span for n, span in spans if span >= SPAN_S and n > 1]
        if proven and self._first_growth == BLIND_GROWTH and not self._measured:
            # The pace rose steeply, and hardly anything lay spare: what was let in last shows more than the mean.
            lately = sum(1 for _ in takewhile(lambda at: at > sent_at - SPAN_S, reversed(self._times)))
            proven.append((lately - 2) / SPAN_S)
        if proven:
            return min(max(proven), self.rate)
        count, span = spans[0] if spans else (1, 1.0)
        # So short a span may lie in a gap between two bunches that were let in.
        return min(max(max(count, 1) / max(span, 1e-3), UNPROVEN * self.rate), self.rate)

    def _grow(self, now: float) -> None:
        assert self.rate is not None
        quiet, step = now - self._refused_at, now - self._grown_at
        if step < 0.05:
            return
        base = self._growth if self._measured else self._first_growth
        share = base / self._scale * 2 ** min(quiet / GROWTH_DOUBLES_S / self._scale, 20)
        self.rate *= 1 + min(1.0, share) * min(step, 1.0)
        self._grown_at = now
        if self.rate > 1e4:
            self._state, self.rate = "open", None

    def _count_epoch(self, now: float) -> None:
        sends, refused = self._sends - self._epoch[0], self._refused - self._epoch[1]
        if sends < (LONG_EPOCH if now < self._off_until else EPOCH):
            return
        share = refused / sends
        self._epoch = (self._sends, self._refused)
        if now < self._off_until:
            if share > REALLY:
                self._off_until = 0.0
            return
        stays = share > max(UNRELIEVED, 0.7 * self._last_share)
        self._unrelieved, self._last_share = (self._unrelieved + 1 if stays else 0), share
        if self._unrelieved >= UNRELIEVED_EPOCHS:
            self._rest(now)

    def _rest(self, now: float) -> None:
        """Pace nothing for a while."""
        self._unrelieved = 0
        self._off_until, self._off_s = now + self._off_s, 2 * self._off_s
        self._state, self.rate = "open", None
        self._began, self._epoch = now, (self._sends, self._refused)
