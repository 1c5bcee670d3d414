"""Search, filters and orders of the queue, and the index they stand on."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.core.record import Judged, Sample, Verdict
from datagen.finished import Finished
from datagen.review import index as indexes
from datagen.review.agreement import agreement
from datagen.review.desk import Desk
from datagen.review.queue import Columns, Filter
from datagen.review.search import query
from datagen.review.store import Line, State
from tests.output.made import a_sample
from tests.review.support import with_samples


def filled(samples: list[Sample]) -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    db.executescript(indexes._SCHEMA)
    indexes.fill(db, samples)
    return db


TEXTS = [
    "The lock file is held",
    "Die Straße ist naß",
    "東京都に住む人",
    "C++ and C#, a-b_c",
    "NEAR OR AND NOT x*",
    "Café au lait",
]
DB = filled([a_sample(text, f"answer {i}") for i, text in enumerate(TEXTS)])


def hits(typed: str) -> list[int]:
    asked = query(typed)
    if not asked:
        return []
    return [row[0] for row in DB.execute("SELECT rowid FROM texts WHERE texts MATCH ? ORDER BY rowid", (asked,))]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("held", [0]), ("HELD FILE", [0]), ('"file lock"', []), ('"lock file"', [0]), ("hel", [0]), ("hel ", []),
        ("straße", [1]), ("京", [2]), ("東京", [2]), ("京東", []), ("cafe", [5]), ("a-b", [3]), ("near", [4]),
        ("OR", [4]), ("answer", [0, 1, 2, 3, 4, 5]), ('"', []), ("***", []), ("answer NOT", [4]), ("body:held", []),
        ('hel"k', []), ("", []), ("   ", []), ("answer -", [0, 1, 2, 3, 4, 5]), ("held\0file", [0]),
        ("guide/locks", [0, 1, 2, 3, 4, 5]),
    ],
)  # fmt: skip
def test_search(typed: str, found: list[int]) -> None:
    assert hits(typed) == found


@given(st.text(alphabet=st.characters(), max_size=60) | st.text(alphabet='"*:^+-(){}ANDORTNEé東 \0\ud800', max_size=40))
def test_nothing_that_can_be_typed_is_an_error(typed: str) -> None:
    hits(typed)


def test_long_input_is_an_answer_too() -> None:
    for typed in ("a " * 500_000, '"' * 1_000_000, "(" * 100_000, "東" * 100_000, "x" * 1_000_000):
        assert isinstance(hits(typed), list)


def row(n: int, **more: Any) -> tuple[Any, ...]:
    usual = {
        "id": f"s{n}", "recipe": "qa", "document": "d.md", "split": "train", "stage": "", "reason": "", "score": None,
        "spread": None, "variance": None, "scores": "{}",
    }  # fmt: skip
    return tuple({**usual, **more}.values())


def test_orders() -> None:
    columns = Columns(
        [
            row(0, score=5.0, document="a"),
            row(1, score=3.1, document="b"),
            row(2, score=4.0, variance=4.0, document="a", spread=2.0),
            row(3, stage="rules", reason="too_short", document="b"),
            row(4, stage="judge", reason="unscored", document="a"),
        ],
        threshold=3.0,
    )
    everything = np.ones(5, bool)
    assert columns.ordered(everything, "uncertain", 0) == [4, 2, 1, 0, 3]
    assert columns.ordered(everything, "document", 0) == [0, 2, 4, 1, 3]
    assert columns.ordered(everything, "disagreement", 0, [3])[:2] == [3, 2]
    drawn = columns.ordered(everything, "random", 7)
    assert sorted(drawn) == [0, 1, 2, 3, 4]
    assert drawn == columns.ordered(everything, "random", 7)
    assert len({tuple(columns.ordered(everything, "random", seed)) for seed in range(20)}) > 10
    some = np.array([True, False, True, True, False])
    assert columns.ordered(some, "random", 7) == [n for n in drawn if some[n]]  # a filter does not shuffle anew


def test_filters() -> None:
    low = row(1, score=2.0, stage="judge", reason="low_score")
    columns = Columns([row(0, score=4.5, scores='{"clarity": 2}', recipe="qa"), low], 3.0)
    expected: list[tuple[dict[str, Any], list[int]]] = [
        ({}, [0, 1]), ({"recipe": "qa"}, [0, 1]), ({"recipe": "none"}, []), ({"document": "D.M"}, [0, 1]),
        ({"verdict": "kept"}, [0]), ({"verdict": "rejected"}, [1]), ({"reason": "low_score"}, [1]),
        ({"least": 4}, [0]), ({"most": 4}, [1]), ({"criterion": "clarity", "most": 2}, [0]),
        ({"criterion": "unknown", "least": 1}, []), ({"least": float("nan")}, []),
    ]  # fmt: skip
    for wanted, found in expected:
        assert np.flatnonzero(columns.passing(Filter(**wanted))).tolist() == found, wanted
        blinded = Filter(**wanted).unblinded()
        if set(wanted) & {"verdict", "reason", "least", "most"}:
            assert columns.passing(blinded).all()


def test_a_sample_comes_out_of_the_index_as_it_went_in(made_run: Path, tmp_path: Path) -> None:
    judged = Judged(model="m", mode="expected", scores={"a": 3.0}, score=3, variance={"a": 0.5})
    samples = [
        a_sample("q\0\u202e", "a" * 300_000, id="x", judgements=(judged,), scores={"a": 3.0}, score=3.0),
        a_sample(id="y", verdict=Verdict(stage="rules", reason="r"), vector=b"1", sketch=b"2"),
    ]
    run = with_samples(made_run, tmp_path / "run", samples)
    desk = Desk(run)
    assert desk.sample(0) == samples[0]
    assert desk.sample(1) == samples[1].model_copy(update={"vector": None, "sketch": None})
    assert desk.sample(2) is None
    desk.close()


def test_the_index_is_built_once_and_again_when_the_run_changed(made_run: Path, tmp_path: Path) -> None:
    run = with_samples(made_run, tmp_path / "run", [a_sample(id="x")])
    path = indexes.build(Finished(run))
    stamp = path.stat().st_mtime_ns
    assert indexes.build(Finished(run)).stat().st_mtime_ns == stamp
    path.write_bytes(path.read_bytes()[:5000])  # half a file is no index
    indexes.build(Finished(run))
    desk = Desk(run)
    assert desk.columns.ids == ["x"]
    desk.close()
    other = with_samples(run, tmp_path / "other", [a_sample(f"{i}", id=f"{i}") for i in range(1001)])
    assert indexes.build(Finished(other))
    desk = Desk(other)
    assert desk.columns.size == 1001
    desk.close()


@settings(max_examples=25)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(1, 5), st.integers(1, 5)), min_size=2, max_size=40))
def test_kappa_is_scikit_learns(drawn: list[tuple[bool, bool, int, int]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    columns = Columns([row(n, scores=json.dumps({"c": j})) for n, (_, _, _, j) in enumerate(drawn)], 3)

    def line(who: str, keeps: bool, score: int) -> Line:
        return Line(1, "", who, "s", State("accepted" if keeps else "rejected", (("c", score),)), "act-0001")

    told = agreement({n: {"A": line("A", a, s), "B": line("B", b, s)} for n, (a, b, s, _) in enumerate(drawn)}, columns)
    (people,) = told["people"]
    assert people["n"] == len(drawn)
    if people["kappa"] is not None:
        theirs = metrics.cohen_kappa_score([a for a, _, _, _ in drawn], [b for _, b, _, _ in drawn])
        assert people["kappa"] == pytest.approx(theirs, abs=6e-4)  # it is told to three digits
    for scored in told["scores"]:
        if scored["kappa"] is not None:
            theirs = metrics.cohen_kappa_score(
                [s for _, _, s, _ in drawn], [s for _, _, _, s in drawn], weights="quadratic", labels=[1, 2, 3, 4, 5]
            )
            assert scored["kappa"] == pytest.approx(theirs, abs=6e-4)


def test_what_was_decided_in_bulk_is_no_agreement() -> None:
    bulk = Line(1, "", "A", "s", State("accepted"), "bulk:act-0001")
    told = agreement({0: {"A": bulk, "B": replace(bulk, reviewer="B")}}, Columns([row(0)], 3))
    assert told == {"people": [], "judge": [], "scores": []}


SOURCES = [
    a_sample("What holds?", "It does.", source="The snapshot restarts the scheduler"),
    a_sample("And now?", "The snapshot holds.", source="The snapshot restarts the scheduler"),
    a_sample("Never?", "No.", source=""),
    a_sample("Half?", "a \ud800 b", source="東京 \ud800 half\0way"),
]


@pytest.mark.parametrize(
    ("typed", "where", "found"),
    [
        ("snapshot", "", [0, 1]), ("snapshot", "texts", [1]), ("snapshot", "source", [0, 1]), ("sched", "", [0, 1]),
        ("holds snapshot", "", [1]), ("holds scheduler", "", []), ("half way", "source", [3]), ("京", "", [3]),
        ("no ", "source", []), ("no ", "", [2]), ("", "source", []), ('"restarts the"', "", [0, 1]),
        ("s", "source", []),
    ],
)  # fmt: skip
def test_search_in_sources(made_run: Path, tmp_path: Path, typed: str, where: Any, found: list[int]) -> None:
    desk = Desk(with_samples(made_run, tmp_path / "run", SOURCES))
    asked = Filter(text=typed or '"', where=where)
    assert desk.queue(asked, "document", 0, "Ana", blind=False) == found
    desk.close()
