"""Calibration recovers what made-up raters were made with, and its threshold holds where it was not chosen."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.agreement import Agreement
from curation.calibrate import OVERALL, Calibration, calibrate
from curation.calibrate_rows import Rating, latest
from curation.calibrate_threshold import Decided, choose, decided, halves, share

LEVELS = np.arange(1, 6)
SHARES = np.array([0.1, 0.15, 0.25, 0.3, 0.2])


def draw(random: np.random.Generator, rows: int) -> np.ndarray:
    return random.choice(LEVELS, rows, p=SHARES)


def copied(random: np.random.Generator, truth: np.ndarray, kappa: float) -> np.ndarray:
    """The truth for that share of rows, else a draw of its own: both have one distribution, so kappa is the share."""
    return np.where(random.random(len(truth)) < kappa, truth, draw(random, len(truth)))


def rated(judge: np.ndarray, people: dict[str, np.ndarray], *, documents: int = 40, **more: object) -> list[Rating]:
    """Ratings on two criteria: both as the arrays have them."""
    return [
        Rating(
            sample=f"s{i}",
            reviewer=name,
            human={"accuracy": float(scores[i]), "clarity": float(scores[i])},
            judge={"accuracy": float(judge[i]), "clarity": float(judge[i])},
            accepted=bool(scores[i] >= 4),
            document=f"d{i % documents}",
            **more,  # type: ignore[arg-type]
        )
        for name, scores in people.items()
        for i in range(len(judge))
    ]


def holds(figure: object, value: float, slack: float = 0.0) -> bool:
    low, high = figure.low, figure.high  # type: ignore[attr-defined]
    return bool(low - slack <= value <= high + slack)


@pytest.mark.parametrize("kappa", [0.0, 0.3, 0.6, 0.9])
def test_a_known_kappa_is_recovered(kappa: float) -> None:
    random = np.random.default_rng(7)
    people = draw(random, 4_000)
    found = calibrate(rated(copied(random, people, kappa), {"ana": people}), resamples=400)
    for name in (OVERALL, "accuracy", "clarity"):
        figure = found.criteria[name].judge.kappa
        assert figure.value == pytest.approx(kappa, abs=0.04)
        assert holds(figure, kappa, 0.01)
        assert found.criteria[name].judge.spearman.value == pytest.approx(kappa, abs=0.04)
    assert found.criteria[OVERALL].ceiling is None


@pytest.mark.parametrize("bias", [-0.4, 0.0, 0.3])
def test_a_known_bias_is_recovered_and_said(bias: float) -> None:
    random = np.random.default_rng(3)
    people = random.choice([2, 3, 4], 3_000)
    judge = people + np.sign(bias) * (random.random(3_000) < abs(bias))
    found = calibrate(rated(judge, {"ana": people}), resamples=400)
    figure = found.criteria["clarity"].judge.bias
    assert figure.value == pytest.approx(bias, abs=0.03)
    assert holds(figure, bias)
    said = " ".join(found.sentences)
    assert ("the judge gives" in said) == (bias != 0)
    assert "more than people" in said if bias > 0 else "less than people" in said if bias < 0 else True


def test_known_noise_is_recovered() -> None:
    """People and judge see one truth with noise: their rank correlation is the share of variance that is truth's."""
    random = np.random.default_rng(5)
    truth = random.normal(3, 0.6, 5_000)
    judge, people = (truth + random.normal(0, 0.4, 5_000) for _ in "ab")
    found = calibrate(rated(np.clip(judge, 1, 5), {"ana": np.clip(people, 1, 5)}), resamples=200)
    pearson = 0.6**2 / (0.6**2 + 0.4**2)
    assert found.criteria[OVERALL].judge.spearman.value == pytest.approx(6 / np.pi * np.arcsin(pearson / 2), abs=0.03)
    assert found.criteria[OVERALL].judge.kappa.value == pytest.approx(pearson, abs=0.03)


def test_the_ceiling_of_people_is_recovered_and_the_judge_stands_beside_it() -> None:
    random = np.random.default_rng(11)
    truth = draw(random, 3_000)
    people = {name: copied(random, truth, 0.8) for name in ("ana", "ben")}
    people["carl"] = copied(random, truth, 0.8)
    whole = calibrate(rated(copied(random, truth, 0.5), people), resamples=100)
    found = whole.criteria["accuracy"]
    assert found.ceiling is not None
    assert found.ceiling.samples == 3_000
    assert found.ceiling.people.rows == 9_000
    assert found.ceiling.people.kappa.value == pytest.approx(0.64, abs=0.04)
    assert found.ceiling.judge.kappa.value == pytest.approx(0.40, abs=0.04)
    assert any("worse than a second person" in sentence for sentence in whole.sentences)


def test_the_ceiling_looks_at_shared_samples_alone() -> None:
    random = np.random.default_rng(2)
    truth = draw(random, 400)
    rows = rated(truth, {"ana": truth, "ben": truth})
    kept = [r for r in rows if r.reviewer == "ana" or int(r.sample[1:]) < 50]
    ceiling = calibrate(kept, resamples=50).criteria[OVERALL].ceiling
    assert ceiling is not None
    assert (ceiling.samples, ceiling.people.rows, ceiling.judge.rows) == (50, 50, 100)


def test_agreement_that_is_all_length_goes_when_length_is_held_fixed() -> None:
    random = np.random.default_rng(4)
    length = random.normal(0, 1, 2_000)
    judge, people = (np.clip(np.rint(3 + length + random.normal(0, 0.5, 2_000)), 1, 5) for _ in "ab")
    rows = [replace(r, length=float(np.exp(5 + length[int(r.sample[1:])]))) for r in rated(judge, {"ana": people})]
    found = calibrate(rows, resamples=50)
    assert (found.criteria[OVERALL].judge.spearman.value or 0) > 0.6
    assert abs(found.criteria[OVERALL].judge.partial.value or 0) < 0.1
    assert any("both go by length" in sentence for sentence in found.sentences)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_judge_that_overrates_what_is_long_or_short_is_seen(sign: int) -> None:
    random = np.random.default_rng(6)
    people, length = random.choice([2, 3, 4], 1_500), random.normal(0, 1, 1_500)
    judge = people + (sign * length > 0.5)
    rows = [replace(r, length=float(np.exp(5 + length[int(r.sample[1:])]))) for r in rated(judge, {"ana": people})]
    found = calibrate(rows, resamples=50)
    assert sign * (found.criteria[OVERALL].judge.lean.value or 0) > 0.6
    assert any(f"the {'longer' if sign > 0 else 'shorter'} an answer" in said for said in found.sentences)


def graded(rows: int, seed: int, documents: int = 60) -> list[Decided]:
    """Scores in quarters; the chance of acceptance grows with the score: 0.30 at 1 to 0.98 at 5."""
    random = np.random.default_rng(seed)
    scores = np.clip(np.round(random.normal(3.6, 0.9, rows) * 4) / 4, 1, 5)
    accepted = random.random(rows) < chance(scores)
    return [
        Decided(f"s{i}", f"d{i % documents}" if documents else "", float(s), bool(a))
        for i, (s, a) in enumerate(zip(scores, accepted, strict=True))
    ]


def chance(scores: np.ndarray) -> np.ndarray:
    return np.asarray(0.30 + 0.17 * (scores - 1))


MANY = np.clip(np.round(np.random.default_rng(99).normal(3.6, 0.9, 200_000) * 4) / 4, 1, 5)


def true_precision(threshold: float) -> float:
    return float(chance(MANY[threshold <= MANY]).mean())


@pytest.mark.parametrize("rows", [300, 1_000, 4_000])
def test_the_chosen_threshold_holds_on_the_other_half(rows: int) -> None:
    reached, right = 0, []
    for seed in range(60):
        found = choose(graded(rows, seed), 0.85, seed=seed)
        if found.value is None:
            assert "No threshold" in found.sentence
            continue
        assert found.shown is not None
        reached += 1
        right.append(true_precision(found.value) >= 0.85)
        assert f"{found.value:g}" in found.sentence
    assert reached >= {300: 15, 1_000: 50, 4_000: 60}[rows]
    assert np.mean(right) >= 0.8, np.mean(right)


def test_the_figures_shown_are_those_of_the_half_that_did_not_choose() -> None:
    rows = graded(1_000, 1)
    found = choose(rows, 0.85)
    _, other, apart = halves(rows)
    assert apart
    assert found.shown is not None
    kept = [row for row in other if row.score >= (found.value or 0)]
    assert found.shown.kept == len(kept)
    assert found.shown.precision.value == pytest.approx(sum(r.accepted for r in kept) / len(kept))
    assert found.shown.recall.value == pytest.approx(sum(r.accepted for r in kept) / sum(r.accepted for r in other))
    assert found.holds == (found.shown.precision.value >= 0.85)


def test_halves_share_no_document_and_are_alike_in_size() -> None:
    rows = graded(500, 1, documents=7)
    first, second, apart = halves(rows)
    assert apart
    assert not {r.document for r in first} & {r.document for r in second}
    assert sorted(r.sample for r in first + second) == sorted(r.sample for r in rows)
    assert abs(len(first) - len(second)) <= 500 / 7 + 1
    assert halves(rows, 1)[0] != first


def test_one_document_that_holds_nearly_all_is_cut_by_sample() -> None:
    for documents in (0, 1):
        first, second, apart = halves(graded(201, 1, documents))
        assert apart == (documents == 0)  # samples without a document stand alone
        assert abs(len(first) - len(second)) <= 1


def test_no_threshold_is_made_up() -> None:
    never = [replace(row, accepted=i % 2 == 0) for i, row in enumerate(graded(600, 2))]
    found = choose(never, 0.9)
    assert found.value is None
    assert found.holds is None
    assert found.sentence.startswith("No threshold gives a precision of 90%")
    assert "too few" in choose(graded(39, 2), 0.9).sentence
    assert "no sample" in choose([], 0.9).sentence
    everything = [replace(row, accepted=True) for row in graded(200, 2)]
    assert choose(everything, 0.9).sentence.startswith("No threshold is needed")
    short = choose([Decided(f"s{i}", "", 5.0 if i < 24 else 1.0, i < 24) for i in range(48)], 0.9)
    assert "times as many" in short.sentence
    with pytest.raises(ValueError):
        choose([], 1.0)


def test_expected_scores_of_many_digits_get_a_threshold_that_can_be_typed() -> None:
    random = np.random.default_rng(1)
    scores = random.uniform(1, 5, 2_000)
    rows = [Decided(str(i), "", float(s), bool(s > 3.21)) for i, s in enumerate(scores)]
    found = choose(rows, 0.95)
    assert found.value is not None
    assert len(found.curve) <= 81
    assert found.value == round(found.value, 2)
    assert 3.0 < found.value <= 3.2


def test_most_people_have_to_accept_and_a_score_stands_in_for_a_decision() -> None:
    def row(sample: str, reviewer: str, accepted: bool | None, score: float) -> Rating:
        return Rating(sample, reviewer, human_score=score, score=3.0, accepted=accepted)

    votes = [row("a", "x", True, 1), row("a", "y", False, 1), row("b", "x", True, 1), row("c", "x", None, 5)]
    found, by_decision = decided(votes)
    assert by_decision
    assert {d.sample: d.accepted for d in found} == {"a": False, "b": True}
    found, by_decision = decided([replace(v, accepted=None) for v in votes])
    assert not by_decision
    assert {d.sample: d.accepted for d in found} == {"a": False, "b": False, "c": True}


def test_a_rating_that_was_made_again_replaces_the_first() -> None:
    first = Rating("s", "ana", human={"clarity": 1.0}, judge={"clarity": 5.0})
    again = replace(first, human={"clarity": 5.0})
    nameless = replace(first, reviewer="")
    kept, replaced = latest([first, nameless, again, nameless])
    assert replaced == 1
    assert [r.human["clarity"] for r in kept] == [5.0, 1.0, 1.0]
    assert len({r.reviewer for r in kept}) == 3


def test_two_judges_of_the_same_samples_stand_side_by_side() -> None:
    random = np.random.default_rng(8)
    truth = draw(random, 200)
    people = {"ana": truth, "ben": copied(random, truth, 0.7)}
    good = [replace(r, model="good") for r in rated(truth, people)]
    bad = [replace(r, model="bad") for r in rated(draw(random, 200), people)]
    found = calibrate(good + bad, resamples=50)
    assert (found.ratings, found.samples, found.replaced) == (800, 200, 0)
    ceiling = found.criteria[OVERALL].ceiling
    assert ceiling is not None
    assert (ceiling.people.rows, ceiling.judge.rows) == (200, 800)  # people are not compared with themselves
    kappas = {name: group.agreement.kappa.value for name, group in found.groups["model"].items() if group.agreement}
    assert kappas["good"] is not None
    assert kappas["bad"] is not None
    assert kappas["good"] > 0.7 > 0.2 > kappas["bad"]
    assert any("are of 2 judges together" in sentence for sentence in found.sentences)
    rows = decided(good + bad)[0]
    assert len(rows) == 400
    first, second, _ = halves([replace(row, document="") for row in rows])
    assert not {row.sample for row in first} & {row.sample for row in second}


def test_the_whole_needs_every_criterion_of_the_judge_or_a_score_of_its_own() -> None:
    judge = {"clarity": 4.0, "accuracy": 2.0}
    assert Rating("s", human={"clarity": 3.0}, judge=judge).by_person(OVERALL) is None
    assert Rating("s", human={"clarity": 3.0, "accuracy": 4.0}, judge=judge).by_person(OVERALL) == 3.5
    assert Rating("s", human={"clarity": 3.0}, human_score=2.0, judge=judge).by_person(OVERALL) == 2.0
    assert Rating("s", judge=judge).by_judge(OVERALL) == 3.0
    assert Rating("s").by_person(OVERALL) is None


def test_groups_are_measured_where_they_have_enough_rows() -> None:
    random = np.random.default_rng(1)
    truth = draw(random, 300)
    good, bad = rated(truth, {"ana": truth}), rated(draw(random, 300), {"ana": truth})
    few = rated(truth[:5], {"ben": truth[:5]})
    rows = [
        *(replace(r, recipe="qa", blind=True) for r in good),
        *(replace(r, recipe="style", sample=f"x{r.sample}", blind=False) for r in bad),
        *(replace(r, recipe="rare", sample=f"y{r.sample}") for r in few),
    ]
    found = calibrate(rows, resamples=50)
    recipes = found.groups["recipe"]
    assert [(name, group.rows) for name, group in recipes.items()] == [("qa", 300), ("style", 300), ("rare", 5)]
    assert isinstance(recipes["qa"].agreement, Agreement)
    assert recipes["qa"].agreement.kappa.value == 1.0
    assert isinstance(recipes["style"].agreement, Agreement)
    assert abs(recipes["style"].agreement.kappa.value or 0) < 0.2
    assert recipes["rare"].agreement is None
    assert set(found.groups) == {"recipe", "reviewer", "judge"}
    assert found.blind == 0.5
    assert any(sentence.startswith("50% of the ratings were made with") for sentence in found.sentences)


def test_criteria_can_be_named() -> None:
    truth = draw(np.random.default_rng(1), 60)
    assert list(calibrate(rated(truth, {"ana": truth}), criteria=["clarity"], resamples=5).criteria) == ["clarity"]
    with pytest.raises(ValueError, match="charm"):
        calibrate(rated(truth, {"ana": truth}), criteria=["charm"])


scores = st.dictionaries(st.sampled_from(["clarity", "accuracy", "overall", "<b>"]), st.floats(1, 5), max_size=3)
anything = st.builds(
    Rating,
    sample=st.text(max_size=3),
    reviewer=st.text(max_size=2),
    human=scores,
    human_score=st.none() | st.floats(1, 5),
    judge=scores,
    score=st.none() | st.floats(1, 5),
    accepted=st.none() | st.booleans(),
    length=st.none() | st.floats(0, 1e9),
    document=st.text(max_size=2),
    recipe=st.sampled_from(["", "qa", "\ud800"]),
    blind=st.none() | st.booleans(),
)


@settings(max_examples=60)
@given(st.lists(anything, max_size=25))
def test_any_ratings_give_finite_figures(rows: list[Rating]) -> None:
    found = calibrate(rows, resamples=20)
    assert isinstance(found, Calibration)
    json.dumps(found.as_dict(), allow_nan=False)
    assert found.sentences
    assert calibrate(rows, resamples=20).as_dict() == found.as_dict()


def test_a_share_has_wilsons_interval() -> None:
    found = share(9, 10)  # values of the formula in Newcombe, "Two-sided confidence intervals" (1998), method 3
    assert (found.value, round(found.low or 0, 4), round(found.high or 0, 4)) == (0.9, 0.5958, 0.9821)
    assert share(0, 0).value is None
