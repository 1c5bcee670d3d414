"""Reader processes: what a file can do to them, and what it cannot do through them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from datagen.sources.parsed import Options, Unreadable
from datagen.sources.pool import Pool

ROOT = Path(__file__).parents[2]
HOSTILE = "tests.sources.hostile"
LINUX = sys.platform.startswith("linux")


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    pool = Pool(1, 600, HOSTILE)
    yield pool
    pool.close()


def ask(pool: Pool, kind: str, data: bytes = b"hello", timeout_s: float = 20.0) -> str:
    return pool.read(kind, data, Options(), timeout_s).text


@pytest.mark.parametrize(
    "action", ["open", "list", "home", "write", "socket", "subprocess", "system", "fork", "exec", "kill"]
)
def test_a_reader_is_refused(pool: Pool, action: str) -> None:
    assert ask(pool, action).startswith("refused")
    assert not Path("/tmp/datagen-hostile").exists()


@pytest.mark.skipif(not LINUX, reason="the kernel's locks are Linux's")
@pytest.mark.parametrize("action", ["raw-open", "raw-socket", "raw-fork", "raw-kill"])
def test_native_code_is_refused_by_the_kernel(pool: Pool, action: str) -> None:
    assert ask(pool, action).startswith("refused")


def test_readers_can_still_import_their_libraries(pool: Pool) -> None:
    assert ask(pool, "import") == "lxml.etree openpyxl pypdfium2"


def test_what_a_library_prints_is_not_taken_for_an_answer(pool: Pool) -> None:
    assert ask(pool, "print") == "printed"
    assert ask(pool, "echo", b"next") == "next"


def test_the_environment_holds_no_keys(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    fresh = Pool(1, 600, HOSTILE)
    try:
        assert "OPENAI_API_KEY" not in ask(fresh, "environment")
    finally:
        fresh.close()


@pytest.mark.parametrize(
    ("action", "reason"), [("crash", "crashed"), ("abort", "crashed"), ("exit", "crashed"), ("bomb", "out_of_memory")]
)
def test_what_kills_a_reader_costs_one_verdict(pool: Pool, action: str, reason: str) -> None:
    with pytest.raises(Unreadable) as caught:
        ask(pool, action)
    assert caught.value.reason == reason
    assert caught.value.evidence
    assert ask(pool, "echo", b"after") == "after"


def test_a_hang_is_ended_at_the_time_limit(pool: Pool) -> None:
    begun = time.monotonic()
    with pytest.raises(Unreadable) as caught:
        ask(pool, "hang", timeout_s=0.5)
    assert caught.value.reason == "timeout"
    assert time.monotonic() - begun < 20
    assert ask(pool, "echo", b"after") == "after"


def test_a_verdict_of_the_reader_comes_through_and_the_process_stays(pool: Pool) -> None:
    before = ask(pool, "pid")
    with pytest.raises(Unreadable) as caught:
        ask(pool, "echo", b"\xff\xfe")
    assert (caught.value.reason, caught.value.evidence) == ("binary", "not text")
    assert ask(pool, "pid") == before


def test_a_child_killed_from_outside_costs_nothing(pool: Pool) -> None:
    os.kill(int(ask(pool, "pid")), signal.SIGKILL)
    assert ask(pool, "echo", b"still here") == "still here"


def test_many_threads_share_a_pool_and_each_gets_its_own_answer() -> None:
    pool = Pool(2, 600, HOSTILE)
    wrong: list[str] = []

    def work(name: str) -> None:
        for i in range(20):
            text = f"{name} {i} " + "x" * (i * 5000)
            if ask(pool, "echo", text.encode()) != text:
                wrong.append(name)

    threads = [threading.Thread(target=work, args=(f"thread {n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pool.close()
    assert not wrong


def test_an_answer_that_claims_too_much_is_not_believed(pool: Pool) -> None:
    with pytest.raises(Unreadable) as caught:
        pool.read("echo", b"x" * 1000, Options(max_text=10), 20)
    assert caught.value.reason == "crashed"


def test_a_closed_pool_gives_no_verdicts() -> None:
    pool = Pool(1, 600, HOSTILE)
    failed: list[BaseException] = []

    def wait() -> None:
        try:
            ask(pool, "hang")
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.5)
    pool.close()
    thread.join(20)
    assert [type(error) for error in failed] == [RuntimeError]


PARENT = textwrap.dedent(
    """
    import threading, time
    from datagen.sources.parsed import Options
    from datagen.sources.pool import Pool
    pool = Pool(1, 600, "tests.sources.hostile")
    print(pool.read("pid", b"", Options(), 20).text, flush=True)
    threading.Thread(target=lambda: pool.read("hang", b"", Options(), 60), daemon=True).start()
    time.sleep(60)
    """
)


@pytest.mark.skipif(not LINUX, reason="elsewhere the child ends by its own alarm, later")
def test_no_child_outlives_a_parent_that_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    time.sleep(0.3)  # so that the child is busy and cannot notice the end of its input
    os.kill(child, 0)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for _ in range(100):
        if not _runs(child):
            return
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the reader is still running")


def _runs(pid: int) -> bool:
    """Is it running? A process that only waits to be reaped is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_an_interrupt_from_the_terminal_shows_no_traceback_of_a_child() -> None:
    code = PARENT.replace("time.sleep(60)\n", "time.sleep(60)\n")
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    time.sleep(0.3)
    os.killpg(parent.pid, signal.SIGINT)
    _, errors = parent.communicate(timeout=20)
    assert errors.count("KeyboardInterrupt") == 1  # the parent's own
    assert "child.py" not in errors
    assert not LINUX or not _runs(child)
