"""How scores come to be: as written, from probabilities, as a mean; of one judge or a panel."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from curation import judge as judging
from curation.judge import Judge
from curation.judge_config import JudgeConfig
from curation.rubric_logprobs import expected, token_at
from curation.scoring import Weigh, put_together, thresholds_of, weighted
from curation.select import Select
from datagen.core.record import AnyRecord, Failure, Judged, Sample
from datagen.llm import connect
from datagen.llm.backend import Backend, Reply, Request, Token
from datagen.llm.connect import Endpoint, resolve
from tests.fakeserver import fake_server
from tests.generate.support import Scripted, pair

ENDPOINT = Endpoint(base_url="http://x/v1", model="jm")
CRITERIA = ("relevance", "clarity", "completeness", "accuracy", "faithfulness")
GOOD = {"justification": "Fine. 5 of 5!", **dict.fromkeys(CRITERIA, 4)}


def tokens(*parts: str | tuple[str, dict[str, float]]) -> tuple[Token, ...]:
    """Tokens; a pair has the probabilities of what could stand there."""
    found = []
    for part in parts:
        text, chances = part if isinstance(part, tuple) else (part, {})
        top = tuple((said, math.log(p) if p else -9999.0) for said, p in chances.items())
        found.append(Token(token=text, logprob=math.log(chances.get(text, 0) or 1), top=top))
    return tuple(found)


def text_of(parts: tuple[Token, ...]) -> str:
    return "".join(token.token for token in parts)


@pytest.mark.parametrize(
    ("parts", "score", "mass"),
    [
        (tokens('{"a": ', ("4", {"4": 0.6, "5": 0.2, "3": 0.2}), "}"), 4.0, 1.0),
        (tokens('{"a":', (" 4", {" 4": 0.5, " 5": 0.25, "4": 0.25}), "}"), 4.25, 1.0),
        (tokens('{"a"', (": 4", {": 4": 0.5, ": 5": 0.3, ": ": 0.2}), "}"), 4.375, 0.8),
        (tokens('{"a": ', ("4}", {"4}": 0.5, "5}": 0.2, "4": 0.3})), 4.2, 1.0),
        (tokens('{"a', ('":4', {'":4': 0.9, '":1': 0.1})), 3.7, 1.0),
        (tokens('{"a": ', ("4", {"4": 0.4, "45": 0.3, "four": 0.2, "0": 0.1}), "}"), 4.0, 0.4),
        (tokens('{"a": ', ("4", {"4": 1.0, "5": 0.0}), "}"), 4.0, 1.0),
        (tokens('{"j": "4 of 5, ü', "\ufffd", "\ufffd", '4", "a": ', ("4", {"4": 0.5, "2": 0.5}), "}"), 3.0, 1.0),
    ],
)
def test_the_expected_score_is_taken_at_the_scores_own_token(
    parts: tuple[Token, ...], score: float, mass: float
) -> None:
    text = text_of(parts).replace("ü\ufffd\ufffd", "ü🎉")
    found = expected(text, parts, text.rindex("4"))
    assert found is not None
    assert found.score == pytest.approx(score)
    assert found.mass == pytest.approx(mass)
    assert found.variance >= 0


def test_tokens_after_the_text_do_no_harm() -> None:
    parts = tokens("\n", '{"a": ', ("4", {"4": 0.5, "3": 0.5}), "}", "<|im_end|>", "")
    found = expected('{"a": 4}', parts, 6)
    assert found is not None
    assert (found.score, found.variance) == (3.5, pytest.approx(0.25))


@pytest.mark.parametrize("parts", [(), tokens("something", "else"), tokens('{"a": ', "44", "}")])
def test_without_tokens_that_fit_there_is_no_expected_score(parts: tuple[Token, ...]) -> None:
    assert expected('{"a": 4}', parts, 6) is None


@given(st.lists(st.text("ab4 🎉{", min_size=1, max_size=3), min_size=1, max_size=12), st.data())
def test_the_token_of_a_character_is_found(parts: list[str], data: st.DataObject) -> None:
    text = "".join(parts)
    at = data.draw(st.integers(0, len(text) - 1))
    found = token_at(text, tokens(*parts), at)
    assert found is not None
    token, inside = found
    assert token.token[inside] == text[at]
    before = 0
    for part in parts:
        if before <= at < before + len(part):
            assert (token.token, inside) == (part, at - before)
        before += len(part)


@given(st.lists(st.floats(0, 1), min_size=5, max_size=5).filter(lambda p: sum(p) > 0.01))
def test_the_expected_score_is_the_mean_of_the_probabilities(chances: list[float]) -> None:
    total = sum(chances)
    shares = [p / total for p in chances]
    best = str(shares.index(max(shares)) + 1)
    top = {str(k): p for k, p in enumerate(shares, 1)}
    found = expected(f'{{"a": {best}}}', tokens('{"a": ', (best, top), "}"), 6)
    assert found is not None
    mean = sum(k * p for k, p in enumerate(shares, 1))
    assert found.score == pytest.approx(mean, abs=1e-9)
    assert found.variance == pytest.approx(sum(p * (k - mean) ** 2 for k, p in enumerate(shares, 1)), abs=1e-9)
    assert 1 <= found.score <= 5


class Sure:
    """Answers with 4 for everything, and with probabilities: 0.5 for 4 and the rest of the mass for 2."""

    def __init__(self, mass: float, only: str = "") -> None:
        self.mass, self.only = mass, only
        self.asked: list[Request] = []

    async def complete(self, request: Request) -> Reply:
        self.asked.append(request)
        assert request.json_schema is not None
        parts: list[str | tuple[str, dict[str, float]]] = ['{"justification": "4 or 5?"']
        for key in [k for k in request.json_schema["properties"] if k != "justification"]:
            mass = self.mass if not self.only or key == self.only else 0.1
            parts += [f', "{key}": ', ("4", {"4": mass / 2, "2": mass / 2})]
        made = tokens(*parts, "}")
        given = made if request.params.get("logprobs") else ()
        return Reply(key=request.key(), text=text_of(made), logprobs=given)


def judged(backend: Backend, subject: Sample | None = None, **config: Any) -> list[AnyRecord]:
    return asyncio.run(Judge(JudgeConfig(**config), ENDPOINT).judge(backend, subject or pair("How much?", "3.")))


def one(backend: Backend, **config: Any) -> Sample:
    (found,) = judged(backend, **config)
    assert isinstance(found, Sample)
    return found


@pytest.mark.parametrize(
    ("config", "mass", "score", "mode"),
    [
        ({}, 0.9, 3.0, "expected"),
        ({"score_mode": "expected"}, 0.9, 3.0, "expected"),
        ({"score_mode": "integer"}, 0.9, 4.0, "integer"),
        ({}, 0.3, 4.0, "integer"),
        ({"least_mass": 0.2}, 0.3, 3.0, "expected"),
        ({"calls": "each"}, 0.9, 3.0, "expected"),
    ],
)
def test_modes(config: dict[str, Any], mass: float, score: float, mode: str) -> None:
    backend = Sure(mass)
    found = one(backend, **config)
    (judgement,) = found.judgements
    assert (found.score, judgement.mode) == (pytest.approx(score), mode)
    assert set(judgement.variance) == (set(CRITERIA) if mode == "expected" else set())
    asked_for = config.get("score_mode") != "integer"
    assert judgement.mass == (dict.fromkeys(CRITERIA, pytest.approx(mass)) if asked_for else {})
    assert ("logprobs" in backend.asked[0].params) == asked_for


def test_where_the_mass_is_too_small_for_some_criteria_it_is_said() -> None:
    (judgement,) = one(Sure(0.9, only="clarity")).judgements
    assert judgement.mode == "mixed"
    assert judgement.scores == {**dict.fromkeys(CRITERIA, 4.0), "clarity": pytest.approx(3.0)}
    assert list(judgement.variance) == ["clarity"]


def test_one_call_a_criterion_gives_reasons_for_each() -> None:
    backend = Scripted(*(json.dumps({"justification": f"Why {k}.", k: i}) for i, k in enumerate(CRITERIA, 1)))
    found = one(backend, calls="each", score_mode="integer")
    assert found.scores == dict(zip(CRITERIA, (1.0, 2.0, 3.0, 4.0, 5.0), strict=True))
    assert found.judgements[0].reasons == {k: f"Why {k}." for k in CRITERIA}
    assert "clarity: Why clarity." in found.justification
    assert [r.messages[0].content.count("\n5 ") for r in backend.asked] == [1] * 5


def test_one_criterion_that_cannot_be_read_leaves_all_unscored() -> None:
    replies = [json.dumps({"justification": "x", k: 3 if k != "clarity" else 9}) for k in CRITERIA]
    found, _failure = judged(Scripted(*replies, *replies[1:2] * 9), calls="each", score_mode="integer")
    assert isinstance(found, Sample)
    assert (found.score, found.scores) == (None, {})


@pytest.mark.parametrize(("order", "first"), [("explain_first", "justification"), ("score_first", "relevance")])
def test_reasons_or_scores_come_first_in_prompt_form_and_schema(order: str, first: str) -> None:
    backend = Scripted(json.dumps(GOOD))
    one(backend, order=order)
    asked = backend.asked[0]
    assert asked.json_schema is not None
    assert next(iter(asked.json_schema["properties"])) == first
    assert f'of this form:\n{{"{first}"' in asked.messages[0].content
    assert ("First write the justification" in asked.messages[0].content) == (order == "explain_first")


class Varied:
    """Gives several replies to a question: so many 5s, then 2s, then nonsense."""

    def __init__(self, fives: int, twos: int) -> None:
        self.fives, self.twos = fives, twos

    async def complete(self, request: Request) -> Reply:
        def said(number: int) -> str:
            score = 5 if number < self.fives else 2
            return json.dumps({**GOOD, **dict.fromkeys(CRITERIA, score)}) if number < self.fives + self.twos else "hm"

        texts = tuple(said(number) for number in range(request.params.get("n", 1)))
        if len(texts) == 1:
            return Reply(key=request.key(), text="hm")
        return Reply(key=request.key(), text=texts[0], choices=texts, finishes=("stop",) * len(texts))


@pytest.mark.parametrize(("fives", "twos", "score"), [(2, 2, 3.5), (3, 0, 5.0), (1, 1, None), (0, 0, None)])
def test_the_mean_of_several_replies(fives: int, twos: int, score: float | None) -> None:
    found = judged(Varied(fives, twos), score_mode="mean", samples=4, temperature=0.7)[0]
    assert isinstance(found, Sample)
    assert found.score == score
    if found.judgements:
        assert found.judgements[0].mode == "mean"
        assert found.judgements[0].variance["clarity"] == pytest.approx(2.25 if twos else 0.0)


def test_a_mean_of_equal_replies_is_refused() -> None:
    with pytest.raises(ValidationError, match="temperature above 0"):
        JudgeConfig(score_mode="mean")


def test_a_panel_is_averaged_and_says_who_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def replies(score: int) -> str:
        return json.dumps({**GOOD, **dict.fromkeys(CRITERIA, score), "clarity": 3})

    backends = {"a": replies(5), "b": replies(2), "c": "hm"}
    monkeypatch.setattr(judging, "open_backend", lambda e: Scripted(*[backends[e.model]] * 2))
    endpoints = [ENDPOINT.model_copy(update={"model": name}) for name in backends]
    config = JudgeConfig(weights={"clarity": 0})

    def ask(first: str, *others: str) -> list[AnyRecord]:
        known = {e.model: e for e in endpoints}
        stage = Judge(config, known[first], panel=[known[name] for name in others])
        return asyncio.run(stage.judge(Scripted(*[backends[first]] * 2), pair("How much?", "3.")))

    both, failure = ask("a", "b", "c")
    assert isinstance(both, Sample)
    assert isinstance(failure, Failure)
    assert (failure.raw, failure.samples) == ("hm", 0)
    assert [j.model for j in both.judgements] == ["a", "b"]
    assert [j.score for j in both.judgements] == [5.0, 2.0]
    assert (both.score, both.spread, both.scores["accuracy"], both.scores["clarity"]) == (3.5, 3.0, 3.5, 3.0)
    assert both.scored_by == "judge:a, b"
    assert both.justification == "a: Fine. 5 of 5!\nb: Fine. 5 of 5!"
    none, *failures = ask("c", "c")
    assert isinstance(none, Sample)
    assert none.verdict is not None
    assert (none.verdict.reason, len(failures)) == ("unscored", 2)


def test_weights_count() -> None:
    assert weighted({"a": 5.0, "b": 1.0}, {"a": 3.0}) == 4.0
    assert weighted({"a": 5.0, "b": 1.0}, {"a": 0.0, "b": 0.0}) == 3.0
    judgements = [Judged(model="m", mode="integer", scores={"a": 5.0, "b": 1.0}, score=0.0)]
    assert put_together(pair("a", "b"), judgements, {"b": 0.0}).score == 5.0


def test_new_weights_and_thresholds_ask_nothing(tmp_path: Path) -> None:
    place = tmp_path / "judge/rubrics"
    place.mkdir(parents=True)
    text = "---\nfor: [qa]\nthreshold: 2\n---\n## a\n5. x\n1. y\n## b (weight 1)\n5. x\n1. y\n"
    (place / "mine.md").write_text(text, encoding="utf-8")
    shard = [pair(f"How much is {n}?", "3 litres.") for n in range(5)]

    def judged_by(config: JudgeConfig) -> tuple[list[float], dict[str, Any], dict[str, Any]]:
        stage, weigh = Judge(config, endpoint, str(tmp_path)), Weigh(config, str(tmp_path))
        select = Select(config.threshold, thresholds_of(config, str(tmp_path)))
        out = [r for r in select.emit(weigh.run(stage.run(shard))) if isinstance(r, Sample)]
        for sample in out:
            low = (sample.score or 0) < (2 if "threshold: 2" in (place / "mine.md").read_text() else 4.5)
            assert (sample.verdict is not None) == low
        return [s.score or 0.0 for s in out], stage.fingerprint(), weigh.fingerprint()

    with fake_server() as server:
        endpoint = Endpoint(base_url=server.url, api_key_env="", log_path=str(tmp_path / "calls.sqlite"))
        endpoint = endpoint.model_copy(update={"model": resolve(endpoint).model})
        try:
            scores, asked, weights = judged_by(JudgeConfig())
            questions = server.stats()["questions"]
            (place / "mine.md").write_text(
                text.replace("weight 1", "weight 7").replace("threshold: 2", "threshold: 4.5")
            )
            again, asked_again, weights_again = judged_by(JudgeConfig())
            configured, asked_then, _ = judged_by(JudgeConfig(weights={"a": 9, "b": 1}, threshold=1))
            assert server.stats()["questions"] == questions == 6
            assert asked == asked_again == asked_then
            assert weights != weights_again
            assert len({tuple(scores), tuple(again), tuple(configured)}) == 3
            (place / "mine.md").write_text(text.replace("5. x", "5. good"), encoding="utf-8")
            assert judged_by(JudgeConfig())[1] != asked
            assert server.stats()["questions"] == questions + 5
        finally:
            connect.close()


def by_hand(reply: Reply, place: int) -> tuple[float, float]:
    """Score and mass at the ``place``-th token that is nothing but a digit."""
    digits = [token for token in reply.logprobs if token.token.strip() in ("1", "2", "3", "4", "5")]
    chances = {int(said): math.exp(p) for said, p in digits[place].top if said.strip() in ("1", "2", "3", "4", "5")}
    total = sum(chances.values())
    return sum(k * p for k, p in chances.items()) / total, total


def test_expected_scores_over_http_and_from_the_log(tmp_path: Path) -> None:
    shard = [pair(f"How much is {n}?", "3 litres.") for n in range(20)]
    config = JudgeConfig(order="score_first", least_mass=0.0)
    with fake_server() as server:
        endpoint = Endpoint(base_url=server.url, api_key_env="", log_path=str(tmp_path / "calls.sqlite"))
        endpoint = endpoint.model_copy(update={"model": resolve(endpoint).model})
        try:
            stage = Judge(config, endpoint)
            out = stage.run(shard)
            questions = server.stats()["questions"]
            assert stage.run(shard) == out, "from the log, with its log-probabilities"
            assert server.stats()["questions"] == questions
            log = connect.open_log(endpoint.log_path)
            replies = [log.get(stage.request(sample).key()) for sample in shard]
        finally:
            connect.close()
    moved = 0
    for sample, reply in zip(out, replies, strict=True):
        assert isinstance(sample, Sample)
        assert reply is not None
        (judgement,) = sample.judgements
        assert judgement.mode == "expected"
        written = json.loads(reply.text)
        for place, key in enumerate(CRITERIA):
            score, mass = by_hand(reply, place)
            assert judgement.scores[key] == pytest.approx(score, abs=1e-9)
            assert judgement.mass[key] == pytest.approx(min(mass, 1.0), abs=1e-9)
            moved += abs(score - written[key]) > 0.01
    assert moved > 50
