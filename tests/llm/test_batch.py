"""The Batch API against a real server process: every fault, every moment a process may be killed at."""

from __future__ import annotations

import asyncio
import contextlib
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from datagen.core.errors import DatagenError, StoppedEarly, UsageError
from datagen.core.progress import subscribe
from datagen.llm import batch_store, connect, loop, problems
from datagen.llm.backend import CallFailed, Reply, Request
from datagen.llm.config import BatchConfig, ClientConfig
from datagen.llm.connect import Endpoint, open_backend, open_log, resolve
from tests.fakebatch import FakeBatches, fake_batches
from tests.llm.support import Pairs, question

ROOT = Path(__file__).parents[2]
QUESTIONS = 40


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    connect.close()


def endpoint(server: FakeBatches, folder: Path, **limits: Any) -> Endpoint:
    attempts = limits.pop("attempts", 3)
    client = ClientConfig(
        attempts=attempts, backoff_s=0.01, max_backoff_s=0.02, batch=BatchConfig(poll_s=0.05, **limits)
    )
    log = str(folder / "calls.sqlite")
    return Endpoint(base_url=server.url, model="fake-model", batch=True, client=client, log_path=log)


def questions(count: int = QUESTIONS, **more: Any) -> list[Request]:
    return [question(str(number), **more) for number in range(count)]


def answers(at: Endpoint, requests: list[Request]) -> list[Reply | CallFailed]:
    """What becomes of requests that are asked at once."""

    async def one(request: Request) -> Reply | CallFailed:
        try:
            return await open_backend(at).complete(request)
        except CallFailed as error:
            return error

    return loop.run(loop.gather_lazily(one, requests, at.in_flight))


def reasons(found: list[Reply | CallFailed]) -> Counter[str]:
    return Counter("" if isinstance(f, Reply) else f.reason for f in found)


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_questions_become_one_batch_and_are_never_asked_again(tmp_path: Path) -> None:
    with fake_batches(validate=3) as server:
        at = endpoint(server, tmp_path)
        seen: list[tuple[str, int, int]] = []
        leave = subscribe(lambda *told: seen.append(told))
        found = answers(at, questions())
        leave()
        assert reasons(found) == {"": QUESTIONS}
        for request, reply in zip(questions(), found, strict=True):
            assert isinstance(reply, Reply)
            assert (reply.key, reply.attempts, reply.finish) == (request.key(), 1, "stop")
            assert len(Pairs.model_validate_json(reply.text).pairs) == 2
            assert reply.completion_tokens > 0
        stats = server.stats()
        assert (stats["uploads"], stats["creates"], len(stats["batches"])) == (1, 1, 1)
        assert set(stats["answered"].values()) == {1}
        done = [told for told in seen if told[0] == "batch"]
        assert (sum(d for _, d, _ in done), sum(e for _, _, e in done)) == (QUESTIONS, QUESTIONS)
        assert len(done) > 2  # it grew with the batch's own counts
        connect.close()
        again = answers(at, questions())
        assert [r.text for r in again if isinstance(r, Reply)] == [r.text for r in found if isinstance(r, Reply)]
        assert server.stats()["creates"] == 1
        assert batch_store.waiting(open_log(at.log_path)) == (0, 0)


def test_the_first_question_does_not_wait_for_a_batch(tmp_path: Path) -> None:
    with fake_batches(hold=tmp_path / "never") as server:
        facts = resolve(endpoint(server, tmp_path))
        assert (facts.model, facts.schema_mode) == ("fake-model", "json_schema")
        assert "creates" not in server.stats()


@pytest.mark.parametrize("limit", ["requests", "megabytes"])
def test_files_within_the_limits(tmp_path: Path, limit: str) -> None:
    line = 1_500  # bytes of a question, about
    options = {"requests": 15} if limit == "requests" else {"megabytes": 15 * line / 1e6}
    with fake_batches(max_requests=15) if limit == "requests" else fake_batches(max_bytes=15 * line) as server:
        found = answers(endpoint(server, tmp_path, **options), questions())
        assert reasons(found) == {"": QUESTIONS}
        stats = server.stats()
        assert len(stats["batches"]) >= 2
        assert set(stats["answered"].values()) == {1}


def test_one_request_larger_than_a_file_fails_alone(tmp_path: Path) -> None:
    with fake_batches() as server:
        at = endpoint(server, tmp_path, megabytes=0.005)
        found = answers(at, [question("x" * 5_000), question("small")])
        assert reasons(found) == {"too_large": 1, "": 1}


def test_a_file_has_one_model(tmp_path: Path) -> None:
    with fake_batches() as server:
        mixed = [r.model_copy(update={"model": f"model-{n % 2}"}) for n, r in enumerate(questions(10))]
        assert reasons(answers(endpoint(server, tmp_path), mixed)) == {"": 10}
        assert len(server.stats()["batches"]) == 2


def test_what_expired_is_in_the_next_batch(tmp_path: Path) -> None:
    with fake_batches(expire=1) as server:
        found = answers(endpoint(server, tmp_path), questions())
        assert reasons(found) == {"": QUESTIONS}
        assert {r.attempts for r in found if isinstance(r, Reply)} == {1, 2}
        first, second = server.stats()["batches"]
        assert (first["status"], second["status"]) == ("expired", "completed")
        assert 0 < len(second["keys"]) < QUESTIONS
        assert set(server.stats()["answered"].values()) == {1}  # what was answered is not asked, or paid, again


def test_what_expires_always_fails_in_the_end(tmp_path: Path) -> None:
    with fake_batches(expire=99) as server:
        found = answers(endpoint(server, tmp_path), questions())
        counted = reasons(found)
        assert set(counted) == {"", "batch_expired"}
        assert {f.attempts for f in found if isinstance(f, CallFailed)} == {3}
        assert all("batch_expired" in f.raw for f in found if isinstance(f, CallFailed))
        assert len(server.stats()["batches"]) == 3


def test_errors_of_single_requests(tmp_path: Path) -> None:
    with fake_batches(fail=0.3, refuse=0.2) as server:
        found = answers(endpoint(server, tmp_path), questions())
        counted = reasons(found)
        assert set(counted) == {"", "http_400"}
        refused = next(f for f in found if isinstance(f, CallFailed))
        assert "not to be answered" in refused.raw
        assert {f.attempts for f in found if isinstance(f, Reply)} == {1, 2}
        assert set(server.stats()["answered"].values()) == {1}


def test_a_schema_that_is_refused_is_sent_in_a_weaker_form_from_then_on(tmp_path: Path) -> None:
    with fake_batches(refuses_schema="reply") as server:
        at = endpoint(server, tmp_path)
        assert resolve(at).schema_mode == "json_schema"
        assert reasons(answers(at, questions(5))) == {"": 5}
        connect.close()
        assert reasons(answers(at, [question("another")])) == {"": 1}
        forms = [b["forms"] for b in server.stats()["batches"]]
        assert forms == [["json_schema"], ["json_object"], ["json_object"]]


def test_uploads_that_are_put_off_and_answers_that_are_lost(tmp_path: Path) -> None:
    with fake_batches(upload_429=2, drop_creates=1) as server:
        found = answers(endpoint(server, tmp_path), questions())
        assert reasons(found) == {"": QUESTIONS}
        stats = server.stats()
        assert (stats["uploads"], stats["creates"]) == (3, 1)  # the batch nobody told us of was found by its tag
        assert set(stats["answered"].values()) == {1}


def test_a_result_file_that_breaks_off_is_fetched_again(tmp_path: Path) -> None:
    with fake_batches(break_downloads=2) as server:
        assert reasons(answers(endpoint(server, tmp_path), questions())) == {"": QUESTIONS}
        stats = server.stats()
        assert (stats["creates"], stats["downloads"]) == (1, 3)


def test_too_much_at_once_is_sent_in_parts(tmp_path: Path) -> None:
    with fake_batches(enqueued=15) as server:
        found = answers(endpoint(server, tmp_path), questions())
        assert reasons(found) == {"": QUESTIONS}
        statuses = Counter(b["status"] for b in server.stats()["batches"])
        assert statuses["failed"] >= 1
        assert set(server.stats()["answered"].values()) == {1}


def test_a_batch_that_is_refused_as_a_whole_stops_the_run(tmp_path: Path) -> None:
    with fake_batches() as server:
        at = endpoint(server, tmp_path)
        with pytest.raises(StoppedEarly, match="does not exist"):
            answers(at, [question("x", "unknown")])
        assert batch_store.waiting(open_log(at.log_path)) == (0, 0)
        assert reasons(answers(at, questions(3))) == {"": 3}  # a fresh backend


def test_a_cancelled_batch_stops_the_run_and_keeps_what_it_answered(tmp_path: Path) -> None:
    with fake_batches(cancel=1) as server:
        at = endpoint(server, tmp_path)
        with pytest.raises(StoppedEarly, match="cancelled"):
            answers(at, questions())
        kept = len(server.stats()["answered"])
        assert 0 < kept < QUESTIONS
        assert reasons(answers(at, questions())) == {"": QUESTIONS}
        assert len(server.stats()["batches"][1]["keys"]) == QUESTIONS - kept


def test_an_endpoint_without_batches(tmp_path: Path) -> None:
    from tests.fakeserver import fake_server

    with fake_server() as plain:
        server = FakeBatches(plain.process, plain.port)
        with pytest.raises(UsageError, match="takes no batches"):
            answers(endpoint(server, tmp_path), questions(2))


def test_the_package_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with fake_batches() as server, pytest.raises(UsageError, match=r"pip install 'datagen\[batch\]'"):
        answers(endpoint(server, tmp_path), questions(1))


CHILD = """
import sys
from pathlib import Path
from tests.llm.test_batch import *
server = FakeBatches(None, int(sys.argv[1]))
answers(endpoint(server, Path(sys.argv[2])), questions(int(sys.argv[3])))
"""


def child(server: FakeBatches, folder: Path, count: int = QUESTIONS) -> subprocess.Popen[bytes]:
    """The same questions, in a process that can be killed."""
    return subprocess.Popen([sys.executable, "-c", CHILD, str(server.port), str(folder), str(count)], cwd=ROOT)


def test_killed_while_it_waits(tmp_path: Path) -> None:
    hold = tmp_path / "hold"
    with fake_batches(hold=hold) as server:
        process = child(server, tmp_path)
        wait_for(lambda: any(b["status"] == "in_progress" for b in server.stats()["batches"]))
        process.kill()
        process.wait()
        at = endpoint(server, tmp_path)
        assert batch_store.waiting(open_log(at.log_path)) == (1, QUESTIONS)
        hold.touch()
        # Some of the questions that were under way, and some new ones: those alone are sent.
        found = answers(at, [*questions()[20:], *(question(f"new {n}") for n in range(5))])
        assert reasons(found) == {"": 25}
        stats = server.stats()
        assert [len(b["keys"]) for b in stats["batches"]] == [QUESTIONS, 5]
        assert set(stats["answered"].values()) == {1}
        # What nobody asked for this time was paid for too, and is kept.
        assert reasons(answers(at, questions())) == {"": QUESTIONS}
        assert server.stats()["creates"] == 2


def test_killed_before_it_knew_that_its_batch_had_begun(tmp_path: Path) -> None:
    with fake_batches(die_file=tmp_path / "created") as server:
        process = child(server, tmp_path)
        wait_for((tmp_path / "created").exists)
        process.kill()
        process.wait()
        assert reasons(answers(endpoint(server, tmp_path), questions())) == {"": QUESTIONS}
        stats = server.stats()
        assert (stats["uploads"], stats["creates"]) == (1, 1)
        assert set(stats["answered"].values()) == {1}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_killed_again_and_again_at_any_moment(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    with fake_batches(validate=2, work=4, expire=1, fail=0.3, upload_429=1) as server:
        for _ in range(5):
            process = child(server, tmp_path)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(draw.uniform(0.5, 1.6))
            process.kill()
            process.wait()
        assert reasons(answers(endpoint(server, tmp_path, attempts=9), questions())) == {"": QUESTIONS}
        answered = server.stats()["answered"]
        assert len(answered) == QUESTIONS
        assert set(answered.values()) == {1}  # what was paid for was kept, and nothing was paid for twice


def test_a_batch_that_was_noted_and_never_begun_is_sent_once(tmp_path: Path) -> None:
    with fake_batches() as server:
        at = endpoint(server, tmp_path)
        store = batch_store.BatchStore(open_log(at.log_path), f"{problems.redacted(at.base_url)} {at.api_key_env}")
        store.begin("tag", [(r.key(), r) for r in questions()])
        assert reasons(answers(at, questions(10))) == {"": 10}
        stats = server.stats()
        assert (stats["creates"], len(stats["answered"])) == (1, 10)  # the others were asked for by nobody
        # noted just after the last reply is handed on
        wait_for(lambda: batch_store.waiting(open_log(at.log_path)) == (0, 0))


def test_interrupted_and_continued(tmp_path: Path) -> None:
    hold = tmp_path / "hold"
    with fake_batches(hold=hold) as server:
        at = endpoint(server, tmp_path)

        async def interrupted() -> None:
            waiting = [asyncio.ensure_future(open_backend(at).complete(r)) for r in questions()]
            await asyncio.to_thread(wait_for, lambda: batch_store.waiting(open_log(at.log_path))[1] == QUESTIONS)
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

        loop.run(interrupted())
        connect.close()
        assert connect.under_way(at.log_path).startswith("1 batch goes on at the endpoint, with 40 requests")
        hold.touch()
        assert reasons(answers(at, questions())) == {"": QUESTIONS}
        wait_for(lambda: connect.under_way(at.log_path) == "")  # noted just after the last reply is handed on
        assert set(server.stats()["answered"].values()) == {1}


def test_what_nobody_waits_for_is_not_sent(tmp_path: Path) -> None:
    with fake_batches() as server:
        at = endpoint(server, tmp_path)

        async def given_up() -> None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(open_backend(at).complete(question("given up")), 0.01)

        loop.run(given_up())
        assert reasons(answers(at, [question("wanted")])) == {"": 1}
        assert [b["keys"] for b in server.stats()["batches"]] == [[question("wanted").key()]]


def test_an_endpoint_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datagen.llm.batch.TRIES", 3)
    with fake_batches() as server:
        at = endpoint(server, tmp_path)
    with pytest.raises(DatagenError, match="same command again") as caught:
        answers(at, questions(3))
    assert caught.value.exit_code == 3
