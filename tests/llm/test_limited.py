"""Bounded concurrency, order, retries, Retry-After, and when to stop altogether."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter

import pytest

from datagen.core.errors import DatagenError, StoppedEarly, UsageError
from datagen.llm.backend import CallFailed, Reply, Request
from datagen.llm.faults import Fault, Rejected
from datagen.llm.limited import EARLY_LOOK, MAX_FAILED_IN_A_ROW, MAX_PAUSE_S, Limited
from tests.llm.support import QUICK, Scripted, question, reply, run


def failing(*faults: Exception) -> Scripted:
    """Raises the faults, one a call, then answers."""
    left = list(faults)

    async def answer(request: Request) -> Reply:
        await asyncio.sleep(0)
        if left:
            raise left.pop(0)
        return reply(request)

    return Scripted(answer)


def test_never_more_in_flight_than_allowed_and_all_are_answered() -> None:
    now = most = 0

    async def answer(request: Request) -> Reply:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.03)
        now -= 1
        return reply(request)

    async def main() -> None:
        limited = Limited(Scripted(answer), QUICK)
        replies = await asyncio.gather(*(limited.complete(question(str(i))) for i in range(200)))
        assert [r.key for r in replies] == [question(str(i)).key() for i in range(200)]

    run(main())
    assert most == QUICK.concurrency


def test_what_waits_is_served_by_priority_then_arrival() -> None:
    served: list[str] = []

    async def answer(request: Request) -> Reply:
        served.append(request.purpose)
        await asyncio.sleep(0)
        return reply(request)

    async def main() -> None:
        limited = Limited(Scripted(answer), QUICK.model_copy(update={"concurrency": 1}))
        asked = [("first", 9), ("b1", 1), ("b2", 1), ("a1", 0), ("c1", 2), ("a2", 0)]
        await asyncio.gather(*(limited.complete(question(n, purpose=n, priority=p)) for n, p in asked))

    run(main())
    assert served == ["first", "a1", "a2", "b1", "b2", "c1"]


def test_attempts_are_counted_and_faults_retried() -> None:
    limited = Limited(failing(Fault("http_500"), Fault("bad_envelope", "?")), QUICK)
    assert run(limited.complete(question())).attempts == 3


def test_after_the_last_attempt_the_call_has_failed() -> None:
    limited = Limited(failing(*[Fault("http_503", f"no {n}") for n in range(1, 9)]), QUICK)
    with pytest.raises(CallFailed) as caught:
        run(limited.complete(question()))
    assert (caught.value.reason, caught.value.attempts, caught.value.raw) == ("http_503", QUICK.attempts, "no 4")
    assert caught.value.key == question().key()


def test_a_refused_request_is_not_tried_again() -> None:
    limited = Limited(failing(Rejected(400, "too long"), Fault("http_500")), QUICK)
    with pytest.raises(CallFailed) as caught:
        run(limited.complete(question()))
    assert (caught.value.reason, caught.value.attempts, caught.value.raw) == ("http_400", 1, "too long")


def test_waits_are_drawn_from_a_doubling_ceiling() -> None:
    asked: list[float] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()

        async def answer(request: Request) -> Reply:
            asked.append(loop.time())
            raise Fault("http_500")

        config = QUICK.model_copy(update={"attempts": 5, "backoff_s": 0.02, "max_backoff_s": 0.08})
        with pytest.raises(CallFailed):
            await Limited(Scripted(answer), config, draw=lambda: 1.0).complete(question())

    run(main())
    waits = [b - a for a, b in itertools.pairwise(asked)]
    for wait, least in zip(waits, (0.02, 0.04, 0.08, 0.08), strict=True):
        assert wait >= least - 0.002


def test_a_request_that_waits_to_be_retried_holds_no_place() -> None:
    order: list[str] = []

    async def answer(request: Request) -> Reply:
        order.append(request.purpose)
        if request.purpose == "bad" and order.count("bad") == 1:
            raise Fault("http_500")
        return reply(request)

    async def main() -> None:
        config = QUICK.model_copy(update={"concurrency": 1})
        limited = Limited(Scripted(answer), config, draw=lambda: 1.0)
        await asyncio.gather(limited.complete(question(purpose="bad")), limited.complete(question(purpose="good")))

    run(main())
    assert order == ["bad", "good", "bad"]


def test_while_retry_after_lasts_nothing_new_starts() -> None:
    started: list[float] = []
    pause = 0.2

    async def main() -> None:
        loop = asyncio.get_running_loop()

        async def answer(request: Request) -> Reply:
            started.append(loop.time())
            await asyncio.sleep(0)  # so that the others wait for a place by now
            if len(started) == 1:
                raise Fault("http_429", retry_after=pause)
            return reply(request)

        limited = Limited(Scripted(answer), QUICK.model_copy(update={"concurrency": 1}))
        await asyncio.gather(*(limited.complete(question(str(i))) for i in range(5)))

    run(main())
    assert len(started) == 6
    assert min(started[1:]) - started[0] >= pause - 0.002


def test_a_very_long_retry_after_ends_the_run() -> None:
    limited = Limited(failing(Fault("http_429", retry_after=MAX_PAUSE_S + 1)), QUICK)
    with pytest.raises(StoppedEarly, match="pause of 10 minutes"):
        run(limited.complete(question()))


def test_a_slow_server_gets_more_time_at_the_next_attempt() -> None:
    limit_s = 0.1

    async def answer(request: Request) -> Reply:
        await asyncio.sleep(1.5 * limit_s)  # at the same limit, every attempt would end too early
        return reply(request)

    limited = Limited(Scripted(answer), QUICK.model_copy(update={"timeout_s": limit_s}))
    assert 1 < run(limited.complete(question())).attempts <= QUICK.attempts


def test_gone_when_nothing_answers_any_more() -> None:
    transport = failing(*[Fault("connection", "refused")] * 99)
    transport.there = False
    with pytest.raises(StoppedEarly) as caught:
        run(Limited(transport, QUICK).complete(question()))
    assert caught.value.exit_code == 3
    assert "same command again" in caught.value.fix


def test_at_the_start_of_a_run_a_missing_endpoint_is_seen_early() -> None:
    calls = 0

    async def answer(request: Request) -> Reply:
        nonlocal calls
        calls += 1
        raise Fault("connection", "refused")

    with pytest.raises(StoppedEarly):
        run(Limited(Scripted(answer, alive=False), QUICK).complete(question()))
    assert calls == EARLY_LOOK


def test_not_gone_while_something_answers() -> None:
    transport = failing(*[Fault("connection", "reset")] * 99)
    with pytest.raises(CallFailed) as caught:
        run(Limited(transport, QUICK).complete(question()))
    assert caught.value.reason == "connection"
    assert transport.looks >= 1


def test_not_gone_when_another_request_succeeds_meanwhile() -> None:
    async def main() -> None:
        limited: Limited

        async def answer(request: Request) -> Reply:
            if request.purpose == "bad":
                await limited.complete(question(purpose="good"))
                raise Fault("timeout")
            return reply(request)

        transport = Scripted(answer, alive=False)
        limited = Limited(transport, QUICK)
        with pytest.raises(CallFailed):
            await limited.complete(question(purpose="bad"))
        assert transport.looks == 0

    run(main())


def test_errors_alone_end_the_run() -> None:
    async def answer(request: Request) -> Reply:
        raise Fault("http_500", "down")

    async def main() -> Counter[str]:
        limited = Limited(Scripted(answer), QUICK.model_copy(update={"attempts": 1}))
        found: Counter[str] = Counter()
        for number in range(MAX_FAILED_IN_A_ROW + 5):
            try:
                await limited.complete(question(str(number)))
            except (CallFailed, StoppedEarly) as error:
                found[type(error).__name__] += 1
        return found

    assert run(main()) == {"CallFailed": MAX_FAILED_IN_A_ROW - 1, "StoppedEarly": 6}


def test_many_failures_of_their_own_do_not_end_the_run() -> None:
    async def answer(request: Request) -> Reply:
        if request.purpose == "canary":
            return reply(request)
        raise Fault("http_500", "poison")

    async def main() -> None:
        config = QUICK.model_copy(update={"attempts": 1})
        limited = Limited(Scripted(answer), config, canary=lambda model: question("c", model, purpose="canary"))
        for number in range(3 * MAX_FAILED_IN_A_ROW):
            with pytest.raises(CallFailed):
                await limited.complete(question(str(number)))

    run(main())


def test_a_canary_that_dies_ends_the_run() -> None:
    async def answer(request: Request) -> Reply:
        raise Fault("http_500", "down")

    async def main() -> None:
        config = QUICK.model_copy(update={"attempts": 1})
        limited = Limited(Scripted(answer), config, canary=question)
        asked = (limited.complete(question(str(number))) for number in range(MAX_FAILED_IN_A_ROW + 20))
        results = await asyncio.gather(*asked, return_exceptions=True)
        assert StoppedEarly in {type(r) for r in results}

    run(main())


def test_a_success_between_errors_starts_the_count_anew() -> None:
    async def main() -> None:
        async def answer(request: Request) -> Reply:
            if request.purpose == "good":
                return reply(request)
            raise Fault("http_500", "down")

        limited = Limited(Scripted(answer), QUICK.model_copy(update={"attempts": 1}))
        for number in range(2 * MAX_FAILED_IN_A_ROW):
            await limited.complete(question(str(number), purpose="good"))
            with pytest.raises(CallFailed):
                await limited.complete(question(str(number)))

    run(main())


def test_one_error_for_all_reaches_all_at_once() -> None:
    started = 0

    async def answer(request: Request) -> Reply:
        nonlocal started
        started += 1
        await asyncio.sleep(0.01)
        if request.purpose == "sleeper":
            raise Fault("http_429", retry_after=60)
        raise UsageError("The key is refused.", "It is wrong.", "Correct it.")

    async def main() -> None:
        limited = Limited(Scripted(answer), QUICK.model_copy(update={"concurrency": 2}))
        asked = [question(str(i), purpose="sleeper" if i == 0 else "x") for i in range(50)]
        results = await asyncio.gather(*(limited.complete(q) for q in asked), return_exceptions=True)
        assert all(isinstance(r, UsageError) for r in results)
        assert len({id(r) for r in results}) == 50  # each caller gets a copy, so tracebacks do not grow
        assert started == 2
        with pytest.raises(DatagenError):
            await limited.complete(question("later"))

    run(main())


def test_cancelled_callers_give_their_places_back() -> None:
    async def answer(request: Request) -> Reply:
        await asyncio.sleep(0.005)
        return reply(request)

    async def main() -> None:
        limited = Limited(Scripted(answer), QUICK.model_copy(update={"concurrency": 3}))
        tasks = [asyncio.create_task(limited.complete(question(str(i)))) for i in range(60)]
        for number, task in enumerate(tasks):
            if number % 3:
                await asyncio.sleep(0.001)
                task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(r, Reply) for r in results[::3])
        replies = await asyncio.gather(*(limited.complete(question(str(i))) for i in range(9)))
        assert len(replies) == 9

    run(main())
