"""A budget from the command line: stops, says so, goes on to the same bytes; and what is said of money."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.fakeserver import FakeServer, fake_server
from tests.runs import all_bytes, datagen, export_bytes, ledger, write_corpus

FAULTS = {"500": 0.05, "429": 0.05, "truncated": 0.05}


def tokens(server: FakeServer) -> int:
    return sum(map(sum, server.stats()["billed"].values()))


def usage(run: Path) -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load((run / "run.yaml").read_text())["usage"]
    return found


@pytest.mark.slow
def test_a_budget_stops_and_a_larger_one_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "docs", 12)
    # What is judged again is a question that the server has seen.
    lenient = ("--set", "judge.threshold=1", "--set", "client.backoff_s=0.01", "--set", "judge.drift.samples=0")
    journal = tmp_path / "journal"
    with fake_server(faults=FAULTS, latency_ms=5, journal=journal) as server:
        command = ("run", "--source", source, "--base-url", server.url, *lenient, "--out")
        unlimited = datagen(*command, tmp_path / "unlimited")
        assert unlimited.returncode == 0, unlimited.stderr
        whole = tokens(server)
    journal.unlink()
    with fake_server(faults=FAULTS, latency_ms=5, journal=journal) as server:
        command = ("run", "--source", source, "--base-url", server.url, *lenient, "--out", tmp_path / "run")
        stopped = datagen(*command, "--max-tokens", str(whole // 2))
        assert stopped.returncode == 3, stopped.stderr
        what, why, fix = stopped.stderr.strip().splitlines()[-3:]
        assert what == "Error: The budget is reached."
        assert re.search(rf"[\d,]+ of {whole // 2:,} tokens are spent, and the next request could take [\d,]+", why)
        assert "the same command with a larger --max-tokens" in fix
        assert "Traceback" not in stopped.stderr
        assert 0 < tokens(server) <= whole // 2
        status = json.loads(datagen("status", tmp_path / "run", "--json").stdout)
        assert status["state"] == "stopped"

        asked = server.stats()["questions"]
        same = datagen(*command, "--max-tokens", str(whole // 2))
        assert same.returncode == 3
        assert tokens(server) <= whole // 2
        assert server.stats()["questions"] - asked <= 3, "with the same budget hardly anything is left to ask"

        done = datagen(*command, "--max-tokens", str(10 * whole))
        assert done.returncode == 0, done.stderr
        served = [entry["key"] for entry in server.journal() if entry["fault"] is None]
        assert len(served) == len(set(served)), "nothing was asked twice"
        again, before = tokens(server), all_bytes(tmp_path / "run")
        assert datagen(*command, "--max-tokens", str(10 * whole)).returncode == 0
        assert tokens(server) == again
        assert all_bytes(tmp_path / "run") == before
    limited, unlimited_files = export_bytes(tmp_path / "run"), export_bytes(tmp_path / "unlimited")
    assert limited.keys() == unlimited_files.keys()
    # What differs is what the budget and the address are in the reports' own copy of the configuration.
    for name in limited.keys() - {"report.json"}:
        assert limited[name] == unlimited_files[name], name
    ledger(tmp_path / "run")


def test_dollars_without_a_price_ask_nothing(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "docs", 1)
    with fake_server(models=["unheard", "gpt-4o-mini"]) as server:
        command = ("run", "--source", source, "--base-url", server.url, "--max-usd", "1")
        for model in (("--model", "unheard"), ("--model", "gpt-4o-mini", "--judge-model", "unheard")):
            done = datagen(*command, "--out", tmp_path / model[-1], *model)
            assert done.returncode == 2, done.stderr
            assert "The price of 'unheard' is unknown" in done.stderr
            assert "limits.prices=FILE" in done.stderr
        assert server.stats()["questions"] == 0
    with fake_server(models=["unheard"]) as server:  # found out by asking which models there are
        done = datagen("run", "--source", source, "--base-url", server.url, "--max-usd", "1", "--out", tmp_path / "run")
        assert done.returncode == 2
        assert server.stats()["questions"] == 0


def test_a_report_says_unknown_and_never_zero_unless_it_is_free(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "docs", 1)
    own = tmp_path / "prices.yaml"
    own.write_text("models: {fake-model: {free: true}}\n")
    with fake_server() as server:
        command = ("run", "--source", source, "--base-url", server.url, "--set", "judge.threshold=1", "--out")
        assert datagen(*command, tmp_path / "unknown").returncode == 0
        free = datagen(*command, tmp_path / "free", "--set", f"limits.prices={own}", "--max-usd", "0.01")
        assert free.returncode == 0, free.stderr
    unknown = (tmp_path / "unknown" / "report.html").read_text()
    assert "<dt>cost</dt><dd>unknown</dd>" in unknown
    assert not re.search(r"cost</dt><dd>\$", unknown)
    assert usage(tmp_path / "unknown")["cost_usd"] is None
    assert "cost</dt><dd>$0.00" in (tmp_path / "free" / "report.html").read_text()
    assert usage(tmp_path / "free")["cost_usd"] == 0
