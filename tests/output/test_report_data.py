"""What the report says is what was fed to it; and report.json is the same when the same work is done again."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.core.record import Chunk, Document, Failure, Sample
from datagen.output import charts
from datagen.output.histogram import Lengths, Scores
from datagen.output.report import write_report
from datagen.output.report_data import PAGE, ReportBuilder
from tests.output import made
from tests.output.made import a_sample


@pytest.fixture(scope="module", params=[False, True], ids=["rules", "model"])
def fed(request: pytest.FixtureRequest) -> tuple[list[Any], dict[str, Any]]:
    records = list(made.run(600, model=request.param))
    return records, made.build(iter(records), made.facts(request.param))


def test_every_step_of_the_funnel_follows_from_the_one_before(fed: tuple[list[Any], dict[str, Any]]) -> None:
    steps = fed[1]["funnel"]
    for before, after in pairwise(steps):
        if before["unit"] == after["unit"]:
            assert after["count"] == before["count"] - sum(loss["count"] for loss in before["losses"])
        else:
            assert not before["losses"]
    assert steps[-1]["label"] == "kept"
    assert steps[-1]["count"] == fed[1]["ledger"]["kept"]


def test_counts_are_those_of_the_records(fed: tuple[list[Any], dict[str, Any]]) -> None:
    records, data = fed
    documents = [r for r in records if isinstance(r, Document)]
    samples = [r for r in records if isinstance(r, Sample)]
    kept = [s for s in samples if s.verdict is None]
    readable = [d for d in documents if d.verdict is None]
    assert data["totals"]["documents"] == len(readable) == len(data["documents"])
    assert data["totals"]["files"] == len(documents) + sum(isinstance(r, tuple) for r in records)
    assert len(data["skipped"]) == data["totals"]["files"] - len(readable)
    assert sum(d["chunks"] for d in data["documents"]) == sum(isinstance(r, Chunk) for r in records)
    assert sum(d["kept"] for d in data["documents"]) == data["ledger"]["kept"] == len(kept)
    assert sum(n for by_split in data["splits"].values() for n in by_split.values()) == len(kept)
    failed = sum(r.samples for r in records if isinstance(r, Failure))
    assert data["ledger"]["requested"] == len(samples) + failed
    scored = [s for s in samples if s.score is not None]
    assert all(found["count"] == len(scored) for found in data["scores"].values())
    assert data["scores"]["mean"]["mean"] == pytest.approx(sum(s.score or 0 for s in scored) / len(scored), abs=0.006)
    assert sum(b["count"] for b in data["lengths"]["bins"]) == len(kept) == data["lengths"]["total"]
    losses = {(r["stage"], r["reason"]): r["count"] for r in data["rejections"] if r["unit"] == "samples"}
    assert sum(losses.values()) == len(samples) - len(kept)
    assert len(data[PAGE]["samples"]) == data[PAGE]["samples"].seen == len(samples)


def test_best_and_worst_are_kept_samples_in_order(fed: tuple[list[Any], dict[str, Any]]) -> None:
    records, data = fed
    scores = sorted(r.score for r in records if isinstance(r, Sample) and r.verdict is None and r.score is not None)
    assert [s["score"] for s in data["best"]] == scores[::-1][: len(data["best"])]
    assert [s["score"] for s in data["worst"]] == scores[: len(data["worst"])]


def test_a_wrong_ledger_is_said_loudly(tmp_path: Path) -> None:
    ledger = {"requested": 5, "kept": 1, "rejected": {}, "failed": {}}
    data = made.build(iter([a_sample()]), made.facts() | {"ledger": ledger})
    assert data["adds_up"] is False
    write_report(data, tmp_path)
    assert "The ledger does not add up" in (tmp_path / "report.html").read_text()


def test_report_json_is_the_same_whatever_it_cost_and_wherever_it_ran(tmp_path: Path) -> None:
    one, two = made.facts(True), made.facts(True)
    two["timing"] = {"started": "2030-01-01T00:00:00+00:00", "finished": "x", "sessions": 9, "seconds": 1.0}
    two["usage"] = None
    two["libraries"] = {}
    two["config"]["engine"] = {"executor": "processes", "workers": 7}
    two["config"]["sources"]["paths"] = ["/elsewhere"]
    two["config"]["generator"]["base_url"] = "http://127.0.0.1:9/v1"
    for name, facts in (("one", one), ("two", two)):
        (tmp_path / name).mkdir()
        write_report(made.build(made.run(200, model=True), facts), tmp_path / name)
    assert (tmp_path / "one/report.json").read_bytes() == (tmp_path / "two/report.json").read_bytes()
    text = (tmp_path / "one/report.json").read_text()
    for outside in ("/home/", "secret", "2026-0", "667.3", "http://"):
        assert outside not in text


def test_report_json_has_the_fixed_names(tmp_path: Path) -> None:
    write_report(made.build(made.run(100), made.facts()), tmp_path)
    data = json.loads((tmp_path / "report.json").read_bytes())
    assert {"path", "characters", "chunks"} <= set(data["documents"][0])
    assert all(set(s) == {"path", "reason"} for s in data["skipped"])
    assert data["ledger"]["kept"] == sum(d["kept"] for d in data["documents"])
    assert data["scored_by"].keys() == {"heuristic"}
    assert data["model"] == made.NO_MODEL
    assert PAGE not in data


def test_nothing_at_all_still_makes_a_report(tmp_path: Path) -> None:
    data = ReportBuilder().finish({})
    write_report(data, tmp_path)
    assert data["headline"] == "No sample was made from 0 documents."
    assert "Nothing that could be read" in (tmp_path / "report.html").read_text()


class TestHistograms:
    @given(
        values=st.lists(st.integers(100, 500).map(lambda n: n / 100), min_size=1),
        threshold=st.sampled_from([None, 1, 3.5, 4, 5]),
    )
    def test_bars_stand_for_every_score_and_part_at_the_threshold(
        self, values: list[float], threshold: float | None
    ) -> None:
        counted = Scores()
        for v in values:
            counted.add({"x": v})
        found = counted.as_dict()["x"]
        chart = charts.scores(found["values"], 100, 10, threshold)
        assert sum(int(b.title.rpartition(": ")[2].replace(",", "")) for b in chart.bars) == len(values)
        assert all(b.x >= 0 and b.x + b.width <= 100.01 and b.y >= 0 and b.height > 0 for b in chart.bars)
        strong = sum(int(b.title.rpartition(": ")[2].replace(",", "")) for b in chart.bars if b.strong)
        assert strong == sum(threshold is None or v >= threshold for v in values)

    @given(lengths=st.lists(st.tuples(st.integers(0, 200_000), st.integers(1, 6)), min_size=1, max_size=60))
    def test_the_suggested_length_holds_99_percent(self, lengths: list[tuple[int, int]]) -> None:
        counted = Lengths()
        counted.calibrate(1000, 250)
        for characters, turns in lengths:
            counted.add(characters, turns)
        found = counted.as_dict()
        assert found is not None
        tokens = sorted(max(1, round(c / 4) + 5 * t) for c, t in lengths)
        assert found["longer"] == sum(t > found["suggested_max_length"] for t in tokens)
        assert found["longer"] <= 0.01 * len(tokens)
        assert found["longest"] == tokens[-1]
        assert sum(b["count"] for b in found["bins"]) == len(tokens)
        for b in found["bins"]:
            assert b["count"] == sum(b["from"] <= t <= b["to"] for t in tokens)
        chart = charts.lengths(found, 100, 10)
        assert chart.line is None or 0 <= chart.line <= 100

    def test_without_chunks_four_characters_are_a_token(self) -> None:
        counted = Lengths()
        counted.add(400, 2)
        found = counted.as_dict()
        assert found is not None
        assert found["longest"] == 110
        assert found["estimate"] == "4 characters a token"
