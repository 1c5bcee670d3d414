"""The background loop and the lazy gathering of results."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.llm import loop
from tests.llm.support import run

ROOT = Path(__file__).parents[2]


async def name_of_thread() -> str:
    return threading.current_thread().name


def test_all_threads_share_one_loop() -> None:
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: loop.run(name_of_thread()), range(20))) == {"datagen-llm"}


def test_an_exception_comes_out_and_the_loop_goes_on() -> None:
    async def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        loop.run(fail())
    assert loop.run(name_of_thread())


def test_waiting_for_itself_is_refused() -> None:
    async def inside() -> None:
        loop.run(name_of_thread())

    with pytest.raises(RuntimeError, match="inside the loop"):
        loop.run(inside())


def test_close_cancels_runs_the_closers_and_lets_it_begin_anew() -> None:
    told: list[str] = []
    begun = threading.Event()

    async def forever() -> None:
        begun.set()
        try:
            await asyncio.sleep(1000)
        finally:
            told.append("cancelled")

    async def closer() -> None:
        told.append("closed")

    def wait() -> None:
        with pytest.raises(asyncio.CancelledError):
            loop.run(forever())

    loop.on_close(closer)
    thread = threading.Thread(target=wait)
    thread.start()
    begun.wait(10)
    loop.close()
    thread.join(10)
    assert not thread.is_alive()
    assert told == ["cancelled", "closed"]
    assert loop.run(name_of_thread()) == "datagen-llm"


def test_an_interruption_cancels_the_work_and_ends_the_process() -> None:
    code = """
import asyncio, sys
from datagen.llm import loop
async def work():
    try:
        sys.stdout.write("begun\\n"); sys.stdout.flush()
        await asyncio.sleep(1000)
    finally:
        await asyncio.sleep(0.05)
        sys.stdout.write("tidied\\n"); sys.stdout.flush()
try:
    loop.run(work())
except KeyboardInterrupt:
    sys.stdout.write("interrupted\\n")
    sys.exit(130)
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20)[0].split() == ["tidied", "interrupted"]
    assert process.returncode == 130


@settings(max_examples=40)
@given(st.lists(st.integers(0, 5), max_size=40), st.integers(1, 8))
def test_results_keep_the_order_and_the_limit_is_kept(delays: list[int], limit: int) -> None:
    now = most = 0

    async def one(delay: int) -> int:
        nonlocal now, most
        now += 1
        most = max(most, now)
        for _ in range(delay + 1):
            await asyncio.sleep(0)
        now -= 1
        return delay

    assert run(loop.gather_lazily(one, delays, limit)) == delays
    assert most == min(limit, len(delays))


def test_items_are_pulled_only_when_there_is_room() -> None:
    pulled = finished = 0

    def items() -> Iterator[int]:
        nonlocal pulled
        for number in range(100):
            pulled += 1
            assert pulled - finished <= 4
            yield number

    async def one(item: int) -> int:
        nonlocal finished
        await asyncio.sleep(0)
        finished += 1
        return item

    assert run(loop.gather_lazily(one, items(), 4)) == list(range(100))


def test_the_first_error_cancels_the_rest_and_pulls_no_more() -> None:
    cancelled = pulled = 0

    def items() -> Iterator[int]:
        nonlocal pulled
        for number in range(1000):
            pulled += 1
            yield number

    async def one(item: int) -> None:
        nonlocal cancelled
        if item == 5:
            raise ValueError("five")
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            cancelled += 1
            raise

    with pytest.raises(ValueError, match="five"):
        run(loop.gather_lazily(one, items(), 8))
    assert (cancelled, pulled) == (7, 8)


def test_an_iterable_that_fails_ends_it_too() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    async def one(item: int) -> None:
        await asyncio.sleep(1000)

    with pytest.raises(OSError, match="gone"):
        run(loop.gather_lazily(one, items(), 8))


def test_cancelling_from_outside_cancels_what_is_under_way() -> None:
    ended = 0

    async def one(item: int) -> None:
        nonlocal ended
        try:
            await asyncio.sleep(1000)
        finally:
            ended += 1

    async def main() -> None:
        task = asyncio.create_task(loop.gather_lazily(one, range(100), 8))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
    assert ended == 8
