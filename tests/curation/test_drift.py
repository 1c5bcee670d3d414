"""A fixed draw is judged again, by questions that the call log does not know, and flips are counted."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import drift
from curation.drift import again, drawn, measure, rejudge
from datagen.core.errors import StoppedEarly
from datagen.core.record import Audit, Judged, Message, Sample
from datagen.llm import connect, loop
from datagen.llm.backend import CallFailed, Request
from datagen.llm.connect import Endpoint, open_backend
from tests.curation.make import sample
from tests.fakeserver import fake_server
from tests.llm.support import QUICK


def judged(number: int, score: float | None = 4.0, **fields: object) -> Sample:
    update = {"id": f"s{number}", "score": score, "scored_by": "judge:jm" if score else "", **fields}
    return sample("Q?", "A.").model_copy(update=update)


def pairs_of(
    samples: list[Sample], scores: dict[str, float | Exception | None], n: int = 100
) -> list[tuple[float, float]]:
    async def score(one: Sample) -> float | None:
        found = scores[one.id]
        if isinstance(found, Exception):
            raise found
        return found

    return asyncio.run(rejudge(samples, score, n, 0))


def test_the_draw_depends_on_ids_and_seed_alone() -> None:
    samples = [judged(i) for i in range(200)]
    first = drawn(samples, 20, 1)
    assert [s.id for s in first] == [s.id for s in samples if s in first]  # in the order of the input
    shuffled = random.Random(0).sample(samples, 200)
    assert {s.id for s in drawn(shuffled, 20, 1)} == {s.id for s in first}
    assert {s.id for s in drawn(samples, 40, 1)} > {s.id for s in first}
    assert {s.id for s in drawn(samples, 20, 2)} != {s.id for s in first}
    assert drawn(samples, 0, 1) == drawn(samples, -3, 1) == []
    assert len(drawn(samples, 1_000, 1)) == 200
    assert len(drawn([judged(1), judged(1)], 5, 0)) == 2


def test_only_what_a_judge_scored_is_drawn() -> None:
    others = [judged(1, None), judged(2, scored_by="heuristic"), judged(3, recipe="gold"), judged(4)]
    assert [s.id for s in drawn(others, 9, 0)] == ["s4"]


def test_before_and_after_are_given_and_what_is_unreadable_is_left_out() -> None:
    samples = [judged(i, 3.0 + i / 4) for i in range(4)]
    found = pairs_of(samples, {"s0": 3.0, "s1": None, "s2": CallFailed("k", "timeout", 1, ""), "s3": 5.0})
    assert found == [(3.0, 3.0), (3.75, 5.0)]


def test_a_score_that_was_capped_is_compared_as_it_was_before() -> None:
    kept = Judged(model="jm", mode="integer", scores={"a": 5.0}, score=5.0)
    capped = Audit(stage="faithfulness", kind="capped", action="none", count=1)
    assert pairs_of([judged(0, 3.0, judgements=(kept,), audits=(capped,))], {"s0": 5.0}) == [(5.0, 5.0)]


def test_what_stops_a_run_stops_it() -> None:
    with pytest.raises(StoppedEarly):
        pairs_of([judged(0), judged(1)], {"s0": 4.0, "s1": StoppedEarly("a", "b", "c")})


def test_the_figures() -> None:
    found = measure([(4.0, 4.0), (4.0, 3.5), (3.0, 4.0), (5.0, 5.0)], threshold=4.0, asked=6)
    assert (found.drawn, found.pairs, found.flips, found.flip_rate) == (6, 4, 2, 0.5)
    assert (found.same, found.change, found.distance) == (0.5, 0.125, 0.375)
    assert measure([], 4.0, 3) == drift.Drift(drawn=3, pairs=0, flips=0)
    assert measure([(4.0, 4.0)], 4.0).drawn == 1


def test_the_interval_is_wilsons() -> None:
    stats = pytest.importorskip("scipy.stats")
    for flips, n in [(0, 1), (0, 40), (1, 40), (13, 50), (50, 50), (1, 1)]:
        found = measure([(4.0, 1.0)] * flips + [(4.0, 4.0)] * (n - flips), 4.0)
        wanted = stats.binomtest(flips, n).proportion_ci(method="wilson")
        assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=1e-6)


@given(st.lists(st.tuples(st.floats(1, 5), st.floats(1, 5)), max_size=30), st.floats(1, 5))
def test_the_figures_are_in_their_bounds(pairs: list[tuple[float, float]], threshold: float) -> None:
    found = measure(pairs, threshold)
    if pairs:
        assert found.low is not None
        assert found.high is not None
        assert found.flip_rate is not None
        assert 0 <= found.low <= found.flip_rate <= found.high <= 1
        assert found.distance is not None
        assert found.change is not None
        assert abs(found.change) <= found.distance + 1e-9


def test_a_judge_that_drifts_by_a_known_rate_is_found_out() -> None:
    rng = random.Random(4)
    samples = [judged(i, 4.5) for i in range(3_000)]
    scores: dict[str, float | Exception | None] = {s.id: 3.5 if rng.random() < 0.1 else 4.5 for s in samples}
    found = measure(pairs_of(samples, scores, 2_000), 4.0, 2_000)
    assert found.flip_rate == pytest.approx(0.1, abs=0.02)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.1 < found.high


def test_the_second_question_is_really_asked_and_is_the_same(tmp_path: Path) -> None:
    """Over HTTP with a call log: the first question is known to it, the second is not, the third is."""
    request = Request(
        model="fake-model",
        messages=(Message(role="user", content="Score this."),),
        params={"temperature": 0, "seed": 7},
    )
    second = again(request)
    assert second.key() != request.key()
    assert second.messages == request.messages
    assert second.params == {"temperature": 0, "seed": 7 + drift.AGAIN}
    bare = request.model_copy(update={"params": {"temperature": 0}})
    assert again(bare).params == bare.params
    assert again(bare).key() != bare.key()
    try:
        with fake_server() as server:
            endpoint = Endpoint(
                base_url=server.url, model="fake-model", client=QUICK, log_path=str(tmp_path / "calls.sqlite")
            )
            backend = open_backend(endpoint)
            counts = []
            for one in (bare, bare, again(bare), again(bare)):
                loop.run(backend.complete(one))
                counts.append(server.stats()["questions"])
    finally:
        connect.close()
    assert [n - counts[0] for n in counts] == [0, 0, 1, 1]
