"""Whatever a server does, every requested sample is kept, rejected or failed, and failures keep their raw reply."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakeserver import fake_server
from tests.runs import datagen, ledger, rows, write_corpus

EVERY_FAULT = {
    "429": (0.05, 2),
    "429_after": (0.03, 1),
    "500": (0.05, 2),
    "503": (0.05, 1),
    "drop_before": (0.04, 1),
    "drop_after": (0.04, 1),
    "hang": (0.01, 1),
    "truncated": (0.04, 1),
    "utf8": (0.04, 1),
    "refusal": (0.02, float("inf")),
    "length": (0.02, float("inf")),
    "prose": (0.02, float("inf")),
    "schema": (0.02, 1),
}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_2000_chunks_through_every_fault_lose_nothing(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "docs", 250, sections=8)
    run = tmp_path / "run"
    with fake_server(faults=EVERY_FAULT, latency_ms=5, retry_after="0.2") as server:
        done = datagen(
            "run", "--source", source, "--out", run, "--base-url", server.url, "--concurrency", "64",
            "--set", "client.timeout_s=3", "--set", "client.backoff_s=0.05", "--set", "limits.max_failed=0.5",
            "--set", "chunk.tokens=300", timeout=500,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        faults = server.stats()["faults"]
    assert set(EVERY_FAULT) <= set(faults), "every kind of fault was really met"
    counted = ledger(run)
    assert counted["requested"] >= 3 * 2000
    assert counted["kept"] > 0
    failed = rows(run / "failed.jsonl")
    assert sum(row["samples"] for row in failed) == sum(counted["failed"].values()) > 0
    assert {"call", "recipe", "chunk", "samples", "reason", "attempts", "raw"} == set(failed[0])
    for row in failed:
        assert row["raw"] or row["reason"] in ("connection", "timeout"), row
        assert row["attempts"] >= 1
    assert {"refusal", "length"} <= set(counted["failed"])


def test_an_endpoint_without_json_schema_is_found_out_and_still_serves(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "docs", 3)
    with fake_server(no_json_schema=True, no_json_object=True) as server:
        done = datagen("run", "--source", source, "--out", tmp_path / "run", "--base-url", server.url)
        assert done.returncode == 0, done.stderr
    assert ledger(tmp_path / "run")["kept"] > 0


def test_too_many_failures_are_exit_code_1_with_everything_in_the_ledger(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "docs", 4)
    with fake_server(faults={"refusal": (0.6, float("inf"))}) as server:
        done = datagen("run", "--source", source, "--out", tmp_path / "run", "--base-url", server.url)
    assert done.returncode == 1, done.stderr
    assert "max_failed" in done.stdout
    assert ledger(tmp_path / "run")["failed"]["refusal"] > 0


def test_what_failed_for_a_passing_reason_is_tried_again_on_request(tmp_path: Path) -> None:
    source, run = write_corpus(tmp_path / "docs", 6), tmp_path / "run"
    quick = ("--set", "client.attempts=2", "--set", "client.backoff_s=0.01", "--set", "engine.shard_files=2")
    with fake_server(seed=3, faults={"500": (0.3, float("inf")), "refusal": (0.1, float("inf"))}) as server:
        first = datagen("run", "--source", source, "--out", run, "--base-url", server.url, *quick)
        assert "http_500" in ledger(run)["failed"], first.stderr
        asked = server.stats()["questions"]
        again = datagen("run", "--source", source, "--out", run, "--base-url", server.url, *quick)
        assert server.stats()["questions"] == asked
        assert again.stdout == first.stdout
        url = server.url
    before = ledger(run)["failed"]
    with fake_server(port=url.rsplit(":", 1)[1].split("/")[0]) as server:
        done = datagen("run", "--source", source, "--out", run, "--base-url", url, *quick, "--retry-failed")
        assert "again" in done.stderr
        assert 0 < server.stats()["questions"] < asked
    counted = ledger(run)
    assert set(counted["failed"]) <= {"refusal", "short"}, "a refusal was paid for and stays in the call log"
    assert counted["failed"].get("refusal", 0) <= before.get("refusal", 0)
    assert sum(counted["failed"].values()) < sum(before.values())
    assert "unscored" not in counted["rejected"] or counted["rejected"]["unscored"] < counted["requested"]


def test_the_judge_of_another_endpoint_and_model(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "docs", 2)
    with (
        fake_server(models=["small"], journal=tmp_path / "a") as a,
        fake_server(models=["big"], journal=tmp_path / "b") as b,
    ):
        done = datagen(
            "run", "--source", source, "--out", tmp_path / "run", "--base-url", a.url, "--judge-model", "big",
            "--set", f"judge.base_url={b.url}",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "judgement" not in {e["schema"] for e in a.journal()}
        assert "judgement" in {e["schema"] for e in b.journal()}
    lineage = rows(tmp_path / "run" / "export" / "lineage.jsonl")
    assert {row["model"] for row in lineage} == {"small"}
