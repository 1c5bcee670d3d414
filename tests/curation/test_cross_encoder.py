from __future__ import annotations

from pathlib import Path

import pytest

from curation import cross_encoder, embed, semantic
from curation.semantic.decide import decide
from curation.semantic_config import SemanticConfig
from tests.curation import tiny_models

pytest.importorskip("sentence_transformers")
carried = pytest.mark.skipif(embed.default_folder() is None, reason="no all-MiniLM-L6-v2 on this machine")

# Reworded, close, and no single word stands for another: a case for the cross-encoder.
YES = ("indeed how do i quickly sort the list", "indeed what is the way to sort the red list")
NO = ("how do i quickly sort the list", "what is the way to sort the red list")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.cross_encoder(tmp_path_factory.mktemp("cross"))


def test_a_folder_is_loaded_and_its_scores_do_not_depend_on_order(model: Path) -> None:
    loaded = cross_encoder.load(str(model))
    assert loaded.why == ""
    rated = cross_encoder.scores(loaded.model, [YES, NO, (YES[1], YES[0])])
    assert rated[0] > 0.5 > rated[1]
    assert rated[2] == pytest.approx(rated[0], abs=1e-6)
    assert cross_encoder.scores(loaded.model, []) == []


@carried
def test_its_verdict_decides_on_the_borderline_alone(model: Path) -> None:
    texts = [*YES, *NO]
    near = [(0, 1, 0.9), (2, 3, 0.9)]
    config = SemanticConfig(cross_encoder=str(model))
    assert [(p.i, p.j, p.method) for p in decide(texts, near, config)] == [(0, 1, "cross_encoder")]
    assert decide(texts, near, config.model_copy(update={"cross_encoder": "none"})) == []
    assert decide(texts, near, config.model_copy(update={"accept": 1.0})) == []
    assert decide(texts, [(0, 1, 0.8)], config) == []  # under the band
    assert "tiny" not in semantic.status(config)
    assert str(model) in semantic.status(config)


@carried
def test_a_fact_is_not_put_to_the_vote(model: Path) -> None:
    texts = ["indeed sort 3 lists", "indeed sort 4 lists"]
    found = decide(texts, [(0, 1, 0.97)], SemanticConfig(cross_encoder=str(model)))
    assert [(p.method, p.fact) for p in found] == [("distinct_facts", "number: 3 → 4")]
    unguarded = SemanticConfig(cross_encoder=str(model), guard=False)
    assert [p.method for p in decide(texts, [(0, 1, 0.9)], unguarded)] == ["cross_encoder"]


@carried
def test_without_one_the_threshold_is_stricter_and_that_is_said(monkeypatch: pytest.MonkeyPatch, model: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    absent = SemanticConfig(cross_encoder="nobody/has-this")
    texts = ["the town is old and red", "the city is old and red"]
    near = [(0, 1, 0.94)]  # between the two thresholds
    assert decide(texts, near, absent) == []
    assert [p.method for p in decide(texts, near, SemanticConfig(cross_encoder=str(model)))] == ["embedding"]
    assert [p.method for p in decide(texts, [(0, 1, 0.96)], absent)] == ["embedding"]
    assert semantic.status(absent).startswith("cross-encoder step skipped: nobody/has-this")
    assert "0.95 instead of 0.92" in semantic.status(absent)


def test_a_broken_folder_is_said_and_nothing_raised(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    loaded = cross_encoder.load(str(tmp_path))
    assert loaded.model is None
    assert loaded.why
