"""Where computing units run. The seam is ``concurrent.futures.Executor``."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from multiprocessing.connection import Connection
from typing import Any

from datagen.core import progress


class InlineExecutor(Executor):
    """Runs each call at once in the caller's thread: no start-up cost, one core."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run ``fn`` now; the future that comes back is already done."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def _worker(reports: Connection) -> None:
    """Prepare a worker: Ctrl-C is the driver's business, and no worker outlives its driver."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_driver, daemon=True).start()
    _reporter.attach(reports)


def _end_with_driver() -> None:
    driver = multiprocessing.parent_process()
    assert driver is not None
    driver.join()  # also where it died before this line; on every platform
    os._exit(1)


class _Reporter:
    """In a worker: sends what stages tell of their progress to the driver, a few times a second."""

    def __init__(self) -> None:
        self._reports: Connection | None = None
        self._counts: dict[str, list[int]] = {}
        self._sent = 0.0

    def attach(self, reports: Connection) -> None:
        self._reports = reports
        progress.subscribe(self._tick)
        progress.listen(lambda line: self._send(["say", line[:_LONGEST_LINE]]))

    def _tick(self, stage: str, done: int, expected: int) -> None:
        counts = self._counts.setdefault(stage, [0, 0])
        counts[0] += done
        counts[1] += expected
        if time.monotonic() - self._sent >= _REPORT_EVERY_S:
            self.flush()

    def flush(self) -> None:
        if self._counts:
            counts, self._counts = self._counts, {}
            self._sent = time.monotonic()
            for stage, (done, expected) in counts.items():
                self._send(["advance", stage, done, expected])

    def _send(self, report: list[Any]) -> None:
        # The workers share the pipe without a lock, which a killed one could take with it: a message this short goes
        # through in one piece (PIPE_BUF, POSIX.1-2017 write()).
        if self._reports is not None:
            with contextlib.suppress(OSError):  # the driver has gone; so will this process
                self._reports.send_bytes(json.dumps(report).encode())


_reporter = _Reporter()
_REPORT_EVERY_S = 0.2
_LONGEST_LINE = 500  # characters; as JSON at most six times as many bytes


def _reported(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    try:
        return fn(*args, **kwargs)
    finally:
        _reporter.flush()


class _Processes(ProcessPoolExecutor):
    """A pool whose workers' progress is told to the driver's listeners."""

    def __init__(self, workers: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._reading, self._writing = context.Pipe(duplex=False)
        super().__init__(workers, mp_context=context, initializer=_worker, initargs=(self._writing,))
        threading.Thread(target=self._read, name="reports", daemon=True).start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """As of the base class."""
        return super().submit(_reported, fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As of the base class."""
        super().shutdown(wait, cancel_futures=cancel_futures)
        self._writing.close()

    def _read(self) -> None:
        with contextlib.suppress(EOFError, OSError), self._reading:
            while True:
                what, *told = json.loads(self._reading.recv_bytes())
                if what == "say":
                    progress.say(told[0])
                else:
                    progress.advance(told[0], done=told[1], expected=told[2])


def processes(workers: int) -> Executor:
    """A pool of fresh processes (spawned: nothing of the driver's threads or locks is copied)."""
    return _Processes(workers)
