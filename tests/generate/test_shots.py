"""Examples are chosen as asked, the same way every time, and quickly from large pools."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.core.record import Sample
from datagen.generate.examples import samples_of
from datagen.generate.shots import Selection, Shots, shown
from datagen.generate.tfidf import Index, words
from tests.generate.support import chunk

PASSAGES = (
    "The pump moves oil through the filter.",
    "The pump moves water through the filter.",
    "Invoices need the signature of two directors.",
    "Warblers nest in the reeds of the delta in April.",
    "Die Anlage meldet den Fehler E4 bei niedrigem Druck.",
)


def pool(*passages: str) -> list[Sample]:
    rows = ({"passage": p, "question": f"What of {i}?", "answer": f"It is {i}."} for i, p in enumerate(passages))
    return [sample for row in rows for sample in samples_of(row)]


def choose(selection: Selection, k: int, text: str = "x", *, name: str = "c", seed: int = 0) -> tuple[int, ...]:
    return Shots(pool(*PASSAGES), selection, k, seed).choose(chunk(text, name))


def test_fixed_takes_the_first() -> None:
    assert choose("fixed", 2) == (0, 1)


@pytest.mark.parametrize("selection", ["fixed", "random", "diverse", "nearest"])
def test_never_more_than_there_are_and_none_twice(selection: Selection) -> None:
    for k in range(8):
        places = choose(selection, k, "the pump and the delta")
        assert len(set(places)) == len(places) == min(k, len(PASSAGES))
        assert set(places) <= set(range(len(PASSAGES)))
    assert Shots([], selection, 3, 0).choose(chunk()) == ()


def test_random_depends_on_seed_and_chunk_alone_and_reaches_all_evenly() -> None:
    assert choose("random", 3, name="a") == choose("random", 3, "another text", name="a")
    draws = [choose("random", 2, name=f"c{i}") for i in range(500)]
    assert draws != [choose("random", 2, name=f"c{i}", seed=1) for i in range(500)]
    counts = Counter(place for places in draws for place in places)
    assert all(abs(counts[i] - 200) < 60 for i in range(5))  # over four standard deviations
    firsts = Counter(places[0] for places in draws)
    assert all(abs(firsts[i] - 100) < 45 for i in range(5))


def test_diverse_takes_what_is_unlike_and_leaves_the_near_copy_for_last() -> None:
    places = choose("diverse", 5)
    assert places[0] == 0
    assert places[-1] == 1
    assert choose("diverse", 5, name="other") == places
    assert choose("diverse", 3) == places[:3]


@given(st.lists(st.text("abc ", min_size=1, max_size=12), min_size=1, max_size=8), st.integers(1, 8))
def test_diverse_is_greedy_farthest_first(texts: list[str], k: int) -> None:
    shots = Shots(pool(*texts), "diverse", k, 0)
    places = shots.choose(chunk())
    index = Index(shots._texts)
    near = np.array([index.cosines(text).round(9) for text in shots._texts])
    for i in range(1, len(places)):
        closest = near[list(places[:i])].max(axis=0)
        left = [p for p in range(len(texts)) if p not in places[:i]]
        assert places[i] == min(left, key=lambda p: (closest[p], p))


def test_nearest_stands_last() -> None:
    assert choose("nearest", 1, "Warblers sing in April.") == (3,)
    assert choose("nearest", 2, "Which filter does the oil pump have?")[-1] == 0
    assert choose("nearest", 2, "Which filter does the oil pump have?")[0] == 1
    assert choose("nearest", 1, "Der Druck der Anlage") == (4,)


def test_nearest_without_a_shared_word_is_the_first() -> None:
    assert choose("nearest", 2, "zzz") == (1, 0)


def test_the_heading_counts_too() -> None:
    shots = Shots(pool(*PASSAGES), "nearest", 1, 0)
    assert shots.choose(chunk("zzz", heading=("Invoices", "Directors"))) == (2,)


def test_words_of_scripts_without_spaces_are_single_characters() -> None:
    assert words("Der Ölfilter_2 水泵 x²") == ["der", "ölfilter", "2", "水", "泵", "x²"]


@given(st.lists(st.text("abcd ", max_size=20), min_size=1, max_size=6), st.text("abcde ", max_size=20))
def test_cosines_are_those_of_the_definition(texts: list[str], text: str) -> None:
    held = Counter(w for t in texts for w in set(words(t)))
    most = len(texts) / 2 if len(texts) >= 4 else len(texts)

    def vector(of: str) -> dict[str, float]:
        counts = Counter(words(of))
        kept = {w: n for w, n in counts.items() if 0 < held[w] <= most}
        return {w: (1 + math.log(n)) * math.log((len(texts) + 1) / held[w]) for w, n in kept.items()}

    def cosine(a: dict[str, float], b: dict[str, float]) -> float:
        norms = math.hypot(*a.values()) * math.hypot(*b.values())
        return sum(v * b.get(w, 0.0) for w, v in a.items()) / norms if norms else 0.0

    expected = [cosine(vector(t), vector(text)) for t in texts]
    assert np.allclose(Index(texts).cosines(text), expected)


def test_every_instruction_that_may_be_shown_is_named_once() -> None:
    again = [*pool("A", "B"), *pool("C")]
    assert shown(again) == ["What of 0?", "What of 1?"]
