"""``--target N`` is N accepted samples, or a reason why not."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.fakeserver import fake_server
from tests.runs import all_bytes, datagen, ledger, rows, start, write_corpus

LENIENT = ("--set", "judge.threshold=1", "--set", "generator.qa.types={factual: 1}")


@pytest.mark.slow
def test_500_of_a_server_whose_replies_are_40_percent_rejectable(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "docs", 60)
    run = tmp_path / "run"
    with fake_server(bad_rate=0.4) as server:
        command = ("run", "--source", source, "--out", run, "--base-url", server.url, "--target", "500", *LENIENT)
        done = datagen(*command)
        assert done.returncode == 0, done.stdout + done.stderr
        counted = ledger(run)
        assert counted["kept"] == 500
        assert counted["rejected"]["ungrounded"] > 100
        assert counted["requested"] < 500 / 0.6 * 1.4, "not much more was asked for than had to be"
        assert len(rows(run / "export" / "lineage.jsonl")) == 500
        asked, before = server.stats()["questions"], all_bytes(run)
        again = datagen(*command)
        assert again.returncode == 0
        assert server.stats()["questions"] == asked, "a second run asks nothing"
        assert all_bytes(run) == before

        more = datagen(*command, "--target", "520")
        assert more.returncode == 0, more.stdout
        assert ledger(run)["kept"] == 520
    # Spread evenly: nearly every document has some (a few had bad replies alone), none has far more than its share.
    kept = [r["kept"] for r in json.loads((run / "report.json").read_text())["documents"]]
    assert sum(n == 0 for n in kept) <= len(kept) // 10
    assert max(kept) <= 4 * 520 / len(kept)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        ("curation.semantic.enabled=true", "curation.select.strategy=diverse"),
        ("curation.dedupe.keep=longest", "curation.select.strategy=balanced", "curation.select.per_document=4"),
    ],
)
def test_what_sees_all_samples_of_a_round_before_it_decides_goes_on_with_the_next(
    tmp_path: Path, settings: tuple[str, ...]
) -> None:
    source = write_corpus(tmp_path / "docs", 40)
    run = tmp_path / "run"
    with fake_server(bad_rate=0.4) as server:
        command = ("run", "--source", source, "--out", run, "--base-url", server.url, "--target", "120", *LENIENT)
        options = [part for setting in settings for part in ("--set", setting)]
        done = datagen(*command, *options)
        assert done.returncode == 0, done.stdout + done.stderr
        asked, before = server.stats()["questions"], all_bytes(run)
        assert datagen(*command, *options).returncode == 0
        assert server.stats()["questions"] == asked
        assert all_bytes(run) == before
    assert ledger(run)["kept"] == 120
    kept = Counter(row["document"]["path"] for row in rows(run / "export" / "lineage.jsonl"))
    assert "per_document" not in settings[-1] or max(kept.values()) <= 4


def test_99_percent_rejectable_ends_explains_and_is_exit_code_1(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "docs", 60)
    run = tmp_path / "run"
    with fake_server(bad_rate=0.99) as server:
        done = datagen("run", "--source", source, "--out", run, "--base-url", server.url, "--target", "500", *LENIENT)
        assert done.returncode == 1, done.stdout + done.stderr
        questions = server.stats()["questions"]
    assert "500 were asked for" in done.stdout
    assert "min_yield" in done.stdout
    assert questions < 600, "it stopped soon"
    counted = ledger(run)
    assert 0 < counted["kept"] < 50


def test_a_kill_between_rounds_changes_nothing(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "docs", 30)
    with fake_server(bad_rate=0.4, latency_ms=30) as server:

        def command(run: str) -> tuple[str | Path, ...]:
            out = tmp_path / run
            return "run", "--source", source, "--out", out, "--base-url", server.url, "--target", "200", *LENIENT

        assert datagen(*command("whole")).returncode == 0
        events = tmp_path / "killed" / "events.jsonl"
        process = start(*command("killed"))
        while process.poll() is None and not (events.is_file() and '"round"' in events.read_text()):
            time.sleep(0.005)
        assert process.poll() is None, "it was killed in the middle"
        process.kill()
        process.communicate()
        done = datagen(*command("killed"))
        assert done.returncode == 0, done.stderr
    for name in ("ledger.json", "report.json", "failed.jsonl", "export/sft.train.jsonl", "export/lineage.jsonl"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
