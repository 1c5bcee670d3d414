"""Agreement figures are those of scikit-learn and SciPy, are never NaN, and their intervals cover the truth."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from curation import agreement
from curation.agreement import LEVELS
from curation.calibrate_bootstrap import Rows, figures

level = st.integers(1, 5)
whole_pairs = st.lists(st.tuples(level, level), min_size=1, max_size=60)
value = st.one_of(st.floats(1, 5), st.sampled_from([1.0, 2.0, 2.5, 4.0, 5.0]))
triples = st.lists(st.tuples(value, value, st.one_of(st.floats(0, 1e6), level)), min_size=1, max_size=60)


def columns(rows: list[tuple[float, ...]]) -> list[list[float]]:
    return [list(column) for column in zip(*rows, strict=True)]


@given(whole_pairs)
@example([(3, 3)] * 4)
@example([(1, 5)])
def test_kappa_is_scikit_learns(rows: list[tuple[int, int]]) -> None:
    a, b = columns(rows)
    found = agreement.quadratic_kappa(a, b)
    if len({*a, *b}) == 1:
        assert found is None
        return
    expected = metrics.cohen_kappa_score(a, b, weights="quadratic", labels=LEVELS)
    assert found == pytest.approx(expected, abs=1e-9)


@given(whole_pairs)
def test_the_confusion_matrix_is_scikit_learns(rows: list[tuple[int, int]]) -> None:
    judge, people = columns(rows)
    expected = metrics.confusion_matrix(people, judge, labels=LEVELS)
    assert agreement.confusion(judge, people) == tuple(map(tuple, expected.tolist()))


@given(triples)
@example([(2.0, 2.0, 1)] * 5)
@example([(1.0, 3.0, 2)])
def test_spearman_is_scipys(rows: list[tuple[float, float, float]]) -> None:
    a, b, _ = columns(rows)
    found = agreement.spearman(a, b)
    if len(set(a)) == 1 or len(set(b)) == 1:
        assert found is None
        return
    assert found == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-9)


@given(triples)
def test_partial_spearman_is_the_correlation_of_what_a_line_through_the_ranks_leaves(
    rows: list[tuple[float, float, float]],
) -> None:
    a, b, c = (stats.rankdata(column) for column in columns(rows))
    found = agreement.partial_spearman(*columns(rows))
    if min(np.ptp(a), np.ptp(b), np.ptp(c)) == 0:
        assert found is None
        return
    left = [x - np.polyval(np.polyfit(c, x, 1), c) for x in (a, b)]
    assume(min(np.std(left[0]) / np.std(a), np.std(left[1]) / np.std(b)) > 1e-3)
    assert found == pytest.approx(stats.pearsonr(*left).statistic, abs=1e-9)


@given(st.lists(st.tuples(value, st.booleans()), min_size=1, max_size=60))
def test_auc_is_scikit_learns(rows: list[tuple[float, bool]]) -> None:
    scores, accepted = [r[0] for r in rows], [r[1] for r in rows]
    found = agreement.auc(scores, accepted)
    if len(set(accepted)) == 1:
        assert found is None
        return
    assert found == pytest.approx(metrics.roc_auc_score(accepted, scores), abs=1e-9)


@given(whole_pairs)
def test_shares_and_bias_are_what_their_names_say(rows: list[tuple[int, int]]) -> None:
    a, b = columns(rows)
    assert agreement.exact_agreement(a, b) == pytest.approx(metrics.accuracy_score(b, a), abs=1e-12)
    assert agreement.near_agreement(a, b) == pytest.approx(sum(abs(x - y) <= 1 for x, y in rows) / len(rows))
    assert agreement.mean_bias(a, b) == pytest.approx(sum(a) / len(a) - sum(b) / len(b))


@given(st.lists(st.tuples(*[st.floats(-1e300, 1e300)] * 3), max_size=12))
@example([])
@example([(4.0, 4.0, 100.0)])
@example([(4.0, 4.0, 100.0)] * 9)
@example([(0.1 + 0.2, 0.3, 1e-300)] * 7)
def test_no_figure_is_ever_nan(rows: list[tuple[float, float, float]]) -> None:
    a, b, c = columns(rows) if rows else ([], [], [])
    found = agreement.compare(a, b, lengths=c, resamples=20)
    assert "NaN" not in json.dumps(found.as_dict())
    json.dumps(found.as_dict(), allow_nan=False)
    if not rows:
        assert all(getattr(found, name).value is None for name in agreement.FIGURES)


def test_leaning_to_length_is_the_correlation_of_length_with_the_difference() -> None:
    judge, people, lengths = made(400, 8)
    found = agreement.compare(judge, people, lengths=[*lengths[:-1].tolist(), None], resamples=100).lean
    assert found.value == pytest.approx(stats.spearmanr((judge - people)[:-1], lengths[:-1]).statistic, abs=1e-9)
    assert found.low is not None
    assert found.low < found.value < (found.high or 1)
    assert agreement.compare(judge, people, resamples=0).lean.value is None


def test_sequences_of_different_length_are_refused() -> None:
    for wrong in (
        lambda: agreement.compare([1, 2], [1]),
        lambda: agreement.compare([1, 2], [1, 2], lengths=[1]),
        lambda: agreement.compare([1, 2], [1, 2], units=["a"]),
        lambda: agreement.confusion([1], [1, 2]),
    ):
        with pytest.raises(ValueError):
            wrong()


def made(rows: int, seed: int, noise: float = 0.7) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Judge, people and lengths of that many rows."""
    random = np.random.default_rng(seed)
    truth = random.normal(3.2, 1.0, rows)
    judge, people = (np.clip(np.rint(truth + random.normal(0, noise, rows)), 1, 5) for _ in "ab")
    return judge, people, np.exp(random.normal(5, 0.6, rows) + 0.2 * judge)


def test_intervals_are_those_of_drawing_rows_one_resample_after_another() -> None:
    judge, people, lengths = made(300, 1)
    found = agreement.compare(judge, people, lengths=lengths.tolist(), resamples=2_000, seed=3)
    random = np.random.default_rng(9)
    drawn: dict[str, list[float | None]] = {"kappa": [], "spearman": [], "partial": [], "bias": [], "exact": []}
    for _ in range(1_000):
        at = random.integers(0, 300, 300)
        a, b = judge[at], people[at]
        drawn["kappa"].append(agreement.quadratic_kappa(a, b))
        drawn["spearman"].append(agreement.spearman(a, b))
        drawn["partial"].append(agreement.partial_spearman(a, b, lengths[at]))
        drawn["bias"].append(agreement.mean_bias(a, b))
        drawn["exact"].append(agreement.exact_agreement(a, b))
    for name, values in drawn.items():
        figure = getattr(found, name)
        low, high = np.percentile(np.array(values, dtype=float), [2.5, 97.5])
        assert figure.low == pytest.approx(low, abs=0.2 * (high - low)), name
        assert figure.high == pytest.approx(high, abs=0.2 * (high - low)), name


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    judge, people, _ = made(400_000, 5)
    truth = agreement.quadratic_kappa(judge, people)
    assert truth is not None
    covered = 0
    for i in range(200):
        part = slice(i * 200, (i + 1) * 200)
        kappa = agreement.compare(judge[part], people[part], resamples=400, seed=i).kappa
        assert kappa.low is not None
        assert kappa.high is not None
        covered += kappa.low <= truth <= kappa.high
    assert 180 <= covered <= 199


def test_ratings_of_one_sample_are_drawn_together() -> None:
    """Each row written five times says no more than once: the interval stays as wide."""
    judge, people, _ = made(80, 2)
    units = [f"sample {i}" for i in range(80)]
    once = agreement.compare(judge, people, units=units).kappa
    together = agreement.compare(np.tile(judge, 5), np.tile(people, 5), units=units * 5).kappa
    apart = agreement.compare(np.tile(judge, 5), np.tile(people, 5)).kappa
    wide = [(f.high or 0) - (f.low or 0) for f in (once, together, apart)]
    assert wide[1] == pytest.approx(wide[0], rel=0.15)
    assert wide[2] < 0.6 * wide[0]
    assert once.value == pytest.approx(together.value)


def test_the_same_seed_gives_the_same_interval() -> None:
    judge, people, _ = made(50, 3)
    assert agreement.compare(judge, people, seed=1) == agreement.compare(judge, people, seed=1)
    assert agreement.compare(judge, people, seed=1) != agreement.compare(judge, people, seed=2)


@pytest.mark.parametrize("rows", [1, 4, 5])
def test_a_handful_of_rows_has_no_interval(rows: int) -> None:
    found = agreement.compare([5, 4, 3, 2, 1][:rows], [5, 3, 3, 1, 1][:rows]).exact
    assert found.value is not None
    assert (found.low is None) == (rows < 5)


def test_equal_rows_are_held_once_and_counted() -> None:
    rows = Rows(([1, 1, 2, 1], [5, 5, 5, 4]))
    held = {(a, b): n for a, b, n in zip(*rows.columns, rows.counts[0], strict=True)}
    assert held == {(1, 5): 2, (1, 4): 1, (2, 5): 1}
    for units in (None, ["a", "b", "c", "d"], ["a", "a", "b", "c"]):
        for counts in Rows(([1, 1, 2, 1], [5, 5, 5, 4]), units).resampled(50, 0):
            assert counts.shape[0] == 50
            assert (counts.sum(axis=1) == 4).all() or units == ["a", "a", "b", "c"]


def test_a_statistic_that_is_mostly_undefined_has_no_interval() -> None:
    found = figures(Rows(([1, 1, 1, 1, 1, 1, 1, 1, 1, 2], [1] * 9 + [2])), {"none": _undefined_often}, 100)
    assert found["none"].value == 1.0
    assert found["none"].low is None


def _undefined_often(columns: list[np.ndarray], counts: np.ndarray) -> np.ndarray:
    return np.where(np.arange(len(counts)) % 3 == 0, 1.0, math.nan)


@pytest.mark.parametrize("many", [7, 2_000])
def test_continuous_scores_and_long_columns_need_no_square_of_memory(many: int) -> None:
    judge, people, _ = made(many, 4)
    scores = judge + np.linspace(0, 0.5, many)
    figure: Callable[..., agreement.Figure] = agreement.compare_accepted
    found = figure(scores, [bool(p >= 4) for p in people], resamples=50)
    assert found.value == pytest.approx(metrics.roc_auc_score(people >= 4, scores))
