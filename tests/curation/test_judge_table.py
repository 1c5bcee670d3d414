"""Every rubric, in every mode, with every failure, behind a real HTTP server: the right score, or ``unscored``."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from curation.judge import Judge
from curation.judge_config import JudgeConfig
from curation.rubric_choice import Rubrics
from datagen.core.record import Failure, Rejected, Sample
from datagen.llm import connect
from datagen.llm.connect import Endpoint, resolve
from tests.curation.judge_table import GOOD, WRONG, written
from tests.curation.make import conversation
from tests.fakeserver import fake_server
from tests.generate.support import pair
from tests.llm.support import QUICK

SCRIPT = Path(__file__).with_name("judge_table.py")
RUBRICS = sorted(Rubrics().by_name)
MODES: dict[str, dict[str, Any]] = {
    "one call": {"score_mode": "integer"},
    "one call, scores first": {"score_mode": "integer", "order": "score_first"},
    "one call a criterion": {"score_mode": "integer", "calls": "each"},
    "expected": {"score_mode": "expected", "least_mass": 0.0},
    "expected, a criterion": {"score_mode": "expected", "least_mass": 0.0, "calls": "each"},
    "mean": {"score_mode": "mean", "temperature": 0.7, "samples": 2},
}


def subject(rubric: str, kind: str, number: int) -> Sample:
    """A sample of the kind that the rubric is for, which names the reply that is to come."""
    text = f"It holds 3 litres. [reply {kind} {number}]"
    if rubric in ("conversation", "chat"):
        turns = [
            ("user", "How much?"),
            ("assistant", text),
            ("user", "And then?"),
            ("assistant", f"It rests {number}."),
        ]
        return conversation(turns, "The pump.")
    made = pair(f"How much does pump {number} hold?", text)
    if rubric == "pair":
        return made.model_copy(update={"rejected": Rejected(content="4 litres.", flaw="wrong_fact")})
    return made


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with fake_server(script=str(SCRIPT)) as server:
        yield server.url


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("author") / "me.jsonl"
    file.write_text('{"text": "I write as I speak."}\n', encoding="utf-8")
    return str(file)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("rubric", RUBRICS)
def test_every_reply_ends_in_the_right_score_or_in_none(
    rubric: str, mode: str, url: str, examples: str, tmp_path: Path
) -> None:
    kinds = [*GOOD, "mended", *WRONG]
    shard = [subject(rubric, kind, number) for number, kind in enumerate(kinds)]
    endpoint = Endpoint(base_url=url, client=QUICK, log_path=str(tmp_path / "calls.sqlite"))
    try:
        endpoint = endpoint.model_copy(update={"model": resolve(endpoint).model})
        stage = Judge(JudgeConfig(rubric=rubric, examples=examples, **MODES[mode]), endpoint)
        out = stage.run(shard)
        again = stage.run(shard)
    finally:
        connect.close()
    assert again == out, "the same from the log"
    samples = [record for record in out if isinstance(record, Sample)]
    assert [s.messages for s in samples] == [s.messages for s in shard], "the judge never edits"
    keys = [criterion.key for criterion in stage.rubrics.used[0].criteria]
    for number, (kind, sample) in enumerate(zip(kinds, samples, strict=True)):
        following = out[out.index(sample) + 1 :][:1]
        if kind in WRONG:
            assert (sample.score, sample.scores, sample.judgements) == (None, {}, ()), kind
            assert sample.verdict is not None
            assert sample.verdict.reason == "unscored"
            assert isinstance(following[0], Failure), kind
            assert following[0].samples == 0
            continue
        assert sample.verdict is None, kind
        assert not any(isinstance(record, Failure) for record in following), kind
        (judged,) = sample.judgements
        wanted = written(number, keys)
        assert list(judged.scores) == keys
        if mode.startswith("expected"):
            assert judged.mode == "expected"
            assert set(judged.variance) == set(judged.mass) == set(keys)
            for key in keys:  # the fake judge spreads its probability over the neighbours of the score
                assert 1 <= judged.scores[key] <= 5
                assert 0 <= judged.scores[key] - wanted[key] + 0.5 <= 1, (kind, key)
        else:
            assert judged.scores == wanted, kind
            assert judged.mode == ("mean" if mode == "mean" else "integer")


@pytest.mark.parametrize("fault", ["refusal", "length", "apology", "prose", "schema"])
def test_a_refusal_in_the_envelope_and_a_reply_that_was_cut_are_no_scores(
    fault: str, examples: str, tmp_path: Path
) -> None:
    shard = [subject(rubric, "plain", number) for number, rubric in enumerate(RUBRICS)]
    with fake_server(script=str(SCRIPT), faults={fault: (1.0, math.inf)}) as server:
        for number, mode in enumerate(MODES.values()):
            log = str(tmp_path / f"{number}.sqlite")
            endpoint = Endpoint(base_url=server.url, model="fake-model", client=QUICK, log_path=log)
            try:
                out = Judge(JudgeConfig(examples=examples, **mode), endpoint).run(shard)
            finally:
                connect.close()
            samples = [record for record in out if isinstance(record, Sample)]
            assert [(s.score, s.scores) for s in samples] == [(None, {})] * len(shard)
            assert {s.verdict.reason for s in samples if s.verdict} == {"unscored"}
            assert sum(isinstance(record, Failure) for record in out) == len(shard)


def test_the_table_is_whole() -> None:
    assert len(RUBRICS) == 7
    made = json.loads(GOOD["plain"]({"justification": "So.", "a": 3}, "a"))
    assert made["a"] == 3
    good = {"justification": "So.", "a": 3, "b": 2}
    for kind, wrong in WRONG.items():
        assert wrong(good, "b") != json.dumps(good), kind
