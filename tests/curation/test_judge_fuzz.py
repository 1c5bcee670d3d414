"""No reply whatever becomes a number that does not stand in it."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from curation.judge import Judge
from curation.judge_config import JudgeConfig
from curation.rubric import Rubric
from curation.rubric_reply import locate
from datagen.core.record import Failure, Sample
from datagen.llm import connect
from datagen.llm.connect import Endpoint, resolve
from tests.curation.judge_script import CRITERIA, mutated
from tests.fakeserver import fake_server
from tests.generate.support import Scripted, pair


def stands(reply: str, scores: dict[str, float]) -> bool:
    """The oracle: each score is written in the reply as the JSON integer of that very criterion."""
    return all(
        re.search(rf'["“”]{key}["“”]\s*:\s*{score:.0f}\s*[,}}]', reply) and score == int(score)
        for key, score in scores.items()
    )


@pytest.mark.parametrize("rounds", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_mutated_replies_invent_no_number(rounds: int) -> None:
    rng = random.Random(rounds)
    subject = pair("How much does the pump hold?", "3 litres.")
    seen: Counter[str] = Counter()

    async def work() -> None:
        for _ in range(rounds):
            config = JudgeConfig(score_mode="integer", order=rng.choice(["explain_first", "score_first"]))
            stage = stages[config.order]
            replies = [mutated(rng), mutated(rng)]
            backend = Scripted(*replies, finish=rng.choice(["stop", "stop", "stop", "length"]))
            scored, *failures = await stage.judge(backend, subject)
            assert isinstance(scored, Sample)
            assert scored.messages == subject.messages
            seen["asked"] += len(backend.asked)
            if scored.score is None:
                assert scored.verdict is not None
                assert (scored.verdict.reason, scored.scores, scored.judgements) == ("unscored", {}, ())
                assert [f.samples for f in failures if isinstance(f, Failure)] == [0]
                seen["unscored"] += 1
            else:
                used = replies[len(backend.asked) - 1]
                assert set(scored.scores) == set(CRITERIA)
                assert all(1 <= score <= 5 for score in scored.scores.values())
                assert stands(used, scored.scores), used
                seen["scored"] += 1

    endpoint = Endpoint(base_url="http://x/v1", model="jm")
    stages = {
        order: Judge(JudgeConfig(score_mode="integer", order=order), endpoint)  # type: ignore[arg-type]
        for order in ("explain_first", "score_first")
    }
    asyncio.run(work())
    assert seen["scored"] + seen["unscored"] == rounds
    assert min(seen["scored"], seen["unscored"]) > rounds / 10, "both ways are tried"
    assert seen["asked"] <= 2 * rounds


def test_the_oracle_can_tell() -> None:
    assert stands('{"clarity": 4}', {"clarity": 4.0})
    for reply in ('{"clarity": 4.5}', '{"clarity": 45}', '{"clarity": "4"}', '{"clarity": 4', '{"x": 4}'):
        assert not stands(reply, {"clarity": 4.0})


@pytest.mark.parametrize(
    ("made", "score"),
    [
        (lambda good: json.dumps(good), 4.0),
        (lambda good: json.dumps(good, indent=2), 4.0),
        (lambda good: f"Here it is:\n```json\n{json.dumps(good)}\n```", 4.0),
        (lambda good: f"<think>2 or 3?</think>{json.dumps(good)}", 4.0),
        (lambda good: json.dumps(good)[:-1] + ",}", 4.0),
        (lambda good: json.dumps({**good, "overall": 1}), 4.0),
        (lambda good: json.dumps({**good, "notes": {"clarity": 1}}), 4.0),
        (lambda good: json.dumps({**good, "justification": '"clarity": 1, it says'}), 4.0),
        (lambda good: json.dumps(good).replace("Fine.", "Fine.\nReally"), 4.0),
        (lambda good: json.dumps(good).replace('"clarity": 4', '"clarity": 4, "clarity": 4'), None),
        (lambda good: json.dumps(good).replace('"clarity": 4', '"clarity": 4, "clarity": 5'), None),
        (lambda good: json.dumps(good).replace('"clarity": 4', '"clarity": 4.0'), None),
        (lambda good: json.dumps(good).replace('"clarity": 4', '"clarity": 4e0'), None),
        (lambda good: json.dumps(good).replace('"clarity": 4', '"clarity": "4"'), None),
        (lambda good: json.dumps(good).replace('"clarity": 4', '"clarity": four'), None),
        (lambda good: json.dumps(good).replace('"clarity": 4', '"clarity": [4]'), None),
        (lambda good: json.dumps(good).replace('"clarity": 4', '"clarity": 6'), None),
        (lambda good: json.dumps(good).replace('"clarity": 4', '"clarity": -4'), None),
        (lambda good: json.dumps(good).replace('"clarity": 4', '"clarity": 04'), None),
        (lambda good: json.dumps(good).replace('"clarity": 4', '"clarity": true'), None),
        (lambda good: json.dumps(good).replace('"clarity": 4', '"clarity": null'), None),
        (lambda good: json.dumps(good).replace('"clarity": 4', '"clarity": ４'), None),
        (lambda good: json.dumps(good).replace('"clarity": 4', '"Clarity": 4'), None),
        (lambda good: json.dumps({"scores": good}), None),
        (lambda good: json.dumps([good]), None),
        (lambda good: json.dumps(good)[:-1], None),
        (lambda good: json.dumps(good)[:60], None),
        (lambda good: json.dumps(good) + json.dumps({**good, "clarity": 1}), None),
        (lambda good: "I'm sorry, but I cannot rate this.", None),
        (lambda good: "All in all a solid 4 out of 5 on every criterion.", None),
        (lambda good: "six out of five", None),
        (lambda good: "[" * 100_000, None),
        (lambda good: json.dumps(good).replace("Fine.", "\ud800"), None),
        (lambda good: "", None),
    ],
)
def test_each_way_to_fail(made: Callable[[dict[str, object]], str], score: float | None) -> None:
    good: dict[str, object] = {"justification": "Fine.", **dict.fromkeys(CRITERIA, 4)}
    reply = made(good)
    stage = Judge(JudgeConfig(), Endpoint(base_url="http://x/v1", model="jm"))
    backend = Scripted(reply, reply)
    scored = asyncio.run(stage.judge(backend, pair("How much?", "3 litres.")))[0]
    assert isinstance(scored, Sample)
    assert scored.score == score
    assert len(backend.asked) <= 2


def test_a_score_is_found_where_it_stands_and_nowhere_else() -> None:
    text = 'So {"a": 1}: {"justification": "\\"b\\": 3 {", "b": {"c": 5}, "c": 4}'
    assert locate(text, {"c": 4}) == {"c": (len(text) - 2, len(text) - 1)}
    assert locate(text, {"b": 3}) is None
    assert locate('{"c": 4', {"c": 4}) is None


def test_a_scripted_judge_behind_http_ends_in_the_right_score_or_none(tmp_path: Path) -> None:
    rubric = tmp_path / "one.md"
    rubric.write_text("---\nfor: [qa]\n---\n## relevance\n5. a\n1. b\n## clarity\n5. a\n1. b\n", encoding="utf-8")
    assert [c.key for c in Rubric.load(rubric).criteria] == ["relevance", "clarity"]
    script = Path(__file__).with_name("judge_script.py")
    shard = [
        pair(f"Question {number}: how much does the pump hold?", f"3 litres [case {number}].") for number in range(200)
    ]
    with fake_server(script=script) as server:
        endpoint = Endpoint(base_url=server.url, api_key_env="", log_path=str(tmp_path / "calls.sqlite"))
        endpoint = endpoint.model_copy(update={"model": resolve(endpoint).model})
        try:
            out = Judge(JudgeConfig(), endpoint).run(shard)
            with connect.open_log(endpoint.log_path).database() as db:
                replies = [text for (text,) in db.execute("SELECT text FROM calls WHERE purpose='judge'")]
        finally:
            connect.close()
    samples = [r for r in out if isinstance(r, Sample)]
    assert len(samples) == len(shard)
    scored = [s for s in samples if s.score is not None]
    left = [s for s in samples if s.score is None]
    assert scored
    assert left
    assert {s.verdict.reason for s in left if s.verdict} == {"unscored"}
    assert len([r for r in out if isinstance(r, Failure)]) == len(left)
    for sample in scored:
        whole = {j: round(v) for j, v in sample.scores.items()}
        assert sample.judgements[0].mode in ("integer", "expected", "mixed")
        if sample.judgements[0].mode == "integer":
            assert any(stands(reply, {k: float(v) for k, v in whole.items()}) for reply in replies)
