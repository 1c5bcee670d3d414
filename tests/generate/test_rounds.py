"""How much each round asks for."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from datagen.core.hashing import fraction
from datagen.generate.rounds import MOST_PASSES, Rounds, upper_bound


def laid_out(rounds: Rounds, tasks: list[tuple[float, int]]) -> int:
    """Samples of the tasks that a round holds."""
    return sum(
        owed for turn in range(int(rounds.begin), int(rounds.end) + 1) for key, owed in tasks
        if rounds.begin <= turn + key < rounds.end
    )  # fmt: skip


@given(
    owed=st.lists(st.integers(1, 5), min_size=1, max_size=60),
    target=st.integers(1, 400),
    kept_of_ten=st.integers(2, 10),
)
def test_rounds_reach_the_target_without_asking_for_much_more(owed: list[int], target: int, kept_of_ten: int) -> None:
    assume(sum(owed) * MOST_PASSES * kept_of_ten >= 20 * target)
    rounds = Rounds(target=target)
    tasks = [(fraction([place]), n) for place, n in enumerate(owed)]
    for key, n in tasks:
        rounds.note(key, n)
    rounds.start()
    requested, accepted, sizes = 0, 0, []
    while True:
        size = laid_out(rounds, tasks)
        sizes.append(size)
        requested += size
        accepted = requested * kept_of_ten // 10
        if not rounds.again(requested, accepted):
            break
    assert accepted >= target, rounds.why
    assert rounds.why == ""
    largest = max(owed)
    assert sizes[0] < target + largest
    # Whole tasks, the reserve and the caution of small numbers are all that is asked for in vain.
    assert requested <= target * 10 / kept_of_ten * 1.25 + len(sizes) * largest + 20


@given(requested=st.integers(200, 5_000))
def test_a_collapsed_yield_ends_the_rounds_and_says_so(requested: int) -> None:
    rounds = Rounds(target=10_000)
    rounds.note(0.0, requested)
    rounds.start()
    assert not rounds.again(requested, requested // 100)
    assert "min_yield" in rounds.why


def test_little_evidence_is_no_collapse() -> None:
    rounds = Rounds(target=10)
    rounds.note(0.5, 5)
    rounds.start()
    assert rounds.again(5, 0)


def test_rounds_without_a_target_are_whole_passes() -> None:
    rounds = Rounds(passes=3)
    rounds.start()
    seen = [(rounds.begin, rounds.end)]
    while rounds.again(10, 0):
        seen.append((rounds.begin, rounds.end))
    assert seen == [(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)]
    assert rounds.why == ""


def test_a_pilot_is_one_small_round() -> None:
    rounds = Rounds(first=20)
    tasks = [(fraction(["p", i]), 3) for i in range(100)]
    for key, n in tasks:
        rounds.note(key, n)
    rounds.start()
    assert 20 <= laid_out(rounds, tasks) <= 22
    assert not rounds.again(21, 5)


def test_wilson_bound() -> None:
    # 95 % Wilson interval of 5 of 500: 0.0043 to 0.0232 (by the formula, with z = 1.96).
    assert abs(upper_bound(5, 500) - 0.0232) < 1e-4
    assert upper_bound(0, 0) == 1.0
    assert upper_bound(3, 3) == 1.0
