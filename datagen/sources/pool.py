"""Reader processes, kept running, shared by all threads: a file that hangs, crashes or bursts costs one verdict."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import datagen
from datagen.sources.parsed import Options, Parsed, RawTurn, Unreadable

READERS = "datagen.sources.readers"
_HEAD_LIMIT = 64_000_000  # bytes an answer's first line may have: pages, or turns, of the largest text fit
_PASSED_ON = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "LANG", "LC_ALL", "TZ")


class Pool:
    """A number of locked child processes that read files.

    Args:
        size: processes at most; each is started when it is first needed.
        memory_mb: address space of each, MB.
        module: importable module whose ``read(kind, data, options)`` does the reading.

    All methods may be called from any thread.
    """

    def __init__(self, size: int, memory_mb: int, module: str = READERS) -> None:
        self._memory_mb = memory_mb
        self._module = module
        self._free: queue.LifoQueue[_Child | None] = queue.LifoQueue()
        for _ in range(size):
            self._free.put(None)
        self._all: set[_Child] = set()
        self._lock = threading.Lock()
        self._closed = False
        # The kernel ends a child when the *thread* that started it ends, so one thread of ours starts them all.
        self._starter = ThreadPoolExecutor(1, "reader-starter")

    def read(self, kind: str, data: bytes, options: Options, timeout_s: float) -> Parsed:
        """Read one file in a child process; waits for a free one.

        A child that ends is tried once more in a new one: it may have been ended from outside, or have been
        filled by the files before.

        Raises:
            Unreadable: whatever is wrong with the file, among it ``timeout``, ``crashed`` and ``out_of_memory``.
            RuntimeError: the pool is closed, or no child process can be started.
        """
        child = self._free.get()
        try:
            for last in (False, True):
                if child is None or child.spent or not child.alive():
                    self._discard(child)
                    child = None  # were starting one to fail, nothing dead may go back to the pool
                    child = self._start()
                fresh = child.served == 0
                try:
                    return child.read(kind, data, options, timeout_s)
                except Unreadable as error:
                    if self._closed:
                        raise RuntimeError("the pool of readers was closed") from error
                    again = error.reason == "crashed" or (error.reason == "out_of_memory" and not fresh)
                    if last or not again:
                        raise
        finally:
            if child is not None and child.spent:
                self._discard(child)
                child = None
            self._free.put(child)
        raise AssertionError("the second attempt returns or raises")

    def close(self) -> None:
        """End all children; the pool cannot be used any more."""
        with self._lock:
            self._closed = True
            children = list(self._all)
        for child in children:
            self._discard(child)
        self._starter.shutdown(wait=False, cancel_futures=True)

    def _start(self) -> _Child:
        child = self._starter.submit(_Child, self._memory_mb, self._module).result()
        with self._lock:
            self._all.add(child)
            closed = self._closed
        if closed:
            self._discard(child)
            raise RuntimeError("the pool of readers was closed")
        return child

    def _discard(self, child: _Child | None) -> None:
        if child is not None:
            child.kill()
            with self._lock:
                self._all.discard(child)


class _Child:
    """One process and the talk with it; used by one thread at a time."""

    def __init__(self, memory_mb: int, module: str) -> None:
        command = [sys.executable, "-P", "-m", "datagen.sources.child", str(os.getpid()), str(memory_mb), module]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
        )
        self.spent = False  # ended, or about to end: not to be used again
        self.served = 0

    def alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        self.spent = True
        with contextlib.suppress(OSError):
            self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if pipe:
                    pipe.close()
        self._process.wait()

    def read(self, kind: str, data: bytes, options: Options, timeout_s: float) -> Parsed:
        overdue = threading.Event()

        def end() -> None:
            overdue.set()
            self._process.kill()  # reading then ends with end of file

        timer = threading.Timer(timeout_s, end)
        timer.daemon = True
        timer.start()
        try:
            answer, body = self._ask(kind, data, options, timeout_s)
        except (OSError, EOFError, ValueError) as error:
            code = self._settle()
            raise _ended(overdue.is_set(), code, timeout_s) from error
        except BaseException:
            self.kill()  # interrupted half-way: nothing more can be understood from it
            raise
        finally:
            timer.cancel()
        self.served += 1
        self.spent = bool(answer["last"]) or overdue.is_set()
        if "reason" in answer:
            raise Unreadable(str(answer["reason"]), str(answer["evidence"]))
        text = body.decode()
        turns, notes = _turns(answer["turns"], len(text)), tuple(map(str, answer["notes"]))
        return Parsed(text, answer["format"], tuple(answer["pages"]), answer["title"], turns, notes)

    def _ask(self, kind: str, data: bytes, options: Options, timeout_s: float) -> tuple[dict[str, Any], bytes]:
        to, out = self._process.stdin, self._process.stdout
        assert to is not None
        assert out is not None
        head = {
            "kind": kind,
            "size": len(data),
            "max_text": options.max_text,
            "text_fields": options.text_fields,
            "timeout_s": timeout_s,
            "chat": asdict(options.chat) if options.chat else None,
        }
        to.write(json.dumps(head).encode() + b"\n")
        to.write(data)
        to.flush()
        answer = _line(out)
        size = answer.get("size", 0)
        if not isinstance(size, int) or not 0 <= size <= 4 * options.max_text:
            raise ValueError("an answer of impossible size")
        body = out.read(size)
        if len(body) != size:
            raise EOFError
        return answer, body

    def _settle(self) -> int | None:
        """The exit status of a process that stopped answering, None if it had to be ended."""
        code = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(2)
        self.kill()
        return code


def _ended(overdue: bool, code: int | None, timeout_s: float) -> Unreadable:
    if overdue:
        return Unreadable("timeout", f"Reading it took longer than the {timeout_s:g} s of sources.timeout_s.")
    how = f"signal {signal.Signals(-code).name}" if code and code < 0 else f"exit status {code}"
    return Unreadable("crashed", f"The reader ended by {how} while reading it.")


def _turns(answer: list[Any], length: int) -> tuple[RawTurn, ...]:
    """The turns of an answer. Raises ValueError for spans that are none of its text's, or out of order."""
    turns: list[RawTurn] = []
    last = 0
    for speaker, time, start, end in answer:
        if not last <= start < end <= length:
            raise ValueError("a turn outside of the text")
        turns.append((str(speaker), str(time), start, end))
        last = end
    return tuple(turns)


def _line(out: IO[bytes]) -> dict[str, Any]:
    """An answer's first line; what comes from a child is data to check, as the file it has read is."""
    line = out.readline(_HEAD_LIMIT)
    if not line.endswith(b"\n"):
        raise EOFError
    answer = json.loads(line)
    if not isinstance(answer, dict):
        raise ValueError("an answer of the wrong form")
    return answer


def _environment() -> dict[str, str]:
    """What a child needs to start; no keys, no tokens."""
    root = str(Path(datagen.__file__).resolve().parent.parent)
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    fixed = {"PYTHONHASHSEED": "0", "PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    return {**kept, **fixed, "PYTHONPATH": os.pathsep.join(paths)}
