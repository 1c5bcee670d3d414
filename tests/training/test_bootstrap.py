"""Intervals: against closed forms, and by how often they hold the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.bootstrap import (
    LEAST_ROWS,
    Measure,
    centred,
    counts,
    difference,
    interval,
    mean,
    ratio,
)
from training.prove_contrast import Needed, _t, contrast, needed, over


def test_the_interval_of_a_mean_is_the_normal_one() -> None:
    values = np.random.default_rng(1).normal(3.0, 2.0, 400)
    found = interval(mean(values))
    error = values.std() / 20
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)
    assert found.rows == 400


def test_loss_per_token_weighs_rows_by_their_tokens() -> None:
    assert ratio([2.0, 30.0], [1, 9]).value == pytest.approx(3.2)
    assert mean([2.0, 30.0 / 9]).value != pytest.approx(3.2)


def test_pairing_takes_away_what_both_have_in_common() -> None:
    random = np.random.default_rng(2)
    hard = random.normal(0, 10, 200)  # some rows are hard for everybody
    a, b = mean(hard + random.normal(0, 0.1, 200)), mean(hard + 0.2 + random.normal(0, 0.1, 200))
    paired = difference(a, b)
    assert paired.low is not None
    assert paired.high is not None
    assert 0.15 < paired.low < 0.2 < paired.high < 0.25
    alone = interval(b)
    assert alone.low is not None
    assert alone.high is not None
    assert (alone.high - alone.low) > 20 * (paired.high - paired.low)


def test_resamples_are_the_same_for_both_whatever_they_measure() -> None:
    narrow = np.concatenate(list(counts(50, 7, 300, 1)))
    wide = np.concatenate(list(counts(50, 7, 300, 100_000)))
    assert (narrow == wide).all()
    assert (narrow.sum(axis=1) == 50).all()
    assert not (narrow == np.concatenate(list(counts(50, 8, 300, 1)))).all()


def test_few_rows_have_a_value_and_no_interval() -> None:
    found = interval(mean([1.0] * (LEAST_ROWS - 1)))
    assert (found.value, found.low, found.high) == (1.0, None, None)
    assert interval(mean([])).value is None
    assert interval(ratio([1.0] * 9, [0] * 9)).value is None


def test_unequal_rows_cannot_be_paired() -> None:
    with pytest.raises(ValueError, match="same rows"):
        difference(mean([1.0]), mean([1.0, 2.0]))


def test_a_centred_interval_holds_a_figure_that_resampling_pushes_away() -> None:
    table = np.eye(60)  # each row of its own kind: a resample always has fewer kinds

    def kinds(sums: np.ndarray) -> np.ndarray:
        return np.asarray((sums > 0).sum(axis=1), dtype=np.float64)

    plain, moved = interval(Measure(table, kinds)), centred(Measure(table, kinds))
    assert plain.high is not None
    assert plain.high < 60
    assert moved.low is not None
    assert moved.high is not None
    assert moved.low < 60 < moved.high


@given(st.lists(st.floats(-1e6, 1e6), max_size=30))
def test_any_numbers_give_an_interval_around_something(values: list[float]) -> None:
    found = interval(mean(values), resamples=50)
    if found.low is not None and found.high is not None:
        assert min(values) - 1e-6 <= found.low <= found.high <= max(values) + 1e-6


def experiment(random: np.random.Generator, effect: float, seeds: int, rows: int = 60) -> tuple[list, list]:
    """Two arms: rows differ, seeds differ, and each seed meets each row in its own way."""
    row = random.normal(0, 1, rows)
    told = []
    for shift in (0.0, effect):
        arm_row = row + random.normal(0, 0.1, rows)
        told.append([mean(arm_row + random.normal(shift, 0.1) + random.normal(0, 0.2, rows)) for _ in range(seeds)])
    return told[0], told[1]


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_equal_arms_are_rarely_told_apart(seeds: int) -> None:
    random = np.random.default_rng(seeds)
    said = []
    for _ in range(200):
        before, after = experiment(random, 0.0, seeds)
        found = contrast("loss", "", ("a", before), ("b", after), lower_is_better=True, resamples=400)
        said.append(found.verdict)
    assert sum(one != "unclear" for one in said) <= 16  # 10 are expected of 200; 3 % of experiments have over 16


def test_unlike_arms_are_told_apart_and_the_right_way() -> None:
    random = np.random.default_rng(5)
    said = []
    for _ in range(40):
        before, after = experiment(random, -0.5, 5)
        found = contrast("loss", "", ("a", before), ("b", after), lower_is_better=True, resamples=400)
        said.append(found.verdict)
        back = contrast("loss", "", ("b", after), ("a", before), lower_is_better=True, resamples=400)
        higher = contrast("score", "", ("a", before), ("b", after), lower_is_better=False, resamples=400)
        if found.verdict == "helped":
            assert (back.verdict, higher.verdict) == ("hurt", "hurt")
    assert said.count("helped") >= 36
    assert "hurt" not in said


def test_one_seed_is_never_enough() -> None:
    low, high = mean(np.zeros(50)), mean(np.ones(50))
    found = contrast("loss", "", ("a", [high]), ("b", [low]), lower_is_better=True)
    assert found.verdict == "unclear"
    assert found.by.value == -1.0
    assert found.by.low is None


def test_the_very_same_is_unclear_and_no_effort_would_tell() -> None:
    same = [mean(np.arange(20.0)) for _ in range(3)]
    found = contrast("loss", "", ("a", same), ("b", same), lower_is_better=True)
    assert found.verdict == "unclear"
    assert (found.by.value, found.by.low, found.by.high) == (0.0, 0.0, 0.0)
    assert found.needed is None


def test_what_is_needed_would_be_enough() -> None:
    random = np.random.default_rng(11)
    each = [-0.1, 0.05, -0.12]
    asked = needed(each, 0.0005, 60)
    assert asked is not None
    assert asked.seeds > 3
    size = abs(np.mean(each))
    told = 0
    for _ in range(300):
        seeds = random.normal(size, np.std(each, ddof=1), asked.seeds)
        rows = random.normal(0, np.sqrt(0.0005 * 60 / asked.rows))
        error = np.sqrt(np.var(seeds, ddof=1) / asked.seeds + 0.0005 * 60 / asked.rows)
        told += abs(seeds.mean() + rows) > _t(asked.seeds - 1) * error
    assert told / 300 > 0.72  # 0.8 was asked for


def test_needed_rows_where_seeds_alone_would_never_do() -> None:
    asked = needed([-0.1, -0.1001], 0.01, 50)
    assert asked is not None
    assert asked.rows > 50
    assert needed([0.001, -0.0011, 0.0], 1.0, 50) is None
    assert isinstance(needed([0.1, 0.3], 0.0, 9), Needed)


def test_students_t() -> None:
    stats = pytest.importorskip("scipy.stats")
    for freedom in (1, 2, 3, 5, 10, 30):
        assert _t(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=0.01)


def test_an_arm_alone() -> None:
    found = over([mean([1.0, 2.0, 3.0] * 5), mean([2.0, 3.0, 4.0] * 5)])
    assert found.value == pytest.approx(2.5)
    assert found.low is not None
    assert found.low < 2.0
    same = over([mean([1.0, 2.0, 3.0] * 5)] * 3)
    assert same.high == pytest.approx(interval(mean([1.0, 2.0, 3.0] * 5)).high, abs=0.02)
