"""One budget for all models and all sessions of a run, however they end."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml

from tests.fakeserver import FakeServer, fake_server
from tests.runs import datagen, kill, logged_calls, start, write_corpus

# One that is not billed, and one that is: the reply is lost after the work was done.
FAULTS = {"503": 0.05, "drop_after": 0.05}
PRICES = {"maker": (2.0, 8.0), "critic": (20.0, 80.0)}
TABLE = "models: {maker: {input: 2, output: 8}, critic: {input: 20, output: 80}}\n"
LENIENT = ("--set", "judge.threshold=1")


def dollars(server: FakeServer) -> float:
    billed: dict[str, list[int]] = server.stats()["billed"]
    counts = {model: billed.get(model, [0, 0]) for model in PRICES}
    return sum((PRICES[m][0] * read + PRICES[m][1] * written) / 1e6 for m, (read, written) in counts.items())


@pytest.mark.slow
def test_generator_and_judge_share_a_budget_at_a_price_each(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "docs", 3)
    run = tmp_path / "run"
    (tmp_path / "prices.yaml").write_text(TABLE)
    with fake_server(models=list(PRICES), faults=FAULTS) as server:
        command = (
            *("run", "--source", source, "--out", run, "--base-url", server.url, *LENIENT),
            *("--set", f"limits.prices={tmp_path / 'prices.yaml'}", "--model", "maker", "--judge-model", "critic"),
        )
        stopped = datagen(*command, "--max-usd", "0.2")
        assert stopped.returncode == 3, stopped.stdout + stopped.stderr
        assert "of $0.2000 are spent" in stopped.stderr
        assert 0 < dollars(server) <= 0.2
        done = datagen(*command, "--max-usd", "1000")
        assert done.returncode == 0, done.stderr
        billed = dollars(server)
        lost = server.stats()["faults"].get("drop_after", 0)
    usage = yaml.safe_load((run / "run.yaml").read_text())["usage"]
    assert {row["purpose"] for row in usage["by"] if row["model"] == "critic"} == {"judge", "drift", "probe"}
    for row in usage["by"]:
        read, written = PRICES[row["model"]]
        expected = (row["prompt_tokens"] * read + row["completion_tokens"] * written) / 1e6
        assert row["cost_usd"] == pytest.approx(expected, abs=1e-6)
    assert usage["cost_usd"] == pytest.approx(sum(row["cost_usd"] for row in usage["by"]), abs=1e-5)
    assert lost, "some replies were lost"
    assert 0 < usage["cost_usd"] < billed, "and those are on the bill alone"


@pytest.mark.slow
def test_a_killed_run_does_not_forget_what_it_spent(tmp_path: Path) -> None:
    """Killed three times with questions in flight: all sessions together stay within the budget."""
    source = write_corpus(tmp_path / "docs", 6)
    run, limit = tmp_path / "run", 250_000
    with fake_server(latency_ms=300) as server:
        command = (
            *("run", "--source", source, "--out", run, "--base-url", server.url, *LENIENT),
            *("--max-tokens", str(limit), "--concurrency", "4", "--target", "1000"),
        )
        for _ in range(3):
            before = logged_calls(run)
            process = start(*command)
            while process.poll() is None and logged_calls(run) < before + 3:
                time.sleep(0.01)
            assert process.poll() is None, "it was killed in the middle"
            kill(process)
        kept = logged_calls(run)
        last = datagen(*command)
        assert last.returncode == 3, last.stdout + last.stderr
        assert "tokens are counted for replies that were lost" in last.stderr
        assert logged_calls(run) > kept, "what was lost did not use it all up"
        assert sum(map(sum, server.stats()["billed"].values())) <= limit
