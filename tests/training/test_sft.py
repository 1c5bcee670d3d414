"""Supervised fine-tuning, on real NF4 weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training import exports
from training import arguments, base, metrics, sft, stage, steps
from training.config import LoraConfig, SftConfig, TrainConfig
from training.proofs import Moves, fp32
from training.train import train


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exports.base(tmp_path_factory.mktemp("base"))


def rows(count: int = 8) -> sft.Rows:
    ids = [[1, 5, 6, 7, 8 + n % 4, 2] for n in range(count)]
    return sft.Rows(ids, [[0, 0, 0, 1, 1, 1]] * count, lambda seed: list(range(count)))


def build(config: TrainConfig, folder: Path) -> Any:
    with base.quiet():
        loaded = base.new_adapter(base.load_model(config), config)
        return sft.build(config, config.sft, loaded, base.load_tokenizer(config), rows(), None, folder, 64, [Moves()])


def test_nf4_adapter_on_every_linear_layer_but_the_head(model: Path) -> None:
    loaded = base.new_adapter(base.load_model(exports.config(model)), exports.config(model))
    import bitsandbytes

    linear = [name for name, part in loaded.named_modules() if isinstance(part, bitsandbytes.nn.Linear4bit)]
    assert len(linear) == 14  # seven in each of two layers
    with_adapter = [name for name, part in loaded.named_modules() if hasattr(part, "lora_A") and part.lora_A]
    assert len(with_adapter) == 14
    assert not any("head" in name or "embed" in name for name in with_adapter)
    weight = loaded.get_submodule(linear[0]).weight
    assert weight.quant_type == "nf4"
    assert weight.quant_state.nested  # double quantisation


def test_the_loss_is_on_the_reply_alone() -> None:
    columns = rows(1).dataset()
    assert columns[0]["labels"] == [-100, -100, -100, 7, 8, 2]
    assert columns[0]["input_ids"] == [1, 5, 6, 7, 8, 2]


def test_weights_train_in_fp32_and_are_not_rounded(model: Path, tmp_path: Path) -> None:
    config = exports.config(model)
    fresh = base.new_adapter(base.load_model(config), config)
    first = {name: weight.clone() for name, weight in fresh.named_parameters() if weight.requires_grad}
    trainer = build(config, tmp_path)
    assert fp32(trainer.model).holds
    for name, weight in trainer.model.named_parameters():
        if weight.requires_grad:
            assert torch.equal(weight, first[name]), name


def test_the_loss_falls_and_the_adapter_is_kept(model: Path, tmp_path: Path) -> None:
    said: list[str] = []
    found = train(
        exports.export(tmp_path / "export", preferred=0), tmp_path / "out", exports.config(model), say=said.append
    )
    assert found.sft is not None
    assert found.dpo is None
    record = found.sft.record
    assert record["last_loss"] < record["first_loss"]
    assert record["steps"] == 6
    assert record["eval_loss"] > 0
    assert record["trained_tokens_shown"].endswith("<|im_end|>")
    assert (tmp_path / "out/adapters/sft/adapter_model.safetensors").is_file()
    assert not list((tmp_path / "out/checkpoints/sft").glob("checkpoint-*"))
    assert any("no preference pairs" in line for line in said)
    assert any("not packed" in line for line in said)
    lines = metrics.read(tmp_path / "out" / "metrics.jsonl")
    assert [line["step"] for line in lines if "loss" in line] == [1, 2, 3, 4, 5, 6]
    assert [line["step"] for line in lines if "eval_loss" in line] == [3, 6]
    assert {"stage", "step", "steps", "epoch", "loss", "learning_rate", "grad_norm", "tokens", "seconds"} <= set(
        lines[0]
    )
    seconds = [line["seconds"] for line in lines]
    assert seconds == sorted(seconds)
    written = json.loads((tmp_path / "out" / "training.json").read_text(encoding="utf-8"))
    assert written["state"] == "done"
    assert written["data"]["sft.train.jsonl"]["rows"] == 24
    assert written["versions"]["trl"]


@pytest.mark.parametrize(
    "changes",
    [
        {"lora": LoraConfig(rank=4, alpha=8, rslora=True, dora=True)},
        {"sft": SftConfig(max_steps=2, batch=2, accumulation=1, neftune=5.0)},
        {"method": "lora"},
        {"method": "full"},
        {"checkpointing": True},
        {"lora": LoraConfig(rank=2, alpha=4, targets=("q_proj",))},
    ],
    ids=["dora", "neftune", "lora", "full", "checkpointing", "targets"],
)
def test_options_train(model: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    short = {"sft": SftConfig(max_steps=2, batch=2, accumulation=1, learning_rate=1e-3), **changes}
    config = exports.config(model, **short)
    found = train(exports.export(tmp_path / "e", train=8, preferred=0, valid=0), tmp_path / "o", config, say=_quiet)
    assert found.sft is not None
    assert found.sft.record["steps"] == 2
    weights = list((tmp_path / "o/adapters/sft").glob("*.safetensors"))
    assert len(weights) == 1
    if "method" in changes and changes["method"] == "full":
        assert weights[0].name == "model.safetensors"
    settings = tmp_path / "o/adapters/sft/adapter_config.json"
    if settings.exists():
        written = json.loads(settings.read_text(encoding="utf-8"))
        assert written["use_dora"] == config.lora.dora
        assert written["use_rslora"] == config.lora.rslora


def test_neftune_changes_the_loss_and_nothing_else(model: Path, tmp_path: Path) -> None:
    first = []
    for noise in (0.0, 15.0):
        settings = SftConfig(max_steps=1, batch=2, accumulation=1, neftune=noise)
        config = exports.config(model, sft=settings)
        source = exports.export(tmp_path / f"e{noise}", train=8, preferred=0, valid=0)
        found = train(source, tmp_path / f"o{noise}", config, say=_quiet)
        assert found.sft is not None
        first.append(found.sft.record["first_loss"])
    assert first[0] != first[1]


def test_stops_early_and_keeps_the_best(model: Path, tmp_path: Path) -> None:
    source = exports.export(tmp_path / "e", train=8, preferred=0)
    # A rate at which rows are learned by heart: the validation loss, of other rows, soon rises.
    settings = SftConfig(
        max_steps=40, batch=2, accumulation=1, learning_rate=0.1, evaluate_every=1, save_every=40, patience=2,
        schedule="constant_with_warmup",
    )  # fmt: skip
    found = train(source, tmp_path / "o", exports.config(model, sft=settings), say=_quiet)
    assert found.sft is not None
    record = found.sft.record
    assert record["stopped_early"]
    assert record["steps"] < 40
    looks = {
        line["step"]: line["eval_loss"] for line in metrics.read(tmp_path / "o/metrics.jsonl") if "eval_loss" in line
    }
    assert record["best_step"] == min(looks, key=lambda step: (looks[step], step))
    assert record["steps"] - record["best_step"] == 2


def test_steps_of_few_rows() -> None:
    settings = SftConfig(batch=1, accumulation=16, epochs=2)
    changed, said = steps.settle(settings, 12)
    assert changed.accumulation == 3
    assert steps.total(changed, 12) == 8
    assert "few" in said
    assert "8 steps and not 2" in said
    assert steps.settle(settings, 5_000) == (settings, "")
    assert steps.warmup(settings, 20) == 0  # a single step of warm-up would have a rate of zero
    assert steps.warmup(settings, 200) == 6


def test_halving_keeps_the_rows_of_a_step() -> None:
    for batch, accumulation in ((8, 2), (6, 5), (5, 3), (2, 1)):
        smaller = stage.halve(SftConfig(batch=batch, accumulation=accumulation))
        assert smaller is not None
        assert smaller.batch <= batch // 2
        assert smaller.batch * smaller.accumulation == batch * accumulation
    assert stage.halve(SftConfig(batch=1)) is None
    assert stage.halve(SftConfig(batch=2), least=2) is None


def test_each_epoch_has_its_order_and_the_seed_decides_it() -> None:
    sampler = arguments.Mixed(lambda seed: [seed % 3, (seed + 1) % 3, (seed + 2) % 3], 3, seed=0)
    first = list(sampler)
    sampler.set_epoch(1)
    assert list(sampler) != first
    sampler.set_epoch(0)
    assert list(sampler) == first


def _quiet(_: str) -> None:
    pass
