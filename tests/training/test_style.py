"""Style distance: what it tells apart, and what it must not depend on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.bootstrap import centred, difference
from training.forgetting import passages
from training.style import Style

TERSE = [f"Stop pump {i}. Check oil. Close valve {i % 7}. Log it. Restart when cold." for i in range(80)]
FLOWERY = [
    f"It was, I rather think, upon the {i}th of those long and golden afternoons that we wandered, unhurried, "
    "through the gardens of my aunt, whose conversation was so very like a meandering stream."
    for i in range(40)
]


def value(style: Style, texts: list[str]) -> float:
    found = style.distance(texts).value
    assert found is not None
    return found


def test_by_hand() -> None:
    style = Style(["aaaa"])  # one trigram, twice
    assert value(style, ["aaa"]) == 0.0
    assert value(style, ["bbb"]) == pytest.approx(1.0)  # nothing in common: one bit
    # half of it in common: JSD of (1, 0) and (1/2, 1/2) is 3/4 log2(4/3)
    assert value(style, ["aaa", "bbb"]) == pytest.approx(0.75 * np.log2(4 / 3))


def test_it_is_scipys_jensen_shannon_distance_squared() -> None:
    distance = pytest.importorskip("scipy.spatial.distance")
    style = Style(["abcabd"])
    p = [1 / 4, 1 / 4, 1 / 4, 1 / 4, 0.0]  # abc, abd, bca, cab, any other
    q = [1 / 2, 0.0, 0.0, 0.0, 1 / 2]  # abc, bcx
    assert value(style, ["abcx"]) == pytest.approx(distance.jensenshannon(p, q, base=2) ** 2)


def test_the_same_author_is_nearer_than_another() -> None:
    style = Style(TERSE[:40])
    own, other = style.distance(TERSE[40:]), style.distance(FLOWERY)
    assert own.value is not None
    assert other.value is not None
    assert own.value < other.value / 3
    by = difference(style.distance(FLOWERY), style.distance(TERSE[40:]))
    assert by.high is not None
    assert by.high < 0


def test_the_interval_lies_around_the_figure() -> None:
    found = centred(Style(TERSE[:40]).distance(TERSE[40:]))
    assert found.low is not None
    assert found.high is not None
    assert found.value is not None
    assert found.low <= found.value <= found.high


def test_white_space_is_no_style_and_nothing_said_has_none() -> None:
    style = Style(FLOWERY)
    assert value(style, [FLOWERY[0]]) == pytest.approx(value(style, [FLOWERY[0].replace(" ", "\n\t ")]))
    assert style.distance(["", "ab"]).value is None
    with pytest.raises(ValueError, match="no text"):
        Style(["", "ab"])


@given(st.lists(st.text(max_size=60), max_size=5))
def test_any_text_has_a_distance_between_0_and_1(texts: list[str]) -> None:
    found = Style(FLOWERY).distance(texts).value
    assert found is None or -1e-9 <= found <= 1 + 1e-9


def test_the_general_text_is_prose_of_some_length() -> None:
    found = passages()
    assert len(found) >= 50
    assert len(set(found)) == len(found)
    assert sum(text.count(". ") + 1 for text in found) >= 250
    assert all(100 < len(text) < 900 for text in found)
