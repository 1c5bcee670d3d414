"""Chosen rows are those that plain greedy chooses, near the best there are, and far from each other."""

from __future__ import annotations

import itertools
import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import diverse, likeness
from curation.diverse import facility_location, max_min

Rows = npt.NDArray[np.float32]


def unit(count: int, seed: int, dimension: int = 4) -> Rows:
    """Rows of which several are equal or nearly so, and one is empty."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, dimension)).astype(np.float32)
    rows[count // 2 :] = rows[: count - count // 2] + rng.normal(size=rows[count // 2 :].shape, scale=0.2)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    if count > 3:
        rows[2] = rows[0]
        rows[3] = 0
    return rows.astype(np.float32)


def like(rows: Rows) -> npt.NDArray[np.float64]:
    found = np.rint(np.clip(rows @ rows.T, 0, 1) * 10_000) / 10_000
    np.fill_diagonal(found, 1)
    return np.asarray(found, np.float64)


def worth(found: npt.NDArray[np.float64], chosen: list[int], weights: npt.NDArray[np.float64]) -> float:
    return float(found[:, chosen].max(axis=1).sum() + weights[chosen].sum()) if chosen else 0.0


def plain_greedy(rows: Rows, k: int, weights: npt.NDArray[np.float64]) -> list[float]:
    """The objective after each choice."""
    found = like(rows)
    chosen: list[int] = []
    values = []
    for _ in range(min(k, len(rows))):
        value, j = max((worth(found, [*chosen, j], weights), -j) for j in range(len(rows)) if j not in chosen)
        chosen.append(-j)
        values.append(value)
    return values


@given(st.integers(1, 9), st.integers(1, 4), st.integers(0, 1000), st.booleans())
def test_greedy_reaches_its_share_of_the_optimum(count: int, k: int, seed: int, weighted: bool) -> None:
    rows = unit(count, seed)
    weights = np.random.default_rng(seed).uniform(0, 1, count) if weighted else np.zeros(count)
    picked = facility_location(rows, k, weights)
    found = like(rows)
    best = max(worth(found, list(s), weights) for s in itertools.combinations(range(count), min(k, count)))
    reached = worth(found, picked.chosen.tolist(), weights)
    assert reached >= (1 - 1 / math.e) * best - 1e-6
    assert picked.gains.sum() == pytest.approx(reached, abs=1e-3)
    assert len(set(picked.chosen.tolist())) == min(k, count)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 1000))
def test_lazy_greedy_is_plain_greedy(count: int, k: int, seed: int) -> None:
    rows = unit(count, seed)
    weights = np.random.default_rng(seed).uniform(0, 1, count)
    picked = facility_location(rows, k, weights)
    assert np.cumsum(picked.gains) == pytest.approx(plain_greedy(rows, k, weights), abs=1e-3)
    assert np.all(np.diff(picked.gains) <= 1e-9)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 1000), st.integers(1, 3))
def test_a_group_gives_no_more_rows_than_it_may(count: int, k: int, seed: int, most: int) -> None:
    groups = np.random.default_rng(seed).integers(0, 4, count)
    allowed = sum(min(most, int(n)) for n in np.bincount(groups))
    for choose in (facility_location, max_min):
        picked = choose(unit(count, seed), k, groups=groups, most=most)
        assert len(picked.chosen) == min(k, allowed)
        assert np.bincount(groups[picked.chosen]).max() <= most


@given(st.integers(1, 40), st.integers(0, 40), st.integers(0, 1000))
def test_what_stands_for_a_row_is_a_chosen_row(count: int, k: int, seed: int) -> None:
    for choose in (facility_location, max_min):
        picked = choose(unit(count, seed), k)
        known = picked.nearest[picked.nearest >= 0]
        assert set(known.tolist()) <= set(picked.chosen.tolist())
        assert np.array_equal(picked.nearest[picked.chosen], picked.chosen)


def plain_far(rows: Rows, k: int, weights: npt.NDArray[np.float64]) -> list[float]:
    """The value of each choice of plain farthest-first traversal."""
    distance = np.sqrt(np.maximum(0, 2 - 2 * np.round((rows @ rows.T).astype(np.float64) * 10_000) / 10_000))
    chosen = [int(np.argmax(weights))]
    values = [float(weights.max())]
    while len(chosen) < min(k, len(rows)):
        far = distance[:, chosen].min(axis=1) * weights
        far[chosen] = -np.inf
        values.append(float(far.max()))
        chosen.append(int(np.argmax(far)))
    return values


@settings(max_examples=60)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 1000), st.sampled_from([1, 3, 1024]))
def test_farthest_first_takes_the_farthest_however_few_are_looked_at(count: int, k: int, seed: int, top: int) -> None:
    rows = unit(count, seed)
    weights = np.random.default_rng(seed).uniform(0.1, 1, count)
    before, diverse.TOP = diverse.TOP, top
    try:
        picked = max_min(rows, k, weights)
    finally:
        diverse.TOP = before
    assert len(set(picked.chosen.tolist())) == min(k, count)
    assert picked.gains == pytest.approx(plain_far(rows, k, weights), abs=0.02)


@given(st.integers(2, 9), st.integers(2, 4), st.integers(0, 1000))
def test_the_least_distance_is_half_of_the_optimum_or_more(count: int, k: int, seed: int) -> None:
    """S. Ravi, D. Rosenkrantz, G. Tayi, "Heuristic and special case algorithms for dispersion problems", 1994."""
    rows = unit(count, seed)[:, :3].copy()
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    distance = np.sqrt(np.maximum(0, 2 - 2 * (rows @ rows.T).astype(np.float64)))

    def least(chosen: tuple[int, ...]) -> float:
        return min((float(distance[i, j]) for i, j in itertools.combinations(chosen, 2)), default=0.0)

    best = max(least(s) for s in itertools.combinations(range(count), min(k, count)))
    zero = np.linalg.norm(rows, axis=1) < 0.5
    if not zero.any():
        assert least(tuple(max_min(rows, k).chosen.tolist())) >= best / 2 - 0.03


@pytest.mark.parametrize("k", [60, 1500])
def test_many_rows_are_covered_nearly_as_well_as_by_all_pairs(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rows by all pairs, and by near neighbours (1500 of 3000) or a sample (60 of 3000)."""
    rows = unit(3000, 5, 16)
    exact = facility_location(rows, k)
    monkeypatch.setattr(likeness, "ALL", 100)
    monkeypatch.setattr(likeness, "SAMPLE", 1000)
    near = facility_location(rows, k)
    found = like(rows)
    none = np.zeros(len(rows))
    assert worth(found, near.chosen.tolist(), none) >= 0.98 * worth(found, exact.chosen.tolist(), none)
    assert np.array_equal(near.chosen, facility_location(rows, k).chosen)
    whole = facility_location(rows.astype(np.float16), k)
    assert worth(found, whole.chosen.tolist(), none) >= 0.98 * worth(found, exact.chosen.tolist(), none)


def test_nothing_to_choose_from_and_nothing_to_choose() -> None:
    for choose in (facility_location, max_min):
        assert choose(np.zeros((0, 4), np.float32), 3).chosen.tolist() == []
        assert choose(unit(5, 0), 0).chosen.tolist() == []
        assert len(choose(np.zeros((5, 4), np.float32), 9).chosen) == 5
