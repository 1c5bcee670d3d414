"""The shape of a model, read from its configuration alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, Phi3Config, PretrainedConfig, Qwen2Config

from training import tiny
from training.errors import TrainingError
from training.shape import ModelShape

SMALL = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 500}
CONFIGS = {
    "qwen2 tied": Qwen2Config(**SMALL, intermediate_size=160, num_key_value_heads=2, tie_word_embeddings=True),
    "qwen2 untied": Qwen2Config(**SMALL, intermediate_size=160, num_key_value_heads=2, tie_word_embeddings=False),
    "llama": LlamaConfig(**SMALL, intermediate_size=160, num_key_value_heads=4, tie_word_embeddings=False),
    "phi3": Phi3Config(**SMALL, intermediate_size=160, num_key_value_heads=2, pad_token_id=0),
    "gpt2": GPT2Config(n_embd=64, n_layer=2, n_head=4, vocab_size=500),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_it_counts_what_the_real_model_has(name: str) -> None:
    shape = ModelShape.of_config(CONFIGS[name])
    model = AutoModelForCausalLM.from_config(CONFIGS[name])
    assert shape.parameters == sum(weight.numel() for weight in model.parameters())
    head = model.get_output_embeddings()
    linear = [m for m in model.modules() if type(m).__name__ in ("Linear", "Conv1D") and m is not head]
    assert shape.quantised == sum(module.weight.numel() for module in linear)
    assert sum(one.count for one in shape.linears) == len(linear)


def test_the_headline_model_is_the_one_meant() -> None:
    shape = ModelShape.of_config(fourteen())
    assert (shape.hidden, shape.layers, shape.heads, shape.kv_heads, shape.head_dim) == (5120, 48, 40, 8, 128)
    # 14.7B parameters, 13.1B of them not embeddings, as its model card says.
    assert shape.parameters == pytest.approx(14.77e9, rel=0.001)
    assert shape.parameters - shape.embedding - shape.head == pytest.approx(13.2e9, rel=0.01)
    assert not shape.tied
    assert shape.gated


def test_a_tied_head_is_counted_once() -> None:
    tied, untied = (ModelShape.of_config(CONFIGS[f"qwen2 {kind}"]) for kind in ("tied", "untied"))
    assert tied.head == 0
    assert untied.head == untied.embedding == 500 * 64
    assert untied.parameters - tied.parameters == 500 * 64


def test_no_weight_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    huge = Qwen2Config(hidden_size=16384, intermediate_size=65536, num_hidden_layers=4, num_attention_heads=128)
    assert ModelShape.of_config(huge).parameters > 10**10  # 40 GB in fp32: it would not end well
    assert torch.zeros(1).device.type == "cpu"


def test_a_folder_is_read(tmp_path: Path) -> None:
    folder = tiny.make(tmp_path / "base", ["some words"], hidden=64)
    assert ModelShape.of(folder).hidden == 64
    (folder / "model.safetensors").unlink()
    assert ModelShape.of(folder).layers == 2


@pytest.mark.parametrize("what", ["missing", "empty", "broken", "no text"])
def test_what_is_no_model_costs_a_sentence(tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = tmp_path / "base"
    if what != "missing":
        folder.mkdir()
    if what == "broken":
        (folder / "config.json").write_text("{not json", encoding="utf-8")
    if what == "no text":
        (folder / "config.json").write_text('{"model_type": "vit"}', encoding="utf-8")
    with pytest.raises(TrainingError) as caught:
        ModelShape.of(folder)
    assert str(folder) in caught.value.what
    assert caught.value.fix


def fourteen() -> PretrainedConfig:
    """Qwen2.5-14B's exact shape."""
    from benchmarks.training_14b import CONFIG

    return Qwen2Config(**CONFIG)
