"""Killed at any moment and started again, a run ends as if nothing had happened, and pays for nothing twice."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.fakeserver import FakeServer, fake_server
from tests.runs import all_bytes, datagen, document, export_bytes, kill, ledger, logged_calls, start, write_corpus

DOCUMENTS = 24


def command(source: Path, out: Path, server: FakeServer, *more: str) -> list[str]:
    # Small shards, so that a kill falls between, within and after units of work.
    return [
        "run", "--source", str(source), "--out", str(out), "--base-url", server.url, "--concurrency", "8",
        "--set", "engine.shard_files=3", "--set", "chunk.tokens=200", "--set", "engine.window=3", *more,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("source") / "docs", DOCUMENTS)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_at_25_random_moments(source: Path, tmp_path: Path) -> None:
    # A sample that is judged again is a question that the server has seen: without them, each is to come once.
    once = ("--set", "judge.drift.samples=0")
    with fake_server(latency_ms=15) as server:
        begun = time.monotonic()
        done = datagen(*command(source, tmp_path / "reference", server, *once))
        whole = time.monotonic() - begun
        assert done.returncode == 0, done.stderr
    reference = export_bytes(tmp_path / "reference")

    rng = random.Random(4)
    folder, runs, kills = tmp_path / "run", 0, 0
    while kills < 25:
        runs += 1
        journal = tmp_path / f"journal-{runs}"
        with fake_server(latency_ms=15, journal=journal) as server:
            shutil.rmtree(folder, ignore_errors=True)
            for _ in range(5):  # several kills on one folder, then a run to the end
                process = start(*command(source, folder, server, *once))
                time.sleep(rng.uniform(0.05, whole))
                kill(process)
                kills += 1
            logged = logged_calls(folder)
            seen = {entry["key"] for entry in server.journal()}
            mark = len(server.journal())
            done = datagen(*command(source, folder, server, *once))
            assert done.returncode == 0, done.stderr
            assert export_bytes(folder) == reference
            after = [entry["key"] for entry in server.journal()[mark:]]
            # Of the questions asked before, only those whose reply had not reached the log are asked again.
            assert len(seen & set(after)) <= len(seen) - logged
            assert len(after) == len(set(after))
            # Over all kills: what was asked twice is at most what was in flight at each of them.
            every = [entry["key"] for entry in server.journal()]
            assert len(every) - len(set(every)) <= 5 * 8


def test_the_same_command_again_asks_nothing_and_changes_no_byte(source: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with fake_server() as server:
        first = datagen(*command(source, run, server))
        assert first.returncode == 0, first.stderr
        asked, before = server.stats()["requests"], all_bytes(run)
        second = datagen(*command(source, run, server))
        assert second.returncode == 0, second.stderr
        assert server.stats()["requests"] == asked
        assert second.stdout == first.stdout
    assert all_bytes(run) == before
    # And with no server at all: everything is in the log.
    third = datagen(*command(source, run, server))
    assert third.returncode == 0, third.stderr
    assert all_bytes(run) == before


def test_a_new_document_is_the_only_one_asked_about(source: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(source, tmp_path / "docs"))
    run, journal = tmp_path / "run", tmp_path / "journal"
    with fake_server(journal=journal) as server:
        assert datagen(*command(copy, run, server)).returncode == 0
        mark = len(server.journal())
        (copy / "doc-0005b.md").write_text(document(777), encoding="utf-8")
        done = datagen(*command(copy, run, server))
        assert done.returncode == 0, done.stderr
        new = server.journal()[mark:]
    fresh = tmp_path / "alone"
    (fresh / "docs").mkdir(parents=True)
    (fresh / "docs" / "doc-0005b.md").write_text(document(777), encoding="utf-8")
    with fake_server(journal=tmp_path / "alone-journal") as server:
        assert datagen(*command(fresh / "docs", fresh / "run", server)).returncode == 0
        alone = [e for e in server.journal() if e["schema"] == "qa"]
    assert 0 < len([e for e in new if e["schema"] == "qa"]) <= len(alone)


def test_another_judge_prompt_redoes_only_the_judging(source: Path, tmp_path: Path) -> None:
    run, prompts = tmp_path / "run", tmp_path / "prompts"
    (prompts / "judge").mkdir(parents=True)
    shipped = (Path(__file__).parent.parent / "prompts" / "judge" / "rubric.md.j2").read_text()
    (prompts / "judge" / "rubric.md.j2").write_text(shipped.replace("a strict, fair judge", "a mild judge"))
    with fake_server(journal=tmp_path / "journal") as server:
        assert datagen(*command(source, run, server)).returncode == 0
        mark = len(server.journal())
        done = datagen(*command(source, run, server, "--set", f"generator.prompts={prompts}"))
        assert done.returncode == 0, done.stderr
        kinds = {entry["schema"] for entry in server.journal()[mark:]}
        assert kinds == {"judgement"}
        mark = len(server.journal())
        assert datagen(*command(source, run, server, "--set", "judge.threshold=4.6")).returncode in (0, 1)
        assert len(server.journal()) == mark


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_politely(source: Path, tmp_path: Path, sent: signal.Signals, code: int) -> None:
    run = tmp_path / "run"
    with fake_server(latency_ms=100) as server:
        process = start(*command(source, run, server))
        deadline = time.monotonic() + 30
        while logged_calls(run) < 5 and time.monotonic() < deadline:
            time.sleep(0.05)
        os.killpg(process.pid, sent)
        _, err = process.communicate(timeout=30)
        assert process.returncode == code
        assert [line.split()[0] for line in err.strip().splitlines()[-2:]] == ["why:", "fix:"]
        assert "Traceback" not in err
        assert datagen(*command(source, run, server)).returncode == 0
        assert ledger(run)["kept"] > 0
