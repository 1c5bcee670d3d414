"""Settings that fit: what is changed, in which order, and that nothing is changed without need."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import Qwen2Config

from benchmarks.training_14b import CONFIG
from training import fit, limits
from training.config import DpoConfig, LoraConfig, SftConfig, TrainConfig
from training.errors import TrainingError
from training.fit import Proposal, propose
from training.shape import ModelShape

SHAPE = ModelShape.of_config(
    Qwen2Config(
        vocab_size=32000, hidden_size=1024, intermediate_size=4096, num_hidden_layers=12, num_attention_heads=16,
        num_key_value_heads=4, tie_word_embeddings=False,
    )
)  # fmt: skip
DRAWN = np.random.default_rng(0).integers(20, 1500, 1000)
LONG = np.concatenate([DRAWN, [9000, 9500, 10000]])
LENGTHS: fit.Lengths = {"sft": DRAWN, "dpo": DRAWN[:200]}


def proposed(limit: float, lengths: fit.Lengths = LENGTHS, device: Any = "cuda", **settings: Any) -> Proposal:
    return propose(SHAPE, TrainConfig(**settings), lengths, int(limit), device)


def test_what_fits_is_left_as_it_is() -> None:
    given = TrainConfig(checkpointing=False, sft=SftConfig(batch=4))
    found = propose(SHAPE, given, LENGTHS, 10**12, "cuda")
    assert found == Proposal(given, (), True, found.estimate, found.stage)
    assert found.needed == ""


def test_recomputing_comes_first() -> None:
    given = {"checkpointing": False, "sft": SftConfig(batch=4, accumulation=4)}
    whole = proposed(1e12, **given).estimate.total
    found = proposed(whole - 1, **given)
    assert found.fits
    assert found.config == TrainConfig(**{**given, "checkpointing": True})
    assert len(found.changes) == 1
    assert found.changes[0].startswith("checkpointing=true")


@given(st.integers(1, 64), st.integers(1, 32), st.floats(0.3, 8))
def test_the_rows_of_a_step_stay_the_same(batch: int, accumulation: int, limit: float) -> None:
    found = proposed(limit * 1e9, sft=SftConfig(batch=batch, accumulation=accumulation), dpo=DpoConfig(batch=batch))
    assert found.config.sft.batch * found.config.sft.accumulation == batch * accumulation
    assert found.config.dpo.batch * found.config.dpo.accumulation == batch * 16


def test_only_the_stage_that_is_too_large_is_made_smaller() -> None:
    given = {"sft": SftConfig(batch=1), "dpo": DpoConfig(batch=8, accumulation=2)}
    whole = proposed(1e12, **given)
    assert whole.stage == "dpo"
    found = proposed(whole.estimate.total - 1, **given)
    assert found.fits
    assert found.config.sft == SftConfig(batch=1)
    assert found.config.dpo.batch == 4
    assert [change[:9] for change in found.changes] == ["dpo.batch"]


def test_long_rows_are_cut_before_the_adapter_is_made_smaller_and_are_counted() -> None:
    lengths: fit.Lengths = {"sft": LONG}
    sparing = {"optimizer": "paged_adamw_8bit", "offload": True, "lora": LoraConfig(rank=32, alpha=64)}
    most = proposed(1e12, lengths, **sparing).estimate.total
    found = proposed(most * 0.7, lengths, **sparing)
    assert found.fits
    assert found.config.lora.rank == 32
    assert found.config.max_length % fit.ROUND == 0
    cut = int((found.config.max_length < LONG).sum())
    assert f"{cut:,} of 1,003 rows" in found.changes[-1]
    assert 3 <= cut <= 6


def test_a_smaller_adapter_keeps_its_scale() -> None:
    given = TrainConfig(lora=LoraConfig(rank=64, alpha=128))
    tried = fit._rank(given, given, LENGTHS, "cuda")
    assert tried is not None
    assert tried.config.lora == LoraConfig(rank=16, alpha=32)
    assert "64" in tried.said
    assert fit._rank(TrainConfig(lora=LoraConfig(rank=4)), given, LENGTHS, "cuda") is None
    assert fit._rank(TrainConfig(method="full"), given, LENGTHS, "cuda") is None


def test_where_nothing_fits_it_says_what_would() -> None:
    found = proposed(1e8)
    assert not found.fits
    assert "Nothing fits into 0.1 GB" in found.needed
    assert f"{found.estimate.total / 1e9:.1f} GB" in found.needed
    assert "smaller base" in found.needed
    full = proposed(2.5e9, method="full")
    assert not full.fits
    assert "method=qlora" in full.needed
    assert "which fits" in full.needed


def test_a_cpu_is_not_offered_what_needs_a_gpu() -> None:
    found = proposed(1e8, device="cpu")
    assert not any("paged" in change or "offload" in change for change in found.changes)
    assert found.config.optimizer == "adamw"


def test_a_stage_that_is_switched_off_is_not_planned_for() -> None:
    with_dpo, without = (proposed(1e12, dpo=DpoConfig(enabled=on, batch=8)) for on in (True, False))
    assert with_dpo.stage == "dpo"
    assert without.stage == "sft"
    with pytest.raises(ValueError):
        proposed(1e12, {"sft": np.zeros(0, np.int64)})


def test_the_headline_is_reached_from_the_defaults() -> None:
    shape = ModelShape.of_config(Qwen2Config(**CONFIG))
    lengths: fit.Lengths = {"sft": np.full(100, 2048), "dpo": np.full(100, 2048)}
    sixteen = propose(shape, TrainConfig(), lengths, 16 * 10**9, "cuda")
    assert sixteen.fits
    assert sixteen.changes == ()
    thirteen = propose(shape, TrainConfig(), lengths, 13 * 10**9, "cuda")
    assert thirteen.fits
    assert thirteen.config.max_length == 0  # no row is cut for it
    assert thirteen.config.lora.rank == 16


@pytest.mark.parametrize(
    ("text", "size"),
    [("16GB", 16e9), ("16 gib", 16 * 2**30), ("24", 24e9), ("800MB", 8e8), ("7.5GB", 7.5e9), (" 1 GiB ", 2**30)],
)
def test_amounts_of_memory(text: str, size: float) -> None:
    assert limits.parse(text) == size


@given(st.text())
def test_anything_else_costs_a_sentence(text: str) -> None:
    try:
        assert limits.parse(text) > 0
    except TrainingError as error:
        assert "--vram" in error.fix
        error.what.encode("ascii")


def test_the_limit_is_what_was_given_or_what_is_free() -> None:
    assert limits.limit_of(TrainConfig(vram="16GB"), "cuda") == (16 * 10**9, "as given")
    free, said = limits.limit_of(TrainConfig(), "cpu")
    assert 0 < free < 10**15
    assert "free" in said
