"""Bias figures say what was put into the samples, in one pass and bounded memory."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from curation import bias
from curation.bias import bias_report, drift, drift_sample, families_of, family_of, order_agreement, same_family
from curation.calibrate_order import on_drift, on_order
from curation.pairwise import Comparison, Said
from curation.pairwise_stage import CHECK, told
from datagen.core.record import Judged, Lineage, Message, Rejected, Sample, Verdict, trusted

GENERATOR, JUDGE = "Qwen/Qwen2.5-7B-Instruct", "openai/gpt-4o-mini"


def judged(score: float | None, answer: str = "An answer.", **more: Any) -> Sample:
    lineage = Lineage(path="a.md", sha256="0", chunk="c", start=0, end=0, model=more.pop("generator", GENERATOR))
    values = {
        "id": "s",
        "recipe": "qa",
        "messages": (Message(role="user", content="Why?"), Message(role="assistant", content=answer)),
        "lineage": lineage,
        "score": score,
        "scored_by": f"judge:{JUDGE}" if score is not None else "",
    }
    return trusted(Sample, **{**values, **more})


def graded(report: bias.BiasReport, name: str) -> str:
    found = report.finding(name)
    assert found is not None, name
    assert (found.advice != "") == (found.severity != "none")
    return found.severity


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("openai/gpt-4o-mini", "gpt"),
        ("gpt-4.1-2025-04-14", "gpt"),
        ("openai/gpt-oss-120b", "gpt"),
        ("chatgpt-4o-latest", "gpt"),
        ("o1", "gpt"),
        ("o3-mini", "gpt"),
        ("openai/o4-mini-2025-04-16", "gpt"),
        ("openai/an-alias", "gpt"),
        ("ft:gpt-4o-mini-2024-07-18:acme::abc", "gpt"),
        ("Qwen/Qwen2.5-7B-Instruct-AWQ", "qwen"),
        ("qwq:32b", "qwen"),
        ("/models/Qwen3-8B/", "qwen"),
        ("meta-llama/Llama-3.1-8B-Instruct", "llama"),
        ("llama3:8b", "llama"),
        ("accounts/fireworks/models/llama-v3p1-70b-instruct", "llama"),
        ("codellama/CodeLlama-7b-hf", "llama"),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "mistral"),
        ("ministral-8b-latest", "mistral"),
        ("mistralai/Devstral-Small-2505", "mistral"),
        ("mistralai/some-name", "mistral"),
        ("google/gemma-2-9b-it", "gemini"),
        ("gemini-1.5-pro", "gemini"),
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", "claude"),
        ("anthropic/some-name", "claude"),
        ("deepseek-ai/DeepSeek-V3", "deepseek"),
        ("deepseek-r1:7b", "deepseek"),
        ("microsoft/Phi-3-mini-4k-instruct", "phi"),
        ("phi4", "phi"),
        ("CohereForAI/c4ai-command-r-plus", "command"),
        ("01-ai/Yi-1.5-34B-Chat", "yi"),
        ("THUDM/glm-4-9b-chat", "glm"),
        ("THUDM/chatglm3-6b", "glm"),
        ("ibm-granite/granite-3.1-8b-instruct", "granite"),
        ("allenai/OLMo-2-1124-7B-Instruct", "olmo"),
        ("x-ai/grok-2", "grok"),
        ("tiny-random", ""),
        ("", ""),
        ("philosophy-7b", ""),
        ("yield-model", ""),
        ("o1000", ""),
        ("video3", ""),
    ],
)
def test_the_family_of_a_model(name: str, family: str) -> None:
    assert family_of(name) == family


def test_a_distilled_model_has_both_families() -> None:
    assert families_of("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B") == ("deepseek", "qwen")
    assert same_family("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "Qwen/Qwen2.5-72B-Instruct") is True


def test_same_family_says_when_it_does_not_know() -> None:
    assert same_family("gpt-4o", "o3-mini") is True
    assert same_family("gpt-4o", "claude-3-haiku") is False
    assert same_family("house-model", "gpt-4o") is None
    assert same_family("house-model", "House-Model ") is True
    assert same_family("", "gpt-4o") is None


@given(st.text())
def test_any_name_is_taken(name: str) -> None:
    assert len(families_of(name)) == len(set(families_of(name)))
    same_family(name, name + "x")


def test_one_family_is_said_loudly() -> None:
    for generator, severity, words in (
        (JUDGE, "alarm", "THE JUDGE IS THE GENERATOR: openai/gpt-4o-mini"),
        ("openai/gpt-4.1", "alarm", "JUDGE AND GENERATOR ARE OF ONE FAMILY (gpt): openai/gpt-4o-mini scored"),
        (GENERATOR, "none", "different families"),
        ("house-model", "note", "can't be told"),
        ("none (extractive rules)", "none", "No model judged what a model wrote"),
    ):
        report = bias_report([judged(4.0, generator=generator)] * 3)
        assert graded(report, "family") == severity
        assert report.severity == severity
        assert words in report.sentences[0] or severity == "none"
        found = report.finding("family")
        assert found is not None
        assert words in found.sentence


def test_a_panel_is_of_one_family_where_one_of_it_is() -> None:
    panel = tuple(Judged(model=m, mode="integer", scores={}, score=4.0) for m in (JUDGE, "Qwen/Qwen2.5-72B-Instruct"))
    found = bias_report([judged(4.0, judgements=panel)] * 2).finding("family")
    assert found is not None
    assert "(qwen): Qwen/Qwen2.5-72B-Instruct" in found.sentence
    assert found.figure.value == 0.5


def made(rows: int, effect: float, seed: int = 1) -> list[Sample]:
    """Scores in quarters that grow with the logarithm of the answer's length by ``effect`` a standard deviation."""
    generator = np.random.default_rng(seed)
    z = generator.normal(0, 1, rows)
    lengths = np.exp(5 + 0.7 * z).astype(int) + 1
    scores = np.clip(np.round((3.4 + effect * z + generator.normal(0, 0.5, rows)) * 4) / 4, 1, 5)
    return [judged(float(s), "x" * n) for s, n in zip(scores, lengths.tolist(), strict=True)]


@pytest.mark.parametrize(("effect", "severity"), [(0.0, "none"), (0.17, "note"), (0.6, "warning"), (-0.6, "warning")])
def test_length_is_seen(effect: float, severity: str) -> None:
    samples = made(1_500, effect)
    report = bias_report(samples)
    found = report.finding("length_answer")
    assert found is not None
    expected = stats.spearmanr([s.score for s in samples], [len(s.messages[-1].content) for s in samples]).statistic
    assert found.figure.value == pytest.approx(expected, abs=1e-9)
    assert graded(report, "length_answer") == severity
    slope = float(found.sentence.split("comes with ")[1].split(" ")[0])
    assert slope == pytest.approx(effect / 0.7 * np.log(2), abs=0.05)  # a doubling is ln 2 / 0.7 standard deviations


def test_the_interval_of_a_rank_correlation_covers_it_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    truth = 6 / np.pi * np.arcsin(0.5 / 2)
    covered = 0
    for _ in range(300):
        a, b = generator.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], 100).T
        figure = bias.length_bias(a.tolist(), b.tolist())
        assert figure.low is not None
        assert figure.high is not None
        covered += figure.low <= truth <= figure.high
    assert 276 <= covered <= 297


def test_length_that_comes_with_the_recipe_is_no_bias() -> None:
    """Labels are short and score low, essays are long and score high, neither for its length."""
    generator = random.Random(1)
    samples = [
        judged(base + generator.choice([0, 0.25, 0.5]), "x" * (size + generator.randrange(size)), recipe=recipe)
        for recipe, base, size in (("tasks", 2.5, 10), ("qa", 4.0, 900))
        for _ in range(400)
    ]
    found = bias_report(samples).finding("length_answer")
    assert found is not None
    assert (found.figure.value or 0) > 0.6
    assert found.severity == "none"
    assert "within recipes" in found.sentence


def test_a_judge_that_likes_everything_is_seen() -> None:
    report = bias_report([judged(5.0)] * 95 + [judged(4.0)] * 5)
    top, entropy = report.finding("top_share"), report.finding("entropy")
    assert top is not None
    assert top.figure.value == 0.95
    assert entropy is not None
    assert entropy.figure.value == pytest.approx(stats.entropy([0.95, 0.05], base=2))
    assert graded(report, "entropy") == "warning"
    assert graded(bias_report([judged(float(s)) for s in (1, 2, 3, 4, 5) * 10]), "entropy") == "none"
    assert bias.score_spread([5, 5, 4.6, 1])[0].value == 0.75
    assert bias.score_spread([])[1] is None


def test_recipes_are_set_beside_each_other() -> None:
    samples = [judged(4.5, recipe="qa")] * 30 + [judged(3.0, recipe="style")] * 30 + [judged(1.0, recipe="rare")]
    report = bias_report(samples)
    assert report.recipes["style"] == {"samples": 30, "mean": 3.0, "top_share": 0.0}
    found = report.finding("recipes")
    assert found is not None
    assert found.figure.value == 1.5
    assert graded(report, "recipes") == "note"
    assert "3.00 (style) to 4.50 (qa)" in found.sentence


def test_what_no_model_judged_is_left_out_and_said() -> None:
    gold = judged(5.0, recipe="gold")
    heuristic = judged(4.0, scored_by="heuristic")
    early = judged(None, verdict=Verdict(stage="rules", reason="too_short"))
    report = bias_report([gold, heuristic, early])
    assert report.scored == 0
    assert [f.name for f in report.findings] == ["judge"]
    unread = judged(None, verdict=Verdict(stage="judge", reason="unscored"))
    report = bias_report([unread, *[judged(4.0)] * 9, gold])
    assert (report.scored, report.unscored) == (9, 1)
    assert graded(report, "unscored") == "warning"
    assert bias_report([unread]).unscored == 1


def test_order_swap() -> None:
    steady = order_agreement([(1, 1), (-2, -0.5), (0, 0)] * 20)
    assert (steady.pairs, steady.consistent.value, steady.first.value) == (60, 1.0, 0.5)
    assert on_order(steady).severity == "none"
    swayed = order_agreement([(1, -1)] * 30 + [(1, 1)] * 35 + [(-1, -1)] * 35)
    assert swayed.consistent.value == 0.7
    assert swayed.first.value == pytest.approx(130 / 200)
    told = on_order(swayed)
    assert told.severity == "warning"
    assert "The answer shown first is favoured" in told.sentence
    assert on_order(order_agreement([])).figure.value is None


def test_drift() -> None:
    first: dict[str, float | None] = {f"s{i}": 4.0 for i in range(100)}
    second = {**first, **{f"s{i}": 3.75 for i in range(20)}, "s98": None, "s99": 2.0}
    found = drift(first, second, 4.0)
    assert (found.samples, found.lost) == (99, 1)
    assert found.flipped.value == pytest.approx(21 / 99)
    assert found.changed.value == pytest.approx(1 / 99)  # 3.75 is still a four
    assert found.moved == pytest.approx((20 * 0.25 + 2) / 99)
    assert found.shift == pytest.approx(-(20 * 0.25 + 2) / 99)
    assert on_drift(found).severity == "warning"
    same = on_drift(drift(first, first, 4.0))
    assert same.severity == "none"
    assert on_drift(drift(first, second)).severity == "none"
    assert on_drift(drift({}, {})).figure.value is None
    assert drift({"a": 3.0, "b": None}, {"b": None, "c": 2.0}).lost == 2


def test_the_sample_that_is_judged_twice_is_fixed() -> None:
    ids = [f"id{i}" for i in range(2_000)]
    chosen = drift_sample(ids, 50)
    assert len(chosen) == 50
    assert drift_sample(reversed(ids), 50) == chosen
    assert len(set(drift_sample([*ids, "one more"], 50)) & set(chosen)) >= 49
    assert drift_sample(ids, 50, seed=1) != chosen
    assert sorted(drift_sample(["a", "b", "a"], 50)) == ["a", "b"]


def test_order_and_drift_stand_in_the_report() -> None:
    order, drifted = order_agreement([(1, -1)] * 40), drift({"a": 1.0}, {"a": 5.0}, 4.0)
    report = bias_report([judged(4.0)] * 3, order=order, drifted=drifted)
    names = [f.name for f in report.findings]
    assert names == [
        "family", "unscored", "length_answer", "length_whole", "top_share", "entropy", "recipes", "order", "drift",
    ]  # fmt: skip
    assert report.severity == "warning"
    assert report.sentences[0].startswith("0% (0% to")


def test_comparisons_that_pairs_carry_are_taken_in() -> None:
    def pair(ahead: float, behind: float) -> Sample:
        said = [Said(preference=p) for p in (ahead, behind)]
        checks = {CHECK: told(Comparison(*said, margin=0.5))}
        return judged(4.0, rejected=Rejected(content="Worse.", flaw="", checks=checks))

    found = bias_report([pair(1.0, -1.0)] * 15 + [pair(0.5, 1.0)] * 15 + [judged(4.0)]).finding("order")
    assert found is not None
    assert (found.rows, found.figure.value, found.severity) == (30, 0.5, "warning")
    unscored = bias_report([pair(1.0, -1.0).model_copy(update={"score": None})])
    assert [f.name for f in unscored.findings] == ["judge", "order"]


def test_more_samples_than_are_held_are_drawn_from_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = made(6_000, 0.6)
    monkeypatch.setattr(bias, "MOST_ROWS", 3_000)
    tally = bias.BiasTally()
    for sample in samples:
        tally.add(sample)
    assert len(tally._scores) == 3_000
    report = tally.finish()
    part = [a.figure.value for r in (report, bias_report(samples)) if (a := r.finding("length_answer"))]
    monkeypatch.undo()
    whole = bias_report(samples).finding("length_answer")
    assert whole is not None
    assert report.scored == 6_000
    assert part[0] == pytest.approx(whole.figure.value, abs=0.05)
    assert part[0] == part[1]


def test_samples_may_come_one_by_one_and_are_not_kept() -> None:
    def coming() -> Iterator[Sample]:
        yield from made(200, 0.3)

    assert bias_report(coming()).scored == 200


words = st.text(st.characters(codec=None, exclude_categories=()), max_size=8)


@settings(max_examples=60)
@given(
    st.lists(
        st.builds(
            judged,
            st.none() | st.floats(-1e9, 1e9) | st.sampled_from([float("nan"), float("inf")]),
            words,
            generator=words,
            recipe=words,
            scored_by=st.sampled_from(["", "heuristic", "judge:", "judge:gpt-4o", "judge:\ud800"]),
            messages=st.sampled_from([(), (Message(role="assistant", content="x" * 10_000),)]),
        ),
        max_size=30,
    )
)
def test_any_samples_give_finite_figures(samples: list[Sample]) -> None:
    report = bias_report(samples)
    json.dumps(report.as_dict(), allow_nan=False)
    assert report.sentences
