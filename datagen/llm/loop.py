"""One event loop in one background thread, shared by every thread that waits for a model.

The stages are plain functions that run in threads; the connections, the limits and the call log
live in this loop, so none of them needs a lock against another thread.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import itertools
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")
Closer = Callable[[], Awaitable[None]]

WIND_UP_S = 10.0  # time that cancelled work gets to end

_guard = threading.RLock()
_loop: asyncio.AbstractEventLoop | None = None
_thread: threading.Thread | None = None
_process = 0
_closers: list[Closer] = []


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in the shared loop and wait for its result, from any other thread.

    An exception of the coroutine is raised here. When the waiting thread is interrupted (Ctrl-C),
    the coroutine is cancelled and has ended before the interruption goes on.

    Raises:
        RuntimeError: called from inside the loop, where waiting would never end.
        asyncio.CancelledError: :func:`close` was called meanwhile.
    """
    if threading.current_thread() is _thread:
        coroutine.close()
        raise RuntimeError("loop.run was called from inside the loop; await the coroutine instead")
    loop, thread = _started()
    ended = threading.Event()
    tasks: list[asyncio.Task[T]] = []

    def start() -> None:
        tasks.append(loop.create_task(coroutine))
        tasks[0].add_done_callback(lambda _: ended.set())

    loop.call_soon_threadsafe(start)
    try:
        while not ended.wait(1.0):
            if not thread.is_alive():
                coroutine.close()
                raise asyncio.CancelledError("the loop was closed")
    except BaseException:
        if thread.is_alive() and tasks:
            loop.call_soon_threadsafe(tasks[0].cancel)
            if ended.wait(WIND_UP_S) and not tasks[0].cancelled():
                tasks[0].exception()  # seen: nothing is to be logged about it
        raise
    return tasks[0].result()


def on_close(closer: Closer) -> None:
    """Await ``closer()`` in the loop before it ends."""
    with _guard:
        if closer not in _closers:
            _closers.append(closer)


def close() -> None:
    """Cancel what is under way, run the closers, end the thread. The next :func:`run` starts afresh."""
    global _loop, _thread
    with _guard:
        loop, thread = _loop, _thread
        _loop = _thread = None
        closers = list(_closers)
        _closers.clear()
    if loop is None or thread is None or _process != os.getpid() or not thread.is_alive():
        return
    with contextlib.suppress(TimeoutError):
        asyncio.run_coroutine_threadsafe(_wind_up(closers), loop).result(timeout=WIND_UP_S)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(timeout=WIND_UP_S)


async def gather_lazily(function: Callable[[T], Awaitable[R]], items: Iterable[T], limit: int) -> list[R]:
    """Apply an async function to each item, at most ``limit`` at a time.

    An item is pulled from the iterable only when one of the ``limit`` places is free, so a long
    iterable is never held in memory. The first exception (or a cancellation from outside) cancels
    the rest, waits for it to end, and is raised.

    Returns:
        The results in the order of the items.
    """
    results: dict[int, R] = {}
    numbered = enumerate(items)

    async def work(number: int, item: T) -> None:
        results[number] = await function(item)
        for number, item in numbered:
            results[number] = await function(item)

    workers: set[asyncio.Task[None]] = set()
    try:
        for number, item in itertools.islice(numbered, max(1, limit)):
            workers.add(asyncio.create_task(work(number, item)))
        running = set(workers)
        while running:
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
    finally:
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return [results[number] for number in range(len(results))]


async def _wind_up(closers: list[Closer]) -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    for closer in reversed(closers):
        await closer()


def _started() -> tuple[asyncio.AbstractEventLoop, threading.Thread]:
    global _loop, _thread, _process
    with _guard:
        if _loop is None or _thread is None or _process != os.getpid():  # a forked child has no thread of its own
            _loop, _process = _new_loop(), os.getpid()
            _thread = threading.Thread(target=_serve, args=(_loop,), name="datagen-llm", daemon=True)
            _thread.start()
        return _loop, _thread


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # Windows
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()


atexit.register(close)
