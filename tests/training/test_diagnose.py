"""What the curves say in words: each illness is named, and health is not called one."""

from __future__ import annotations

import json
import math
import random
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.shapes import dpo, falling, run, sft, straight
from training.curves import collect, lines
from training.diagnose import headline, words


def kinds(metrics: list[dict[str, Any]]) -> dict[str, str]:
    return {f.kind: f.level for f in words(metrics)}


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("noise", [0.0, 0.05, 0.2])
def test_healthy_curves_are_called_healthy_whatever_the_noise(seed: int, noise: float) -> None:
    found = words(sft(seed, noise=noise) + dpo(seed, noise=noise))
    assert {f.level for f in found} == {"good"}, found
    assert headline(found) == "It went well."
    said = " ".join(f.said for f in found)
    assert re.search(r"Loss falls from [12]\.\d", said)
    assert "Margin rises" in said
    assert "Validation loss falls too" in said


def test_each_finding_has_a_sentence_and_what_is_not_good_has_a_fix() -> None:
    for metrics in EVERY.values():
        for finding in words(metrics):
            assert finding.said.endswith(".")
            assert finding.stage in ("sft", "dpo")
            assert finding.kind
            if finding.level != "good":
                assert finding.fix.endswith((".", ")."))


EVERY: dict[str, list[dict[str, Any]]] = {
    "rises": sft(loss=straight(1.5, 4.0), evaluate=None),
    "flat": sft(loss=lambda t: 2.4, evaluate=None),
    "little": sft(loss=falling(2.4, 2.3), evaluate=lambda t: 2.35, noise=0.005),
    "still_falling": sft(loss=straight(4.0, 1.5)),
    "plateau": sft(loss=falling(2.4, 0.9, 20)),
    "by_heart": sft(loss=falling(2.4, 0.05), evaluate=None),
    "overfit": sft(loss=straight(2.4, 0.5), evaluate=lambda t: 1.2 + 3 * (t - 0.4) ** 2),
    "validation_rises": sft(loss=falling(2.4, 0.9, 60), evaluate=straight(1.0, 1.5)),
    "validation_flat": sft(evaluate=lambda t: 2.0),
    "few_steps": sft(steps=12),
    "margin_flat": dpo(margin=lambda t: 0.01, accuracy=lambda t: 0.6),
    "margin_falls": dpo(margin=straight(0.0, -2.0), accuracy=straight(0.5, 0.2)),
    "collapse": dpo(
        chosen_logps=straight(-80, -240), rejected_logps=straight(-85, -400), chosen_reward=straight(0, -16)
    ),
    "accuracy_stuck": dpo(accuracy=lambda t: 0.5),
    "accuracy_low": dpo(accuracy=straight(0.5, 0.2)),
    "too_easy": dpo(margin=straight(0, 15), accuracy=falling(0.5, 1.0, 40), noise=0.0),
    "no_gradient": sft(grad_norm=lambda t: 0.0),
}


@pytest.mark.parametrize("kind", sorted(EVERY))
def test_each_illness_is_named(kind: str) -> None:
    found = kinds(EVERY[kind])
    assert kind in found, words(EVERY[kind])
    good = {"still_falling", "plateau"}
    assert (found[kind] == "good") == (kind in good)


def test_the_collapse_is_told_with_its_cure() -> None:
    [worst, *_] = words(EVERY["collapse"])
    assert worst.said.startswith("Margin rises, but the chosen log-probability collapses, by 1")
    bare = [{k: v for k, v in line.items() if "reward" not in k} for line in EVERY["collapse"]]
    assert words(bare)[0].said.startswith("Margin rises, but the chosen log-probability collapses, from -8")
    assert "Lower beta or learning rate" in worst.fix
    assert headline([worst]) == "It did not go well."


def test_overfitting_is_told_with_the_epoch_to_stop_at() -> None:
    [worst, *_] = words(EVERY["overfit"])
    assert "learns by heart" in worst.said
    assert "step 80" in worst.said
    assert "sft.epochs=1.2" in worst.fix
    assert not [f for f in words(EVERY["overfit"]) if "More epochs" in f.fix]  # not beside the advice to stop
    assert headline([worst]) == "It did not go well."
    assert "by heart, as it is meant to" in headline([worst], toy=True)
    collapse = words(EVERY["collapse"])[0]
    assert (
        headline([worst, collapse], toy=True)
        == headline([worst, collapse])
        == "It did not go well: 2 things are wrong."
    )


@pytest.mark.parametrize("seed", range(20))
def test_an_odd_last_look_is_no_overfitting(seed: int) -> None:
    metrics = sft(seed)
    metrics[-1]["eval_loss"] = 1.06  # 1 % above the last ones
    assert "overfit" not in kinds(metrics)


@pytest.mark.parametrize("seed", range(20))
def test_long_and_short_replies_are_no_collapse(seed: int) -> None:
    """In batches of one or two, lengths vary far more than anything that is learned."""
    draw = random.Random(seed)
    metrics = dpo(seed, steps=40)
    for line in metrics:
        line["chosen_logps"] = -math.exp(draw.gauss(5, 1))
    for at, value in {0: -50.0, 1: -60.0, -1: -900.0}.items():
        metrics[at]["chosen_logps"] = value
    for line in metrics:
        line["chosen_reward"] = 0.1 * 0.05 * line["chosen_logps"] * (line["step"] - 1) / 40
    assert "collapse" not in kinds(metrics)
    for line in metrics:
        line["chosen_reward"] *= 10  # half of the log-probability at the end
    assert kinds(metrics)["collapse"] == "bad"
    # A reward is beta times the change: with a beta ten times as large the same rewards mean a tenth of it.
    assert "collapse" not in {f.kind for f in words(metrics, beta=1.0)}


def test_a_level_validation_loss_is_no_illness_where_training_is_level_too() -> None:
    found = kinds(sft(loss=falling(2.4, 1.5, 80), evaluate=lambda t: 1.6))
    assert found["level"] == "good"


def test_a_margin_that_sinks_below_zero_is_never_called_flat() -> None:
    sinking = dpo(steps=30, margin=lambda t: -0.2 * min(1, 8 * t), accuracy=lambda t: 0.3, noise=0.5)
    assert kinds(sinking)["margin_falls"] == "bad"


def test_spikes_of_the_gradient_are_counted() -> None:
    metrics = sft()
    for step in (30, 90):
        metrics[step]["grad_norm"] = 60.0
    [finding] = [f for f in words(metrics) if f.kind == "spikes"]
    assert finding.level == "watch"
    assert "2 steps (step 31, 91)" in finding.said
    for step in range(50, 120, 4):
        metrics[step]["grad_norm"] = 60.0
    assert kinds(metrics)["spikes"] == "bad"


@pytest.mark.parametrize("value", [math.nan, "NaN", math.inf, 10**400])
def test_a_loss_that_is_no_number_is_named_with_its_step(value: Any) -> None:
    metrics = sft()
    metrics[149]["loss"] = value
    [finding] = [f for f in words(metrics) if f.kind == "not_a_number"]
    assert finding.level == "bad"
    assert "first in step 150" in finding.said
    for line in metrics[149:]:
        line["loss"] = value
    assert any("from step 150 on" in f.said for f in words(metrics))


def test_missing_values_and_half_a_run_are_no_harm() -> None:
    metrics = sft() + dpo()
    for i, line in enumerate(metrics):
        for key in [k for k in line if k not in ("stage", "step")]:
            if (i + len(key)) % 3 == 0:
                del line[key]
    assert {f.level for f in words(metrics)} == {"good"}
    assert words(run("dpo", loss=falling(0.69, 0.3)))[-1].kind == "falls"
    assert words([]) == []
    assert headline([]) == "No step was logged."


def test_a_step_done_again_after_an_interruption_counts_once() -> None:
    first, again = sft(seed=1)[:120], sft(seed=1)[100:]
    curve = collect(first + again)["sft"]["loss"]
    assert len(curve) == 200
    assert list(curve.steps) == list(range(1, 201))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from(
    ["stage", "step", "loss", "eval_loss", "margin", "accuracy", "chosen_logps", "grad_norm", "epoch"]
)


@settings(max_examples=200)
@given(st.lists(st.dictionaries(KEYS, JSON | st.sampled_from(["sft", "dpo", 1, 50, 1e308, -1e308]), max_size=9)))
def test_nothing_that_stands_in_the_file_stops_it(metrics: list[dict[str, Any]]) -> None:
    for i, line in enumerate(metrics):
        line.setdefault("stage", "dpo")
        line.setdefault("step", i + 20)
    headline(words(metrics))


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=25, max_size=60))
def test_no_curve_stops_it(values: list[float]) -> None:
    for stage in ("sft", "dpo"):
        keys = ("loss", "eval_loss", "margin", "accuracy", "chosen_logps", "rejected_logps", "grad_norm")
        words([{"stage": stage, "step": i + 1, **dict.fromkeys(keys, v)} for i, v in enumerate(values)])


def test_a_broken_file_is_read_as_far_as_it_goes(tmp_path: Any) -> None:
    path = tmp_path / "metrics.jsonl"
    good = [json.dumps(line) for line in sft(steps=30)]
    path.write_bytes(
        b"\xff\xfe\x00 nothing\n[1,2]\n" + b"x" * 3_000_000 + b"\n" + "\n".join(good).encode() + b'\n{"stage": "sf'
    )
    assert len(list(lines(path))) == 30
    assert list(lines(tmp_path / "missing.jsonl")) == []
