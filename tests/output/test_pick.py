"""Choosing a few of many gives what choosing with everything at hand would."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from datagen.output.pick import Least


@given(keys=st.lists(st.integers(0, 20), max_size=40), most=st.integers(0, 8))
def test_least_keeps_the_least_in_order_of_arrival(keys: list[int], most: int) -> None:
    least: Least[tuple[int, int]] = Least(most)
    for i, key in enumerate(keys):
        least.offer(key, lambda key=key, i=i: (key, i))  # type: ignore[misc]
    assert list(least) == sorted((key, i) for i, key in enumerate(keys))[:most]
