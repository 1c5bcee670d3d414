"""Choosing a few of many gives what choosing with everything at hand would."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from datagen.output.pick import Fair, Least

offers = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 50)), max_size=80)


@given(keys=st.lists(st.integers(0, 20), max_size=40), most=st.integers(0, 8))
def test_least_keeps_the_least_in_order_of_arrival(keys: list[int], most: int) -> None:
    least: Least[tuple[int, int]] = Least(most)
    for i, key in enumerate(keys):
        least.offer(key, lambda key=key, i=i: (key, i))  # type: ignore[misc]
    assert list(least) == sorted((key, i) for i, key in enumerate(keys))[:most]


@given(offered=offers, most=st.integers(0, 30))
def test_fair_gives_each_group_its_equal_share_of_least_keys(offered: list[tuple[str, int]], most: int) -> None:
    fair: Fair[tuple[str, int]] = Fair(most)
    for group, key in offered:
        fair.offer(group, key, lambda group=group, key=key: (group, key))  # type: ignore[misc]
    sizes = Counter(group for group, _ in offered)
    kept = Counter(group for group, _ in fair)
    assert len(fair) == sum(kept.values()) == min(most, len(offered))
    for group, size in sizes.items():
        mine = [key for g, key in fair if g == group]
        assert mine == sorted(key for g, key in offered if g == group)[: kept[group]]
        if kept[group] < size:  # cut: then nobody has more than one above it
            assert max(kept.values(), default=0) <= kept[group] + 1


@given(offered=offers, most=st.integers(0, 30), later=st.integers(0, 30))
def test_shrinking_later_is_as_good_as_less_room_from_the_start(
    offered: list[tuple[str, int]], most: int, later: int
) -> None:
    wide: Fair[int] = Fair(max(most, later))
    for group, key in offered:
        wide.offer(group, key, lambda key=key: key)  # type: ignore[misc]
    wide.shrink(min(most, later))
    assert len(wide) == min(most, later, len(offered))
