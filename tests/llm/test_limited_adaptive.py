"""The parts that adapt: window, time limits, breaker, and how they work together."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from datagen.core.errors import StoppedEarly
from datagen.llm.backend import Reply, Request
from datagen.llm.breaker import OPENS_AT, Breaker
from datagen.llm.faults import Fault
from datagen.llm.latency import ENOUGH, FLOOR_S, MOST, Latency
from datagen.llm.limited import Limited
from datagen.llm.window import Window
from tests.llm.support import QUICK, Scripted, question, reply, run


def serve(window: Window, slots: int, seconds: float, service: float = 0.2) -> float:
    """A server with so many places and a queue, in simulated time; answers a second in the second half."""
    latency = Latency(120.0)
    now, free, done = 0.0, [0.0] * slots, 0
    flying: list[tuple[float, float]] = []
    while now < seconds:
        while len(flying) < window.limit:
            free.sort()
            start = max(now, free[0])
            free[0] = start + service
            flying.append((free[0], now))
            flying.sort()
        now, sent_at = flying.pop(0)
        done += now > seconds / 2
        window.good(sent_at, now, latency.add("x", now - sent_at))
    return done / (seconds / 2)


def test_a_server_that_queues_gets_about_what_it_serves_at_once() -> None:
    window = Window(64)
    assert serve(window, 16, 200.0) >= 0.98 * 16 / 0.2
    assert 16 <= window.limit <= 40


def test_a_server_that_serves_all_keeps_the_whole_window() -> None:
    window = Window(64)
    assert serve(window, 64, 60.0) >= 0.98 * 64 / 0.2
    assert window.limit == 64


def test_overload_halves_and_recovery_grows_back() -> None:
    window = Window(64)
    for _ in range(200):
        window.bad(1.0, 1.0)
    assert window.limit == 32, "what was sent before the first decrease says nothing new"
    for step in range(20):
        for _ in range(64):
            window.bad(2.0 + step, 2.0 + step)
    assert window.limit == 1
    for step in range(4000):
        window.good(100.0 + step, 100.2 + step, 1.0)
    assert window.limit == 64


def test_a_few_errors_at_random_shrink_nothing() -> None:
    window = Window(64)
    for step in range(1000):
        (window.bad if step % 10 == 0 else lambda s, n: window.good(s, n, 1.0))(float(step), float(step))
    assert window.limit == 64


def test_time_limits_follow_what_is_observed() -> None:
    latency = Latency(120.0)
    assert latency.limit_s("x") == 120.0
    for _ in range(2 * ENOUGH):
        latency.add("x", 0.2)
        latency.add("slow", 60.0)
        latency.add("slower", 300.0)
    assert latency.limit_s("x") == FLOOR_S
    assert latency.limit_s("slow") == 240.0
    assert latency.limit_s("slower") == MOST * 120.0
    assert latency.limit_s("other") == 120.0
    assert Latency(2.0).limit_s("x") == 2.0


def test_the_breaker_opens_on_a_row_and_is_harder_to_open_when_it_was_wrong() -> None:
    breaker = Breaker()
    assert [breaker.failed(0.0) for _ in range(OPENS_AT)] == [False] * (OPENS_AT - 1) + [True]
    breaker.close(1.0)
    assert not any(breaker.failed(0.5) for _ in range(1000)), "they were sent before"
    assert [breaker.failed(2.0) for _ in range(4 * OPENS_AT)].index(True) == 4 * OPENS_AT - 1
    breaker.close(3.0)
    breaker.succeeded()
    assert [breaker.failed(4.0) for _ in range(OPENS_AT)][-1]


def test_a_storm_costs_no_more_than_what_was_in_flight_and_loses_nothing() -> None:
    down, sent = True, 0

    async def answer(request: Request) -> Reply:
        nonlocal sent
        sent += 1
        await asyncio.sleep(0.001)
        if down:
            raise Fault("http_503", "down")
        return reply(request)

    async def main() -> None:
        nonlocal down
        config = QUICK.model_copy(update={"backoff_s": 0.05, "max_backoff_s": 0.1, "attempts": 6})
        limited = Limited(Scripted(answer), config, canary=lambda model: question("c", purpose="canary"))
        tasks = [asyncio.create_task(limited.complete(question(str(n)))) for n in range(100)]
        await asyncio.sleep(0.2)
        assert sent <= config.concurrency + 6, "the breaker holds everybody back"
        down = False
        replies = await asyncio.gather(*tasks)
        assert len(replies) == 100
        assert sent <= 100 + 2 * config.concurrency + 8

    run(main())


def test_a_storm_that_does_not_end_stops_the_run() -> None:
    async def answer(request: Request) -> Reply:
        await asyncio.sleep(0)
        raise Fault("http_503", "down")

    async def main() -> None:
        # Without jitter: a request that hardly ever waits could use up its attempts among the first dozen.
        limited = Limited(Scripted(answer), QUICK, draw=lambda: 1.0, canary=lambda model: question("c"))
        results = await asyncio.gather(
            *(limited.complete(question(str(n))) for n in range(100)), return_exceptions=True
        )
        assert {type(r) for r in results} == {StoppedEarly}

    run(main())


def test_a_free_fault_is_no_attempt_and_all_wait_until_it_is_ready() -> None:
    ready = asyncio.Event()
    sent_while_down = 0

    class Restarting(Scripted):
        async def ready(self) -> None:
            await ready.wait()

    async def answer(request: Request) -> Reply:
        nonlocal sent_while_down
        await asyncio.sleep(0)
        sent_while_down += not ready.is_set()
        if next(faults, None):
            ready.clear()
            asyncio.get_running_loop().call_later(0.05, ready.set)
            raise Fault("connection", "the engine died", free=True)
        return reply(request)

    faults = iter([True] * 40)

    async def main() -> None:
        asyncio.get_running_loop().call_later(0.05, ready.set)
        limited = Limited(Restarting(answer), QUICK.model_copy(update={"attempts": 2}))
        replies = await asyncio.gather(*(limited.complete(question(str(n))) for n in range(30)))
        assert len(replies) == 30

    run(main())
    assert sent_while_down <= 40 + QUICK.concurrency


def test_a_server_that_is_started_again_while_the_breaker_is_open_loses_nothing() -> None:
    class Restarting(Scripted):
        async def ready(self) -> None:
            nonlocal state
            if state == "ended":
                state = "well"

    state = "ill"

    async def answer(request: Request) -> Reply:
        nonlocal state
        await asyncio.sleep(0.001)
        if state == "ill" and request.purpose == "canary":
            state = "ended"  # as of a server that hangs and is ended while everybody waits
        if state == "ill":
            raise Fault("http_500", "down")
        if state == "ended":
            raise Fault("engine", "the server does not run", free=True)
        return reply(request)

    async def main() -> None:
        canary = question("c", purpose="canary")
        # Without jitter, as above.
        limited = Limited(Restarting(answer), QUICK, draw=lambda: 1.0, canary=lambda model: canary)
        assert len(await asyncio.gather(*(limited.complete(question(str(n))) for n in range(100)))) == 100

    run(main())
    assert state == "well"


def test_a_transport_that_never_gets_ready_stops_everybody() -> None:
    class Broken(Scripted):
        async def ready(self) -> None:
            await asyncio.sleep(0.01)
            raise StoppedEarly("It does not start.", "No memory.", "Free some.")

    async def never(request: Request) -> Reply:
        raise AssertionError("nothing may be sent")

    async def main() -> None:
        limited = Limited(Broken(never), QUICK)
        results = await asyncio.gather(*(limited.complete(question(str(n))) for n in range(30)), return_exceptions=True)
        assert {type(r) for r in results} == {StoppedEarly}

    run(main())


def test_refusals_for_the_rate_are_no_attempts() -> None:
    """More refusals of one request than it has attempts, and it is answered all the same."""
    refusals = itertools.count()

    async def answer(request: Request) -> Reply:
        await asyncio.sleep(0)
        if next(refusals) < 8:
            raise Fault("http_429", "slow down")
        return reply(request)

    limited = Limited(Scripted(answer), QUICK.model_copy(update={"attempts": 2}))
    assert run(limited.complete(question())).attempts == 9


def test_a_request_that_is_refused_while_others_are_let_in_fails_alone() -> None:
    async def answer(request: Request) -> Reply:
        await asyncio.sleep(0.001)
        if request.purpose == "poison":
            raise Fault("http_429", "not you")
        return reply(request)

    async def main() -> None:
        limited = Limited(Scripted(answer), QUICK, canary=lambda model: question("c", purpose="canary"))
        asked = [question(str(n), purpose="poison" if n == 3 else "good") for n in range(60)]
        results = await asyncio.gather(*(limited.complete(q) for q in asked), return_exceptions=True)
        failed = [r for r in results if not isinstance(r, Reply)]
        assert [getattr(f, "reason", f) for f in failed] == ["http_429"]

    run(main())


def test_a_hang_is_given_up_when_later_requests_have_been_answered() -> None:
    hung = 0

    async def answer(request: Request) -> Reply:
        nonlocal hung
        if request.purpose == "x" and "hang" in request.messages[0].content and not hung:
            hung += 1
            await asyncio.sleep(1000)
        await asyncio.sleep(0.001)
        return reply(request)

    async def main() -> None:
        limited = Limited(Scripted(answer), QUICK.model_copy(update={"timeout_s": 1000.0}))
        for n in range(2 * ENOUGH):
            await limited.complete(question(str(n), purpose="x"))
        limited._latency._kinds["x"].slow = 0.02  # as after many quick answers on a quick network
        limited._latency.timeout_s = 0.1
        task = asyncio.create_task(limited.complete(question("hang", purpose="x")))
        await asyncio.sleep(0.01)
        await limited.complete(question("later", purpose="x"))
        assert (await task).attempts == 2

    run(main())


@pytest.mark.parametrize("limit", [1, 3, 16])
def test_within_a_priority_requests_go_out_in_order_of_arrival(limit: int) -> None:
    served: list[str] = []

    async def answer(request: Request) -> Reply:
        served.append(request.purpose)
        await asyncio.sleep(0)
        return reply(request)

    async def main() -> None:
        limited = Limited(Scripted(answer), QUICK.model_copy(update={"concurrency": limit}))
        await asyncio.gather(*(limited.complete(question(str(n), purpose=str(n))) for n in range(100)))

    run(main())
    assert served == [str(n) for n in range(100)]
