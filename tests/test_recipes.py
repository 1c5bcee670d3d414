"""Every recipe, on real documents, against a server with faults: valid samples, true spans, ledgers that add up."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from datagen.core.record import Sample, Task
from datagen.finished import Finished
from tests.fakeserver import fake_server
from tests.runs import ROOT, datagen, ledger, rows

CORPUS = ROOT.parent / "shared" / "corpus"
SOURCES = [ROOT / "docs", *([CORPUS] if CORPUS.is_dir() else [])]
FAULTS = {
    "429": (0.03, 1),
    "500": (0.03, 1),
    "drop_after": (0.02, 1),
    "truncated": (0.02, 1),
    "refusal": (0.02, 9),
    "length": (0.02, 9),
}
RECIPES = "{qa: 1, instruct: 0.5, tasks: 1, style: 0.5, conversation: 0.5}"
PAIRS = "{planted: 2, on_policy: 1, best_of_n: 1}"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipes") / "run"
    with fake_server(faults=FAULTS, latency_ms=2, script=str(Path(__file__).with_name("flaw_judge.py"))) as server:
        command = [
            "run", "--out", folder, "--base-url", server.url, "--set", f"generator.recipes={RECIPES}",
            "--set", "generator.preference.share=0.3", "--set", f"generator.preference.ways={PAIRS}",
            "--set", "judge.threshold=2", "--set", "client.backoff_s=0.02", "--set", "limits.max_failed=0.6",
        ]  # fmt: skip
        for source in SOURCES:
            command += ["--source", source]
        done = datagen(*command, timeout=280)
        assert done.returncode == 0, done.stdout + done.stderr
        asked = server.stats()["questions"]
        before = (folder / "report.json").read_bytes()
        again = datagen(*command, timeout=280)
        assert again.returncode == 0, again.stderr
        # What failed by transport alone has no reply in the log, but its failure is in a shard: nothing is asked.
        assert server.stats()["questions"] == asked
        assert (folder / "report.json").read_bytes() == before
    return folder


@pytest.mark.slow
def test_ledgers_add_up_by_recipe(run: Path) -> None:
    counted = ledger(run)
    finished = Finished(run)
    planned: Counter[str] = Counter()
    for task in finished.tasks():
        assert isinstance(task, Task)
        planned[task.recipe] += task.samples
    ended: Counter[str] = Counter()
    for record in finished.results():
        if isinstance(record, Sample):
            ended[record.recipe] += 1
    failed = Counter()
    for row in rows(run / "failed.jsonl"):
        failed[row["recipe"]] += row["samples"]
    assert counted["requested"] == sum(planned.values())
    assert set(planned) == {"qa", "instruct", "tasks", "style", "conversation", "preference"}
    for recipe, owed in planned.items():
        assert owed == ended[recipe] + failed[recipe], recipe


@pytest.mark.slow
def test_every_recipe_keeps_samples_whose_quotes_stand_in_their_documents(run: Path) -> None:
    finished = Finished(run)
    texts = {d.path: d.text for d in finished.documents()}
    kept: Counter[str] = Counter()
    quoted: Counter[str] = Counter()
    for sample in finished.samples():
        for quote in sample.lineage.quotes:
            assert texts[quote.path or sample.lineage.path][quote.start : quote.end] == quote.text, sample.id
        if sample.verdict is not None:
            continue
        kept[sample.recipe] += 1
        quoted[sample.recipe] += bool(sample.lineage.quotes)
        assert sample.messages[-1].role == "assistant"
        assert all(m.content.strip() for m in sample.messages)
        assert sample.task
        assert sample.lineage.call or sample.family == "continuation", "the author wrote both halves of those"
    assert set(kept) == {"qa", "instruct", "tasks", "style", "conversation", "preference"}, kept
    assert quoted == kept, "every kept sample rests on at least one quote"


@pytest.mark.slow
def test_families_are_recorded_and_interleaved(run: Path) -> None:
    lineage = {row["id"]: row for row in rows(run / "export" / "lineage.jsonl")}
    samples = {s.id: s for s in Finished(run).samples()}
    families = Counter(s.family for s in samples.values() if s.verdict is None and s.recipe == "tasks")
    assert len(families) >= 7, families
    assert all(s.metric for s in samples.values() if s.family)
    order = [samples[row["id"]].recipe for row in rows(run / "export" / "sft.train.jsonl")]
    assert set(order) <= {s.recipe for s in samples.values()}
    assert len(lineage) == len([s for s in samples.values() if s.verdict is None])
    longest = max(len(run) for run in "".join("x" if r == "qa" else " " for r in order).split())
    assert longest <= 8, "no recipe stands in one block"


@pytest.mark.slow
def test_pairs_of_all_three_ways_are_checked_and_reported(run: Path) -> None:
    pairs = [s for s in Finished(run).samples() if s.recipe == "preference"]
    ways = Counter(s.rejected.way for s in pairs if s.rejected and s.verdict is None)
    assert set(ways) == {"planted", "on_policy", "best_of_n"}, ways
    for pair in pairs:
        if pair.verdict is None:
            assert pair.rejected is not None
            assert pair.rejected.flaw
            assert {"related", "flaw", "margin"} <= set(pair.rejected.checks)
    report: dict[str, Any] = json.loads((run / "report.json").read_text())
    assert report["pairs"]["kept"] == sum(ways.values())
    exported = sum(len(rows(run / "export" / f"preference.{split}.jsonl")) for split in ("train", "valid", "test"))
    assert exported == sum(ways.values())
    sft = sum(len(rows(run / "export" / f"sft.{split}.jsonl")) for split in ("train", "valid", "test"))
    assert sft == sum(s.verdict is None and s.recipe != "preference" for s in Finished(run).samples())


@pytest.mark.slow
def test_the_report_says_what_was_planned_made_and_kept(run: Path) -> None:
    coverage = json.loads((run / "report.json").read_text())["coverage"]
    for attribute in coverage["attributes"]:
        planned = [value["planned"] for value in attribute["values"]]
        assert sum(planned) > 0, attribute["name"]
    types = next(a for a in coverage["attributes"] if (a["recipe"], a["name"]) == ("qa", "type"))
    assert {v["value"] for v in types["values"]} >= {"factual", "how_to", "multi_hop", "unanswerable", "false_premise"}
    chunks = coverage["chunks"]
    assert chunks["all"] == sum(chunks[k] for k in ("used", "nothing_kept", "nothing_made", "not_planned"))
