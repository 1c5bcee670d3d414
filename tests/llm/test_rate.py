"""The learnt rate against limiters of several kinds, on a clock that is simulated."""

from __future__ import annotations

import heapq
import random
import statistics
from dataclasses import dataclass

import pytest

from datagen.llm.rate import Pace
from tests.fakeserver_limits import Rate


@dataclass
class Outcome:
    span: float
    refused: int
    lost: int


def drive(
    server: Rate | float,
    count: int,
    *,
    concurrency: int = 64,
    latency: float = 0.2,
    back: float = 0.002,
    retry_after: float | None = None,
    seed: int = 0,
    pace: Pace | None = None,
    jitter: float = 0.0,
) -> Outcome:
    """Send ``count`` requests; a refused one is sent again after up to half a second.

    Args:
        server: a limiter, or the share that is refused at random.
        back: seconds until a refusal is back.
        jitter: seconds that each way takes at most, of the first hundred requests, while connections are made.
    """
    rng, pace = random.Random(seed), pace or Pace()
    begin = now = 1000.0
    due = [(now, n) for n in range(count)]  # when each may be sent
    events: list[tuple[float, int, str, float]] = []
    in_flight = refused = done = sent = 0
    while done < count:
        while in_flight < concurrency and due and due[0][0] <= now and pace.wait(now) <= 0:
            _, n = heapq.heappop(due)
            pace.sent(now)
            in_flight += 1
            sent += 1
            way = back / 2 + rng.random() * (jitter if sent < 100 else 0.0)
            heapq.heappush(events, (now + way, n, "arrives", now))
        times = [events[0][0]] if events else []
        if in_flight < concurrency and due:
            times.append(max(due[0][0], now + max(pace.wait(now), 1e-6)) + rng.random() * 0.001)
        now = max(now, min(times))
        assert now - begin < 3600, "it stands still"
        while events and events[0][0] <= now:
            at, n, what, sent_at = heapq.heappop(events)
            if what == "arrives":
                refuses = server.take(at) > 0 if isinstance(server, Rate) else rng.random() < server
                way = back / 2 + rng.random() * (jitter if sent < 200 else 0.0)
                heapq.heappush(events, (at + (way if refuses else latency), n, "no" if refuses else "yes", sent_at))
                continue
            in_flight -= 1
            if what == "yes":
                pace.let_in(sent_at)
                done += 1
            else:
                refused += 1
                pace.refused(sent_at, now, retry_after)
                heapq.heappush(due, (now + rng.random() * 0.25, n))
    return Outcome(now - begin, refused, count - done)


@pytest.mark.parametrize("retry_after", [None, 1.0])
@pytest.mark.parametrize("kind", ["bucket", "window"])
@pytest.mark.parametrize("rate", [20, 50])
def test_the_allowed_rate_is_used_up_with_few_refusals(rate: int, kind: str, retry_after: float | None) -> None:
    burst = rate if kind == "window" else rate // 10
    count = 70 * rate
    for seed in range(5):
        outcome = drive(Rate(rate, burst, kind), count, retry_after=retry_after, seed=seed)
        ideal = (count - burst) / rate
        assert outcome.span <= 1.03 * ideal
        assert outcome.refused <= 0.05 * (count + outcome.refused)


@pytest.mark.parametrize("retry_after", [None, 1.0])
@pytest.mark.parametrize(("kind", "burst"), [("bucket", 2), ("bucket", 20), ("window", 20)])
def test_a_first_guess_far_below_the_rate_is_soon_mended(kind: str, burst: int, retry_after: float | None) -> None:
    """On a slow network the first few requests say little about the rate."""
    for seed in range(8):
        outcome = drive(Rate(20, burst, kind), 1200, retry_after=retry_after, seed=seed, jitter=0.03)
        assert outcome.span <= 1.12 * (1200 - burst) / 20
        assert outcome.refused <= 0.09 * 1200


@pytest.mark.parametrize("retry_after", [None, 0.5, 1.0])
@pytest.mark.parametrize(("share", "times"), [(0.02, 1.3), (0.1, 1.4), (0.3, 8.0)])
def test_refusals_at_random_do_not_slow_everything_down(share: float, times: float, retry_after: float | None) -> None:
    """No limiter: some servers refuse at random, and slowing down does not help."""
    outcomes = [drive(share, 3000, retry_after=retry_after, seed=seed) for seed in range(7)]
    assert statistics.median(o.span for o in outcomes) <= times * 3000 / 64 * 0.2
    assert statistics.median(o.refused for o in outcomes) <= 1.5 * 3000 * share / (1 - share)


def test_a_quota_by_the_minute_costs_few_refusals() -> None:
    outcome = drive(Rate(2, 120, "window"), 360, latency=1.0)
    assert outcome.span <= 1.03 * 180 + 5
    assert outcome.refused <= 60


def test_a_long_retry_after_is_kept() -> None:
    pace = Pace()
    pace.sent(0.0)
    assert pace.refused(0.0, 0.1, 30.0) == "single"
    assert pace.wait(0.2) == pytest.approx(29.9)
    assert pace.wait(30.2) == 0


def test_nothing_is_paced_where_nothing_is_refused() -> None:
    outcome = drive(0.0, 6400)
    assert outcome.refused == 0
    assert outcome.span <= 100 * 0.2 * 1.02


def test_what_the_endpoint_says_of_its_limit_is_followed_before_it_refuses() -> None:
    pace = Pace()
    pace.sent(0.0)
    pace.let_in(0.0)
    pace.told(500, 400, 12.0)
    assert pace.rate is None, "plenty is left"
    pace.told(500, 20, 57.6)
    assert pace.rate == pytest.approx(480 / 57.6)
