"""The estimate of memory: its sums, what makes it greater or smaller, and real peaks beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import Qwen2Config

from benchmarks import training_14b
from benchmarks.training_14b import CONFIG
from benchmarks.training_memory import CASES, Case, measure
from training.config import DpoConfig, LoraConfig, SftConfig, Stage, TrainConfig
from training.memory import estimate
from training.shape import ModelShape

SHAPE = ModelShape.of_config(
    Qwen2Config(
        vocab_size=4096, hidden_size=256, intermediate_size=1024, num_hidden_layers=4, num_attention_heads=8,
        num_key_value_heads=4, tie_word_embeddings=True,
    )
)  # fmt: skip
FOURTEEN = ModelShape.of_config(Qwen2Config(**CONFIG))


def total(length: int = 256, stage: Any = "sft", device: Any = "cpu", **settings: Any) -> int:
    return estimate(SHAPE, TrainConfig(**settings), stage, length=length, device=device).total


def test_four_bits_are_half_a_byte_and_their_scales() -> None:
    found = estimate(FOURTEEN, TrainConfig(), "sft", length=2048, device="cuda")
    assert found.item("4-bit weights") == FOURTEEN.quantised // 2
    # QLoRA, section 3: double quantisation costs 0.127 bits a parameter.
    assert found.item("quantisation state") * 8 / FOURTEEN.quantised == pytest.approx(0.127, abs=0.001)
    assert found.item("embeddings") == found.item("output head") == 152064 * 5120 * 2


def test_the_adapter_its_gradients_and_its_moments_are_fp32() -> None:
    found = estimate(SHAPE, TrainConfig(sft=SftConfig(accumulation=2)), "sft", length=64, device="cpu")
    each = 16 * (2 * (256 + 256) + 2 * (256 + 128) + 3 * (256 + 1024))
    assert found.item("adapter") == 4 * each * 4
    assert found.item("gradients") == found.item("adapter")
    assert found.item("optimizer") == 2 * found.item("adapter")


def test_the_headline_fits() -> None:
    """Qwen2.5-14B in 4 bits at 2,048 tokens: under 13 GB, never over 16 GB, CUDA's own share included."""
    plain = TrainConfig()
    spare = TrainConfig(optimizer="paged_adamw_8bit", offload=True)
    for stage in ("sft", "dpo"):
        assert estimate(FOURTEEN, plain, stage, length=2048, device="cuda").total < 16e9  # type: ignore[arg-type]
        assert estimate(FOURTEEN, spare, stage, length=2048, device="cuda").total < 13e9  # type: ignore[arg-type]
    assert estimate(FOURTEEN, plain, "sft", length=2048, device="cuda").allocated < 13e9


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ({"length": 128}, {"length": 256}),
        ({"sft": SftConfig(batch=1)}, {"sft": SftConfig(batch=2)}),
        ({"checkpointing": True}, {"checkpointing": False}),
        ({"lora": LoraConfig(rank=8)}, {"lora": LoraConfig(rank=64)}),
        ({"lora": LoraConfig()}, {"lora": LoraConfig(dropout=0.1)}),
        ({"method": "qlora"}, {"method": "lora"}),
        ({"method": "lora"}, {"method": "full"}),
        ({"dtype": "bfloat16"}, {"dtype": "float32"}),
        ({"stage": "sft"}, {"stage": "dpo"}),
        ({"stage": "dpo", "dpo": DpoConfig(method="kto")}, {"stage": "dpo"}),
        ({"device": "cuda", "optimizer": "paged_adamw_8bit"}, {"device": "cuda"}),
    ],
)
def test_what_takes_more_is_said_to_take_more(less: dict[str, Any], more: dict[str, Any]) -> None:
    assert total(**less) < total(**more)


def test_offloading_leaves_few_layers_on_the_card() -> None:
    there, away = (
        estimate(FOURTEEN, TrainConfig(offload=offload), "dpo", length=2048, device="cuda") for offload in (False, True)
    )
    assert away.item("activations") * 8 < there.item("activations")
    on_cpu = [
        estimate(SHAPE, TrainConfig(offload=offload), "sft", length=64, device="cpu") for offload in (False, True)
    ]
    assert on_cpu[0].total == on_cpu[1].total


def test_orpo_offloads_nothing() -> None:
    def peak(stage: Stage, offload: bool) -> int:
        config = TrainConfig(offload=offload, dpo=DpoConfig(method="orpo"))
        return estimate(FOURTEEN, config, stage, length=2048, device="cuda").total

    assert peak("dpo", True) == peak("dpo", False)
    assert peak("sft", True) < peak("sft", False)


@given(
    st.sampled_from(["qlora", "lora", "full"]),
    st.sampled_from(["sft", "dpo"]),
    st.sampled_from(["cpu", "cuda"]),
    st.integers(1, 4096),
    st.integers(1, 8),
    st.integers(1, 64),
    st.booleans(),
    st.sampled_from(["adamw", "paged_adamw_8bit"]),
)
def test_the_items_always_add_up_and_say_how(
    method: Any, stage: Any, device: Any, length: int, batch: int, rank: int, recomputed: bool, optimizer: Any
) -> None:
    config = TrainConfig(
        method=method, checkpointing=recomputed, optimizer=optimizer, lora=LoraConfig(rank=rank),
        sft=SftConfig(batch=batch), dpo=DpoConfig(batch=batch),
    )  # fmt: skip
    found = estimate(SHAPE, config, stage, length=length, device=device)
    assert found.total == sum(item.bytes for item in found.items)
    assert all(item.bytes > 0 and item.how for item in found.items)
    assert found.allocated == found.total - found.item("CUDA context")
    assert found.total > SHAPE.quantised // 2


@pytest.mark.parametrize(
    "case",
    [
        Case("sft", "qlora", 96, 2, 256, 2, 2048, False, padded=True),
        Case("dpo", "lora", 96, 1, 256, 2, 2048, True, padded=True),
    ],
    ids=["sft-qlora", "dpo-lora"],
)
def test_a_real_peak_is_within_a_tenth(case: Case) -> None:
    found = measure(case, steps=2)
    assert found.ratio == pytest.approx(1, abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sft-qlora-recomputed", "sft-full-short", "dpo-qlora", "sft-lora-untied"])
def test_larger_peaks_too(name: str) -> None:
    assert measure(CASES[name], steps=2).ratio == pytest.approx(1, abs=0.1)


@pytest.mark.slow
def test_the_script_for_a_large_gpu_runs_at_small_scale(tmp_path: Path) -> None:
    """It makes a model in NF4 layer by layer, which trains as one that transformers has quantised."""
    folder = training_14b.make(tmp_path, training_14b.SMALL, "cpu")
    shape = ModelShape.of(folder)
    for stage in training_14b.STAGES:
        found = training_14b.run("ours", stage, folder, 64, 2)
        config = training_14b.settings("ours", folder, 64, 2)
        assert estimate(shape, config, stage, length=64, device="cpu").total == pytest.approx(found["peak"], rel=0.1)
        assert found["rate"] > 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, which would be used for minutes")
def test_the_script_for_a_large_gpu_says_that_it_needs_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["training_14b"])
    training_14b.main()
    said = capsys.readouterr().out
    assert training_14b.NO_GPU in said
    assert "4-bit weights" in said
