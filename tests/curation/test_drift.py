"""A fixed draw is judged again, by questions that the call log does not know, and flips are counted."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import drift
from curation.calibrate_order import Drift
from curation.drift import Draw, Twice, again, measure, rejudge
from curation.judge import Judge
from curation.judge_config import JudgeConfig
from datagen.core.errors import StoppedEarly
from datagen.core.record import Audit, Judged, Message, Sample
from datagen.llm import connect, loop
from datagen.llm.backend import CallFailed, Reply, Request
from datagen.llm.connect import Endpoint, open_backend
from tests.curation.make import sample
from tests.fakeserver import fake_server
from tests.llm.support import QUICK


def judged(number: int, score: float | None = 4.0, **fields: object) -> Sample:
    update = {"id": f"s{number}", "score": score, "scored_by": "judge:jm" if score else "", **fields}
    return sample("Q?", "A.").model_copy(update=update)


def twice(samples: list[Sample], scores: dict[str, float | Exception | None], n: int = 100) -> list[Twice]:
    async def score(one: Sample) -> float | None:
        found = scores[one.id]
        if isinstance(found, Exception):
            raise found
        return found

    return asyncio.run(rejudge(drawn(samples, n), score))


def drawn(samples: list[Sample], n: int, seed: int = 0, share: float = 1.0) -> list[Sample]:
    draw = Draw(n, seed, share)
    for one in samples:
        draw.see(one)
    return draw.drawn()


def test_the_draw_depends_on_ids_and_seed_alone() -> None:
    samples = [judged(i) for i in range(500)]
    first = drawn(samples, 20, 1)
    assert len(first) == 20
    assert drawn(random.Random(0).sample(samples, 500), 20, 1) == first
    assert drawn(samples, 40, 1)[:20] == first
    assert {s.id for s in drawn(samples, 20, 2)} != {s.id for s in first}
    assert drawn(samples, 0, 1) == drawn(samples, -3, 1) == []
    assert len(drawn(samples, 1_000, 1)) == 500
    assert len(drawn([judged(1), judged(1)], 5)) == 1


def test_a_small_run_is_not_paid_for_twice() -> None:
    samples = [judged(i) for i in range(99)]
    assert len(drawn(samples, 50, share=0.1)) == 9
    assert len(drawn(samples[:9], 50, share=0.1)) == 0
    assert len(drawn([judged(i) for i in range(2_000)], 50, share=0.1)) == 50


def test_only_what_a_judge_scored_itself_is_drawn() -> None:
    pair = judged(5, parent="s4")
    others = [judged(1, None), judged(2, scored_by="heuristic"), judged(3, recipe="gold"), judged(4), pair]
    assert [s.id for s in drawn(others, 9)] == ["s4"]


def test_before_and_after_are_given_and_what_is_unreadable_is_none() -> None:
    samples = [judged(i, 3.0 + i / 4, rubric="grounded@12") for i in range(4)]
    found = twice(samples, {"s0": 3.0, "s1": None, "s2": CallFailed("k", "timeout", 1, ""), "s3": 5.0})
    assert sorted(found) == [
        ("s0", "grounded", 3.0, 3.0),
        ("s1", "grounded", 3.25, None),
        ("s2", "grounded", 3.5, None),
        ("s3", "grounded", 3.75, 5.0),
    ]


def test_a_score_that_was_capped_is_compared_as_it_was_before() -> None:
    kept = Judged(model="jm", mode="integer", scores={"a": 5.0}, score=5.0)
    capped = Audit(stage="faithfulness", kind="capped", action="none", count=1)
    (found,) = twice([judged(0, 3.0, judgements=(kept,), audits=(capped,))], {"s0": 5.0})
    assert (found.before, found.after) == (5.0, 5.0)


def test_what_stops_a_run_stops_it() -> None:
    with pytest.raises(StoppedEarly):
        twice([judged(0), judged(1)], {"s0": 4.0, "s1": StoppedEarly("a", "b", "c")})


def of(*scores: tuple[float, float | None], rubric: str = "") -> list[Twice]:
    return [Twice(f"s{i}", rubric, before, after) for i, (before, after) in enumerate(scores)]


def test_the_figures() -> None:
    found = measure(of((4.0, 4.0), (4.0, 3.4), (3.0, 4.0), (5.0, 5.0), (4.0, None)), threshold=4.0)
    assert (found.samples, found.lost, found.flipped.value, found.changed.value) == (4, 1, 0.5, 0.5)
    assert (found.moved, found.shift) == (pytest.approx(0.4), pytest.approx(0.1))
    assert measure([], 4.0).flipped.value is None
    by_rubric = measure(of((4.0, 3.5), (3.0, 2.4), rubric="mine"), 4.0, {"mine": 3.0})
    assert by_rubric.flipped.value == 0.5


def test_the_interval_is_wilsons() -> None:
    stats = pytest.importorskip("scipy.stats")
    for flips, n in [(0, 1), (0, 40), (1, 40), (13, 50), (50, 50), (1, 1)]:
        found = measure(of(*[(4.0, 1.0)] * flips, *[(4.0, 4.0)] * (n - flips)), 4.0).flipped
        wanted = stats.binomtest(flips, n).proportion_ci(method="wilson")
        assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=1e-6)


@given(st.lists(st.tuples(st.floats(1, 5), st.floats(1, 5)), max_size=30), st.floats(1, 5))
def test_the_figures_are_in_their_bounds(pairs: list[tuple[float, float]], threshold: float) -> None:
    found: Drift = measure(of(*pairs), threshold)
    if pairs:
        low, value, high = found.flipped.low, found.flipped.value, found.flipped.high
        assert low is not None
        assert value is not None
        assert high is not None
        assert 0 <= low <= value <= high <= 1
        assert found.moved is not None
        assert found.shift is not None
        assert abs(found.shift) <= found.moved + 1e-9


def test_a_judge_that_drifts_by_a_known_rate_is_found_out() -> None:
    rng = random.Random(4)
    samples = [judged(i, 4.5) for i in range(3_000)]
    scores: dict[str, float | Exception | None] = {s.id: 3.5 if rng.random() < 0.1 else 4.5 for s in samples}
    found = measure(twice(samples, scores, 2_000), 4.0).flipped
    assert found.value == pytest.approx(0.1, abs=0.02)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.1 < found.high


@pytest.mark.parametrize(
    ("config", "calls"),
    [({}, 1), ({"calls": "each"}, 5), ({"score_mode": "mean", "temperature": 0.5, "samples": 4}, 1)],
)
def test_a_judge_asks_each_of_its_questions_anew(config: dict[str, Any], calls: int) -> None:
    """In each mode: the same questions, none with a key that the call log knows."""

    class Asked:
        def __init__(self) -> None:
            self.requests: list[Request] = []

        async def complete(self, request: Request) -> Reply:
            self.requests.append(request)
            keys = [key for key in (request.json_schema or {})["properties"] if key != "justification"]
            text = json.dumps({"justification": "Fine.", **dict.fromkeys(keys, 4)})
            n = request.params.get("n", 1)
            return Reply(key=request.key(), text=text, choices=(text,) * n if n > 1 else (), finishes=("stop",) * n)

    judge = Judge(JudgeConfig(**config), Endpoint(base_url="http://x/v1", model="jm"))
    subject = sample("Q?", "A.", "Source.")
    first, second = Asked(), Asked()
    before = asyncio.run(judge.scored(first, subject))
    after = asyncio.run(judge.scored(second, subject, again=True))
    assert (before.score, after.score) == (4.0, 4.0)
    assert len(first.requests) == len(second.requests) == calls
    assert [r.messages for r in first.requests] == [r.messages for r in second.requests]
    assert not {r.key() for r in first.requests} & {r.key() for r in second.requests}
    assert {r.purpose for r in second.requests} == {drift.PURPOSE}


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
