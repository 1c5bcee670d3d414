"""What may be spent is never crossed, is used up, and is never spent twice: against a server that bills."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from datagen.core.errors import StoppedEarly, UsageError
from datagen.core.record import Message
from datagen.llm import connect, loop
from datagen.llm.backend import CallFailed, Reply, Request
from datagen.llm.batch_store import waiting
from datagen.llm.budget import CANARY, Budget, Budgeted, BudgetedBackend, Limits, prompt_bound
from datagen.llm.cached import Cached, CallLog
from datagen.llm.config import ClientConfig
from datagen.llm.connect import Endpoint, open_backend, open_log, resolve
from datagen.llm.dialect import Dialects
from datagen.llm.faults import Fault, Rejected
from datagen.llm.limited import Limited
from datagen.llm.prices import Price
from tests.fakebatch import fake_batches
from tests.fakeserver import FakeServer, fake_server
from tests.llm.support import QUICK, Scripted, question, run

BUDGETS = 200
PRICES = {"cheap": Price(input=1, output=4), "dear": Price(input=20, output=90)}
TABLE = "models: {cheap: {input: 1, output: 4}, dear: {input: 20, output: 90}, fake-model: {free: true}}\n"
FAULTS = dict.fromkeys(("500", "503", "drop_before", "drop_after", "truncated", "utf8", "length", "429"), 0.05)
SCRIPT = '''
def reply(payload, key):
    """As long as it likes, up to what the request allows: four characters are a token."""
    return "word" * (int(key[:6], 16) % (payload["max_tokens"] - 1))
'''


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    connect.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeServer]:
    folder = tmp_path_factory.mktemp("budget")
    (folder / "script.py").write_text(SCRIPT)
    options = {"script": folder / "script.py", "journal": folder / "journal", "latency_ms": 2, "sigma": 0.5}
    with fake_server(models=["cheap", "dear", "fake-model"], faults=FAULTS, **options) as started:
        yield started


def dollars(tokens: dict[str, list[int]]) -> float:
    return sum(PRICES[m].cost(*tokens[m]) for m in PRICES if m in tokens)


def billed(server: FakeServer) -> dict[str, list[int]]:
    found: dict[str, list[int]] = server.stats()["billed"]
    return found


def since(server: FakeServer, before: dict[str, list[int]]) -> dict[str, list[int]]:
    now = billed(server)
    return {m: [b - a for a, b in zip(before.get(m, [0, 0]), now[m], strict=True)] for m in now}


def worst(request: Request) -> tuple[int, float]:
    """Tokens and dollars that a request can cost at most, counted apart from the code under test."""
    size = sum(len(m.content.encode()) for m in request.messages) + 200
    return size + request.params["max_tokens"], PRICES[request.model].cost(size, request.params["max_tokens"])


def ask_all(at: Endpoint, requests: list[Request]) -> tuple[set[str], StoppedEarly | None]:
    """Which requests came to an end, and the error that stopped the others."""
    ended: set[str] = set()

    async def one(request: Request) -> None:
        backend = open_backend(at.model_copy(update={"model": request.model}))
        with contextlib.suppress(CallFailed):
            await backend.complete(request)
        ended.add(request.key())

    try:
        loop.run(loop.gather_lazily(one, requests, at.in_flight))
    except StoppedEarly as error:
        return ended, error
    return ended, None


@pytest.mark.slow
def test_200_budgets(server: FakeServer, tmp_path: Path) -> None:
    """Any limit in either currency, any concurrency, two models, faults on the way, then a larger limit."""
    (tmp_path / "prices.yaml").write_text(TABLE)
    stops = Counter[str]()
    for number in range(BUDGETS):
        rng = random.Random(number)
        requests = [
            Request(
                model=rng.choice(["cheap", "cheap", "dear"]),
                messages=(Message(role="user", content=f"{number}/{n} " + rng.choice("aé水 ") * rng.randint(0, 900)),),
                params={"max_tokens": rng.choice([8, 64, 256, 1024]), "seed": number},
            )
            for n in range(rng.randint(3, 14))
        ]
        concurrency = rng.choice([1, 2, 4, 16, 64])
        in_dollars = number % 2
        total = sum(worst(request)[in_dollars] for request in requests)
        limit = total * rng.uniform(0.02, 0.9)
        before = billed(server)
        larger = 0.0
        answered: set[str] = set()
        for session in range(2):
            larger = limit * (1, rng.uniform(1.1, 3))[session]
            limits = Limits(usd=larger) if in_dollars else Limits(tokens=int(larger))
            at = Endpoint(
                base_url=server.url,
                client=ClientConfig(concurrency=concurrency, timeout_s=5, attempts=3, backoff_s=0.001),
                log_path=str(tmp_path / f"{number}.sqlite"),
                limits=limits,
                prices=str(tmp_path / "prices.yaml"),
            )
            ended, error = ask_all(at, requests)
            answered |= ended
            log = open_log(at.log_path)
            spent = Budget(log, limits, PRICES.get).spent
            connect.close()
            tokens = since(server, before)
            cost = dollars(tokens) if in_dollars else sum(map(sum, tokens.values()))
            assert cost <= larger + 1e-9, f"budget {number}: {cost} billed of {larger}"
            known = spent.usd if in_dollars else spent.tokens
            assert cost <= known + 1e-9, f"budget {number}: {cost} billed, {known} known of"
            if error is None:
                assert len(answered) == len(requests)
            else:
                most = max(worst(r)[in_dollars] for r in requests if r.key() not in answered)
                assert known + most > larger, f"budget {number} stopped with {known} of {larger} spent"
                assert "spent" in error.why
                assert ("--max-usd" if in_dollars else "--max-tokens") in error.fix
            stops[f"session {session}: {'stopped' if error else 'done'}"] += 1
    assert min(stops.values()) >= 10, stops  # every outcome was met
    served = Counter(entry["key"] for entry in server.journal() if entry["fault"] in (None, "length"))
    assert max(served.values()) == 1, "nothing that was answered was asked again"


def wait_for(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.01)


def request(tokens: int = 100, text: str = "x", model: str = "cheap", **more: Any) -> Request:
    return Request(model=model, messages=(Message(role="user", content=text),), params={"max_tokens": tokens}, **more)


def answer(to: Request, read: int = 10, written: int = 5, text: str = "word") -> Reply:
    return Reply(key=to.key(), text=text, prompt_tokens=read, completion_tokens=written)


class Transport(Scripted):
    """One that the budget can be put around."""

    dialects = Dialects()

    async def models(self, limit_s: float) -> tuple[str, ...] | None:
        return None


def test_what_waits_goes_on_when_others_settle_and_the_wait_is_no_attempt() -> None:
    """Forty at once where one fits at a time: all are answered, one after another, each with one request."""
    most = 0
    inside = 0

    async def slow(asked: Request) -> Reply:
        nonlocal most, inside
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.001)
        inside -= 1
        return answer(asked)

    async def main() -> list[Reply]:
        one = sum(worst(request()))  # tokens and a few dollars: a little more than one, less than two
        budget = Budget(CallLog(""), Limits(tokens=int(one * 1.5) + 40 * 15), PRICES.get)
        limited = Limited(Budgeted(Transport(slow), budget), QUICK)
        return await asyncio.gather(*(limited.complete(request(text=f"{n:02d}")) for n in range(40)))

    replies = run(main())
    assert {r.attempts for r in replies} == {1}
    assert most < 10


def test_what_is_in_flight_is_finished_and_kept_before_the_run_stops() -> None:
    """A large question does not fit any more while small ones are under way: they are kept, then it stops."""
    log = CallLog("")

    async def slow(asked: Request) -> Reply:
        await asyncio.sleep(0.02)
        return answer(asked)

    async def main() -> list[Any]:
        budget = Budget(log, Limits(tokens=1500), PRICES.get)
        backend = Cached(Limited(Budgeted(Transport(slow), budget), QUICK), log)
        small = [request(text=f"small {n}") for n in range(3)]
        large = request(5000, "large")
        return await asyncio.gather(*(backend.complete(r) for r in [*small, large]), return_exceptions=True)

    *small, large = run(main())
    assert all(isinstance(reply, Reply) for reply in small)
    assert isinstance(large, StoppedEarly)
    assert "45 of 1,500 tokens are spent" in large.why
    assert sum(t.calls for t in log.totals()) == 3


def test_two_endpoints_share_one_budget_and_stop_together() -> None:
    async def main() -> list[Any]:
        log = CallLog("")
        budget = Budget(log, Limits(usd=0.02), PRICES.get)

        async def slow(asked: Request) -> Reply:
            await asyncio.sleep(0.001)
            return answer(asked, 20, 90)

        drivers = [Limited(Budgeted(Transport(slow), budget), QUICK) for _ in range(2)]
        asked = [request(text=f"{n}", model=("cheap", "dear")[n % 2]) for n in range(30)]
        done = await asyncio.gather(*(drivers[n % 2].complete(r) for n, r in enumerate(asked)), return_exceptions=True)
        assert budget.spent.usd <= 0.02
        return done

    done = run(main())
    assert {type(each) for each in done} == {Reply, StoppedEarly}


@pytest.mark.parametrize(
    ("fault", "counted"),
    [
        (Fault("connection", sent=False), False),
        (Fault("connection"), True),
        (Fault("truncated"), True),
        (Fault("http_500"), False),
        (Fault("http_503"), False),
        (Fault("http_504"), True),
        (Rejected(400, "no"), False),
    ],
)
def test_what_may_have_been_billed_is_counted_and_remembered(fault: Exception, counted: bool) -> None:
    log = CallLog("")

    async def lose(asked: Request) -> Reply:
        raise fault

    async def main() -> int:
        budget = Budget(log, Limits(tokens=1000), PRICES.get)
        with pytest.raises(type(fault)):
            await Budgeted(Transport(lose), budget).complete(request())
        return budget.spent.tokens

    spent = run(main())
    assert spent == (prompt_bound(request()) + 100 if counted else 0)
    assert Budget(log, Limits(tokens=1000), PRICES.get).spent.tokens == spent, "the next session knows of it"


def test_what_a_killed_process_had_in_flight_is_counted(tmp_path: Path) -> None:
    log = CallLog(tmp_path / "log")

    async def main() -> None:
        budget = Budget(log, Limits(tokens=100_000), PRICES.get)
        held = [budget.reserve(request(text=str(n))) for n in range(3)]
        assert held[0] is not None
        budget.settle(held[0], answer(request(text="0")))

    run(main())  # two are never settled, as if the process had been killed
    again = Budget(log, Limits(tokens=100_000), PRICES.get)
    assert again.spent.tokens >= 2 * (prompt_bound(request()) + 100)
    assert Budget(log, Limits(tokens=100_000), PRICES.get).spent == again.spent, "once"


def test_a_time_limit_counts_as_lost() -> None:
    async def hang(asked: Request) -> Reply:
        await asyncio.sleep(10)
        raise AssertionError

    async def main() -> int:
        budget = Budget(CallLog(""), Limits(tokens=1000), PRICES.get)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(Budgeted(Transport(hang), budget).complete(request()), 0.01)
        return budget.spent.tokens

    assert run(main()) == prompt_bound(request()) + 100


def test_replies_without_counts_are_counted_by_their_text() -> None:
    log = CallLog("")

    async def silent(asked: Request) -> Reply:
        return answer(asked, 0, 0, text="x" * 30)

    async def main() -> int:
        budget = Budget(log, Limits(tokens=1000), PRICES.get)
        await Cached(Limited(Budgeted(Transport(silent), budget), QUICK), log).complete(request())
        return budget.spent.tokens

    spent = run(main())
    assert spent == prompt_bound(request()) + 30
    assert Budget(log, Limits(tokens=1000), PRICES.get).spent.tokens == spent


def test_canaries_are_counted_though_nobody_keeps_their_replies() -> None:
    log = CallLog("")

    async def well(asked: Request) -> Reply:
        return answer(asked)

    run(Budgeted(Transport(well), Budget(log, Limits(tokens=1000), PRICES.get)).complete(request(purpose=CANARY)))
    assert Budget(log, Limits(tokens=1000), PRICES.get).spent.tokens == 15


def test_a_prompt_that_counts_more_than_its_bytes_raises_the_bound() -> None:
    async def verbose(asked: Request) -> Reply:
        return answer(asked, 500, 5)

    async def main() -> int:
        budget = Budget(CallLog(""), Limits(tokens=10_000), PRICES.get)
        await Budgeted(Transport(verbose), budget).complete(request())
        held = budget.reserve(request())
        assert held is not None
        return held.prompt

    assert run(main()) >= 500


def test_dollars_need_a_price_for_everything_that_was_asked() -> None:
    log = CallLog("")
    log.put(request(model="unheard"), answer(request(model="unheard")))
    with pytest.raises(UsageError, match="unheard"):
        Budget(log, Limits(usd=1), PRICES.get)
    assert Budget(log, Limits(tokens=100), PRICES.get).spent.tokens == 15
    with pytest.raises(UsageError, match="unheard"):
        Budget(CallLog(""), Limits(usd=1), PRICES.get).reserve(request(model="unheard"))


def test_the_first_question_is_within_the_budget(server: FakeServer, tmp_path: Path) -> None:
    before = server.stats()["questions"]
    (tmp_path / "prices.yaml").write_text(TABLE)
    told = {"base_url": server.url, "client": QUICK, "log_path": str(tmp_path / "log"), "prices": ""}
    with pytest.raises(StoppedEarly, match="budget"):
        resolve(Endpoint.model_validate({**told, "model": "cheap", "limits": Limits(tokens=10)}))
    connect.close()
    with pytest.raises(UsageError, match="price of 'cheap'"):
        resolve(Endpoint.model_validate({**told, "model": "cheap", "limits": Limits(usd=1)}))
    assert server.stats()["questions"] == before
    own = str(tmp_path / "prices.yaml")
    free = Endpoint.model_validate({**told, "model": "fake-model", "limits": Limits(usd=0.000001), "prices": own})
    assert resolve(free).model == "fake-model"


def test_the_limits_an_endpoint_tells_still_reach_the_driver() -> None:
    class Telling(Transport):
        told: Any = None

    async def never(asked: Request) -> Reply:
        raise AssertionError

    budget = Budget(CallLog(""), Limits(tokens=1), PRICES.get)
    inner = Telling(never)
    Limited(Budgeted(inner, budget), QUICK)
    assert inner.told is not None
    assert not hasattr(Budgeted(Transport(never), budget), "told")


# Batches


def test_batch_requests_wait_in_turn_and_cheaply() -> None:
    """20,000 requests of which half fit: the others go out as the first settle, in order, then the run stops."""
    order: list[int] = []

    async def main() -> tuple[int, list[Any]]:
        one = prompt_bound(request(text="00000")) + 100
        budget = Budget(CallLog(""), Limits(tokens=one * 10_000), PRICES.get)
        gate, half = asyncio.Event(), asyncio.Event()

        class Batches:
            async def complete(self, asked: Request) -> Reply:
                order.append(int(asked.messages[0].content))
                if len(order) == 10_000:
                    half.set()
                await gate.wait()
                return answer(asked, one // 2, 0, text="")

        backend = BudgetedBackend(Batches(), budget)
        tasks = [asyncio.create_task(backend.complete(request(text=f"{n:05d}"))) for n in range(20_000)]
        await half.wait()
        await asyncio.sleep(0)
        first = len(order)
        gate.set()
        return first, await asyncio.gather(*tasks, return_exceptions=True)

    first, done = run(main())
    assert first == 10_000, "a batch is not split where it need not be"
    assert order == sorted(order)
    stopped = [each for each in done if not isinstance(each, Reply)]
    assert all(isinstance(each, StoppedEarly) for each in stopped)
    assert len(done) - len(stopped) > 19_900


def test_one_who_gives_up_in_the_queue_holds_nobody_up() -> None:
    async def main() -> None:
        one = prompt_bound(request()) + 100
        budget = Budget(CallLog(""), Limits(tokens=2 * one), PRICES.get)
        held = [await budget.reserve_in_turn(request()) for _ in range(2)]
        gives_up, stays = (asyncio.create_task(budget.reserve_in_turn(request())) for _ in range(2))
        await asyncio.sleep(0)
        gives_up.cancel()
        budget.settle(held[0])
        assert (await stays).prompt == prompt_bound(request())
        budget.settle(held[1])
        assert budget.spent.tokens == 0

    run(main())


def test_batches_are_billed_at_their_own_price_for_ever(tmp_path: Path) -> None:
    """Half the price in the session and in later ones; what was asked without a batch keeps its full price."""
    half = {"cheap": Price(input=1, output=4, batch=0.5)}
    log = CallLog(tmp_path / "log")
    log.put(request(text="a"), answer(request(text="a"), 1000, 1000))
    log.put(request(text="b"), answer(request(text="b"), 1000, 1000), batched=True)
    assert Budget(log, Limits(usd=1), half.get).spent.usd == pytest.approx(0.0075)
    log.close()
    assert [t.batched for t in CallLog(tmp_path / "log", read_only=True).totals()] == [False, True]


def test_requests_in_batches_under_way_count_as_in_flight(tmp_path: Path) -> None:
    """Killed while a batch is out: the next session cannot spend what that batch will cost."""
    hold = tmp_path / "hold"
    with fake_batches(hold=hold) as server:
        limits = Limits(tokens=40 * 2000)
        at = Endpoint.model_validate(
            {
                "base_url": server.url,
                "model": "fake-model",
                "client": QUICK.model_copy(update={"batch": QUICK.batch.model_copy(update={"poll_s": 0.05})}),
                "log_path": str(tmp_path / "log"),
                "batch": True,
                "limits": limits,
            }
        )
        asked = [question(str(n), params={"max_tokens": 100}) for n in range(20)]

        async def interrupted() -> None:
            tasks = [asyncio.ensure_future(open_backend(at).complete(r)) for r in asked]
            await asyncio.to_thread(wait_for, lambda: waiting(open_log(at.log_path))[1] == len(asked))
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        loop.run(interrupted())
        connect.close()
        with CallLog(tmp_path / "log") as log:
            promised = len(asked) * (prompt_bound(asked[0]) + 100)
            budget = Budget(log, Limits(tokens=promised), PRICES.get)
            with pytest.raises(StoppedEarly, match="spent") as caught:
                budget.reserve(question("another"))
            assert "20 requests are in batches under way" in caught.value.why
        hold.touch()

        async def fetched() -> list[Reply]:
            return await asyncio.gather(*(open_backend(at).complete(r) for r in asked))

        assert len(loop.run(fetched())) == len(asked)
        used = sum(t.prompt_tokens + t.completion_tokens for t in open_log(at.log_path).totals())
        budget = connect._current().budgets[(at.log_path, limits)]
        assert budget.spent.tokens == used
        assert [t.batched for t in open_log(at.log_path).totals()] == [True]
