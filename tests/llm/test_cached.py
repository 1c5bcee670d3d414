"""The call log: committed before it is handed on, safe from a killed process, quiet when nothing is new."""

from __future__ import annotations

import asyncio
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from datagen.core.errors import StoppedEarly, UsageError
from datagen.core.hashing import sha256
from datagen.llm.backend import CallFailed, Reply, Request
from datagen.llm.cached import Cached, CallLog
from tests.llm.support import Scripted, question, reply, run

ROOT = Path(__file__).parents[2]


def test_what_is_put_is_got(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite"
    request = question("ä \x00 \U0001f600", purpose="qa", index=3)
    given = Reply(
        key=request.key(),
        text="ü\x00\n",
        finish="length",
        refusal="r",
        prompt_tokens=5,
        completion_tokens=7,
        attempts=2,
    )
    log = CallLog(path)
    assert log.get(request.key()) is None
    log.put(request, given)
    log.put(request, given.model_copy(update={"text": "another"}))
    log.close()
    log = CallLog(path)
    assert log.get(request.key()) == given.model_copy(update={"cached": True})
    assert log.request(request.key()) == request
    assert log.request("no such key") is None
    log.close()


def test_totals_are_the_same_counted_anew_and_kept_up(tmp_path: Path) -> None:
    log = CallLog(tmp_path / "calls.sqlite")
    log.put(question("0", purpose="qa"), reply(question("0")))
    assert [t.calls for t in log.totals()] == [1]
    for number in range(5):
        request = question(str(number), purpose="judge" if number % 2 else "qa")
        log.put(request, reply(request))
    kept = log.totals()
    assert [(t.purpose, t.calls, t.prompt_tokens, t.completion_tokens) for t in kept] == [
        ("judge", 2, 6, 4),
        ("qa", 3, 9, 6),
    ]
    with_reader = CallLog(tmp_path / "calls.sqlite", read_only=True)
    assert with_reader.totals() == kept
    with_reader.close()
    log.close()


def test_a_run_with_nothing_new_changes_no_byte(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite"
    log = CallLog(path)
    log.put(question(), reply(question()))
    log.set_note("a", "b")
    log.close()
    before = sha256(path.read_bytes())
    assert [p.name for p in tmp_path.iterdir()] == ["calls.sqlite"]
    for read_only in (False, True):
        log = CallLog(path, read_only=read_only)
        assert log.get(question().key()) is not None
        assert log.totals()
        if not read_only:
            log.set_note("a", "b")
        assert log.note("a") == "b"
        log.close()
        assert sha256(path.read_bytes()) == before
        assert [p.name for p in tmp_path.iterdir()] == ["calls.sqlite"]


def test_looking_on_while_a_run_writes(tmp_path: Path) -> None:
    path = tmp_path / "odd name?#%.sqlite"
    writer = CallLog(path)
    for number in range(3):
        request = question(str(number))
        writer.put(request, reply(request))
        reader = CallLog(path, read_only=True)
        assert sum(t.calls for t in reader.totals()) == number + 1
        with pytest.raises(UsageError):
            reader.put(question("from the reader"), reply(request))
        reader.close()
    writer.close()


def test_files_that_are_no_call_log(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite").write_bytes(b"This is no database, but it is long enough to be looked at. " * 20)
    with pytest.raises(UsageError, match="no call log"):
        CallLog(tmp_path / "x.sqlite")
    with pytest.raises(UsageError, match="not there"):
        CallLog(tmp_path / "missing.sqlite", read_only=True)
    with pytest.raises(UsageError, match="not there"):
        CallLog(tmp_path / "no folder" / "calls.sqlite")
    assert not (tmp_path / "missing.sqlite").exists()


WRITER = """
import sys
from datagen.llm.cached import CallLog
from tests.llm.support import question, reply
log = CallLog(sys.argv[1])
number = int(sys.argv[2])
while True:
    log.put(question(str(number)), reply(question(str(number)), "x" * 5000))
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
    number += 1
"""


@pytest.mark.parametrize("lines", [1, 40, 300])
def test_a_killed_process_loses_nothing_it_was_told_is_kept(tmp_path: Path, lines: int) -> None:
    path, first = tmp_path / "calls.sqlite", 0
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, path, str(first)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(lines)]
        process.kill()
        told += [int(line) for line in process.stdout if line.endswith("\n")]
        process.stdout.close()
        assert process.wait() == -signal.SIGKILL
        log = CallLog(path)
        assert all(log.get(question(str(number)).key()) for number in told)
        log.close()
        first = told[-1] + 2


def test_a_full_disk_stops_the_run_and_keeps_what_there_is(tmp_path: Path) -> None:
    code = f"""
import resource, sys
from datagen.core.errors import StoppedEarly
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, {resource.RLIM_INFINITY}))
sys.argv = ["", {str(tmp_path / "calls.sqlite")!r}, "0"]
try:
    exec({WRITER!r})
except StoppedEarly as error:
    sys.exit(error.exit_code if "same command again" in error.fix else 9)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    told = [int(line) for line in done.stdout.split()]
    assert told
    log = CallLog(tmp_path / "calls.sqlite")
    assert all(log.get(question(str(number)).key()) for number in told)
    log.close()


def counted(delay: float = 0.005) -> tuple[list[str], Scripted]:
    asked: list[str] = []

    async def answer(request: Request) -> Reply:
        asked.append(request.key())
        await asyncio.sleep(delay)
        if request.purpose == "bad":
            raise CallFailed(request.key(), "http_500", 2, "raw")
        return reply(request)

    return asked, Scripted(answer)


def test_what_is_kept_is_not_asked_again() -> None:
    asked, inner = counted()

    async def main() -> None:
        cached = Cached(inner, CallLog(""))
        first = await cached.complete(question())
        second = await cached.complete(question())
        assert (first.cached, second.cached) == (False, True)
        assert second.model_copy(update={"cached": False}) == first

    run(main())
    assert len(asked) == 1


def test_identical_requests_under_way_become_one() -> None:
    asked, inner = counted()

    async def main() -> None:
        cached = Cached(inner, CallLog(""))
        replies = await asyncio.gather(*(cached.complete(question()) for _ in range(20)))
        assert [r.cached for r in replies].count(False) == 1
        bad = await asyncio.gather(
            *(cached.complete(question("b", purpose="bad")) for _ in range(5)), return_exceptions=True
        )
        assert all(isinstance(b, CallFailed) and b.attempts == 2 for b in bad)

    run(main())
    assert len(asked) == 2


def test_when_the_one_who_asked_is_cancelled_another_asks() -> None:
    asked, inner = counted(0.02)

    async def main() -> None:
        cached = Cached(inner, CallLog(""))
        tasks = [asyncio.create_task(cached.complete(question())) for _ in range(3)]
        await asyncio.sleep(0.005)
        tasks[0].cancel()
        replies = await asyncio.gather(*tasks[1:])
        assert sorted(r.cached for r in replies) == [False, True]

    run(main())
    assert len(asked) == 2


def test_a_reply_that_cannot_be_kept_is_told_and_not_handed_on(tmp_path: Path) -> None:
    told: list[Exception] = []
    _, inner = counted()
    CallLog(tmp_path / "calls.sqlite").close()

    async def main() -> None:
        cached = Cached(inner, CallLog(tmp_path / "calls.sqlite", read_only=True), told.append)
        with pytest.raises(UsageError):
            await cached.complete(question())

    run(main())
    assert len(told) == 1
    assert not isinstance(told[0], StoppedEarly)
