"""The plan: what will be trained on, for how long, and in how much memory."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import AutoTokenizer

from training import duration, plan_text, steps, tiny
from training.config import DpoConfig, SftConfig, TrainConfig
from training.duration import Duration
from training.plan import Plan, histogram, plan, reckon
from training.shape import ModelShape


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make(tmp_path_factory.mktemp("plan") / "base", ["Ask and answer."], hidden=64)


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plan-export")
    rows = [
        {"id": f"r{n}", "messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "x" * n}]}
        for n in range(1, 41)
    ]
    pairs = [
        {
            "id": f"p{n}",
            "prompt": [{"role": "user", "content": "Why?"}],
            "chosen": [{"role": "assistant", "content": "y" * n}],
            "rejected": [{"role": "assistant", "content": "z"}],
        }
        for n in range(2, 12)
    ]
    for name, lines in (("sft", rows), ("preference", pairs)):
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / f"{name}.train.jsonl").write_text(text, encoding="utf-8")
    return folder


def made(base: Path, export: Path, **settings: Any) -> Plan:
    config = TrainConfig(base=str(base), **settings)
    return plan(export, config, AutoTokenizer.from_pretrained(str(base)), "cpu")


def test_it_counts_rows_tokens_and_steps(base: Path, export: Path) -> None:
    sft = SftConfig(epochs=2, batch=2, accumulation=2)
    found = made(base, export, sft=sft)
    first, second = found.stages
    assert (first.stage, second.stage) == ("sft", "dpo")
    assert (first.rows, second.rows) == (40, 10)
    assert first.tokens == int(first.lengths.sum())
    assert first.length == int(first.lengths.max())
    assert first.steps == steps.total(steps.settle(sft, 40)[0], 40) == 20
    assert first.duration.tokens == 2 * first.tokens
    assert second.tokens == 2 * int(second.lengths.sum())
    assert found.fits


def test_what_is_cut_and_left_out_is_counted(base: Path, export: Path) -> None:
    whole = made(base, export)
    length = int(np.median(whole.stages[0].lengths))
    found = made(base, export, max_length=length)
    rows, pairs = found.stages
    assert rows.length == length
    assert rows.cut == int((rows.lengths > length).sum()) > 0
    assert rows.rows == 40
    assert rows.tokens == int(np.minimum(rows.lengths, length).sum())
    assert pairs.rows == 10 - pairs.cut
    assert rows.estimate.total < whole.stages[0].estimate.total


def test_the_text_says_all_of_it(base: Path, export: Path) -> None:
    text = made(base, export, vram="16GB").text()
    for part in (
        "SFT: 40 rows",
        "DPO: 10 pairs",
        "█",
        "steps of",
        "4-bit weights",
        "optimizer",
        "of 16.00 GB as given",
    ):
        assert part in text
    assert "It fits." in text
    assert "tokens a second, which the first steps show" in text
    assert max(map(len, text.splitlines())) < 400


def test_the_dictionary_is_json_and_agrees_with_the_plan(base: Path, export: Path) -> None:
    found = made(base, export)
    told = json.loads(json.dumps(found.as_dict()))
    for stage in found.stages:
        part = told["stages"][stage.stage]
        assert sum(item["bytes"] for item in part["memory"]) == part["estimate_bytes"] == stage.estimate.total
        assert sum(bar["rows"] for bar in part["histogram"]) == len(stage.lengths)
        assert part["seconds"] is None


def test_what_does_not_fit_says_so_and_auto_fit_changes_it(base: Path, export: Path) -> None:
    given = {"sft": SftConfig(batch=8, accumulation=1), "dpo": DpoConfig(batch=8, accumulation=1)}
    most = max(stage.estimate.total for stage in made(base, export, **given).stages)
    vram = f"{most * 0.6 / 1e6:.3f}MB"
    found = made(base, export, vram=vram, **given)
    assert not found.fits
    assert found.proposal.fits
    assert "does not fit as given" in found.text()
    fitted = made(base, export, vram=vram, auto_fit=True, **given)
    assert fitted.fits
    assert fitted.config == found.proposal.config.model_copy(update={"auto_fit": True})
    assert "which were made" in fitted.text()
    assert fitted.as_dict()["applied"]
    never = made(base, export, vram="1MB", auto_fit=True, **given)
    assert not never.fits
    assert "Nothing fits into" in never.text()


def test_a_stage_without_rows_is_not_in_it(base: Path) -> None:
    lengths: Any = {"sft": np.array([5, 6]), "dpo": np.zeros(0, np.int64)}
    found = reckon(ModelShape.of(base), TrainConfig(base=str(base)), lengths, "cpu")
    assert [stage.stage for stage in found.stages] == ["sft"]
    assert found.estimate("dpo") is None
    assert found.estimate("sft") is not None


@pytest.mark.parametrize("lengths", [[], [0], [1], [7] * 9, [1, 5000], list(range(300))])
def test_the_bars_hold_every_row_once(lengths: list[int]) -> None:
    spans = histogram(lengths)
    assert sum(count for _, _, count in spans) == len(lengths)
    assert len(spans) <= 9
    for (_, last, _), (first, _, _) in itertools.pairwise(spans):
        assert first == last + 1


def test_time_is_measured_or_said_to_be_unknown(base: Path, tmp_path: Path) -> None:
    config = TrainConfig(base=str(base))
    assert duration.measured_rates(tmp_path, config) == {}
    (tmp_path / "training.json").write_text(json.dumps({"config": config.model_dump(mode="json")}), encoding="utf-8")
    lines = [{"stage": "sft", "tokens_per_s": rate} for rate in (100.0, 200.0, 900.0)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "metrics.jsonl").write_text(text + "[1]\nnot json\n", encoding="utf-8")
    assert duration.measured_rates(tmp_path, config) == {"sft": 200.0}
    assert duration.measured_rates(tmp_path, config.model_copy(update={"method": "lora"})) == {}
    lengths: Any = {"sft": np.array([50, 150])}
    one = reckon(ModelShape.of(base), config, lengths, "cpu", out=tmp_path).stages[0].duration
    assert one.seconds == one.tokens / 200.0
    assert "200 tokens a second of the training before" in one.said()


def test_the_arithmetic_bounds_the_time_from_below(base: Path) -> None:
    shape, config = ModelShape.of(base), TrainConfig(base=str(base))
    weights = shape.quantised + shape.vocabulary * shape.hidden
    assert duration.operations(shape, config, "sft", recomputed=False) == 4 * weights
    assert duration.operations(shape, config, "dpo", recomputed=True) == 8 * weights
    full = config.model_copy(update={"method": "full"})
    assert duration.operations(shape, full, "sft", recomputed=False) == 6 * weights
    timed = Duration(1000, 10**9, speed=10**10)
    assert timed.at_least == 100
    assert "Not under 2 min" in timed.said()
    assert Duration(1000, 10**9).seconds is None
    lengths: Any = {"sft": np.array([50, 150])}
    assert (reckon(shape, config, lengths, "cpu").stages[0].duration.speed or 1e20) < 1e16
    elsewhere = config.model_copy(update={"vram": "16GB"})
    assert reckon(shape, elsewhere, lengths, "cpu").stages[0].duration.speed is None


def test_a_measured_peak_stands_beside_its_estimate() -> None:
    assert plan_text.measured("SFT", 11_000_000_000, 10_000_000_000) == (
        "SFT: 10.00 GB at most, estimated 11.00 GB (+10.0%)"
    )


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "1 s"), (89, "89 s"), (600, "10 min"), (9000, "2.5 h"), (2e5, "2.3 days")]
)
def test_times_are_spelled(seconds: float, text: str) -> None:
    assert duration.spell(seconds) == text
