"""Scores from log-probabilities on real vLLM (CPU build), with a tiny model made on the spot; see ``test_real.py``."""

from __future__ import annotations

import json
import math
import subprocess
from pathlib import Path

import pytest

from curation.judge import Judge
from curation.judge_config import JudgeConfig
from datagen.core.record import Sample
from datagen.llm import connect
from datagen.llm.backend import Reply
from datagen.llm.config import ClientConfig
from datagen.llm.connect import Endpoint, resolve
from datagen.llm.vllm_config import VllmConfig
from datagen.llm.vllm_server import Launch
from tests.generate.support import pair
from tests.vllm.test_real import ARGS, PYTHON

SAMPLES = 12
CRITERIA = ("relevance", "clarity")
RUBRIC = "---\nfor: [qa]\nshow_source: false\n---\n" + "".join(f"## {key}\n5. good\n1. bad\n" for key in CRITERIA)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not PYTHON, reason="DATAGEN_TEST_VLLM_PYTHON names no Python with vLLM; see `make test-vllm`"),
]


def by_hand(reply: Reply, place: int) -> tuple[float, float]:
    """Score and mass at the digit of the ``place``-th score: the first tokens that are nothing but a digit."""
    digits = [token for token in reply.logprobs if token.token.strip() in ("1", "2", "3", "4", "5")]
    chances: dict[int, float] = {}
    for said, logprob in digits[place].top:
        if said.strip() in ("1", "2", "3", "4", "5"):
            chances[int(said)] = chances.get(int(said), 0.0) + math.exp(logprob)
    total = sum(chances.values())
    return sum(k * p for k, p in chances.items()) / total, total


def test_expected_scores_come_from_the_engines_own_probabilities(tmp_path: Path) -> None:
    model = tmp_path / "model"
    maker = Path(__file__).with_name("tiny_model.py")
    subprocess.run([PYTHON, maker, model], check=True, capture_output=True, timeout=300)
    rubric = tmp_path / "tiny.md"
    rubric.write_text(RUBRIC, encoding="utf-8")
    server = VllmConfig(
        command=(str(Path(PYTHON).with_name("vllm")),),
        args={**ARGS, "max_num_seqs": SAMPLES},  # type: ignore[arg-type]
        env={"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"},
    )
    endpoint = Endpoint(
        base_url=f"vllm:{model}",
        api_key_env="",
        model=str(model),
        vllm=Launch(config=server, model=str(model), log=str(tmp_path / "vllm.log")),
        client=ClientConfig(concurrency=SAMPLES),
        log_path=str(tmp_path / "calls.sqlite"),
    )
    # Scores first: random weights seldom end a string, and a reply that does not end is no judgement.
    config = JudgeConfig(
        rubric=str(rubric), score_mode="expected", order="score_first", temperature=1.0, max_tokens=400, least_mass=0.0
    )
    shard = [pair(f"Question {number}: how much does the pump hold?", f"{number} litres.") for number in range(SAMPLES)]
    try:
        found = resolve(endpoint)
        assert found.logprobs
        stage = Judge(config, endpoint)
        out = [record for record in stage.run(shard) if isinstance(record, Sample)]
        again = [record for record in stage.run(shard) if isinstance(record, Sample)]
        log = connect.open_log(endpoint.log_path)
        replies = {sample.id: log.get(stage.request(sample).key()) for sample in shard}
    finally:
        connect.close()
    assert again == out, "from the log, with its log-probabilities"
    scored = [sample for sample in out if sample.score is not None]
    assert len(scored) > SAMPLES / 4, [sample.verdict for sample in out]
    moved = 0
    for sample in scored:
        (judgement,) = sample.judgements
        assert judgement.mode == "expected"
        reply = replies[sample.id]
        assert reply is not None
        try:
            written = json.loads(reply.text)
        except ValueError:
            continue  # it was asked once more
        for place, key in enumerate(CRITERIA):
            score, mass = by_hand(reply, place)
            assert judgement.scores[key] == pytest.approx(score, abs=1e-9)
            assert judgement.mass[key] == pytest.approx(min(mass, 1.0), abs=1e-9)
            assert 0.0 < mass <= 1.0 + 1e-9, "the engine reports chances as they were before the schema was applied"
            assert 0 <= judgement.variance[key] <= 4, "none where a single level is among the likeliest tokens"
            moved += abs(judgement.scores[key] - written[key]) > 0.01
    assert moved, "an expected score is not the number that was written"
