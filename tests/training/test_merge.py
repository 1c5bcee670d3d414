"""A merged model says what the trained one says, or it is not kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

pytest.importorskip("peft", reason="training is in the extra train")
import torch
from jinja2.ext import Extension
from jinja2.sandbox import ImmutableSandboxedEnvironment
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from training import merge_check, tiny
from training.errors import ProofFailed, TrainingError
from training.merge import MergeResult, merge
from training.merge_load import Place, load, plain_weights
from training.portable import portable_template

TEXTS = ["A pump moves water from one place to another.", "Oil the bearing once a week, never more."] * 20
PROMPTS = ["What does a pump move?", "How often is the bearing oiled?"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make(tmp_path_factory.mktemp("base"), TEXTS, vocabulary=400, hidden=64)


def an_adapter(
    base: Path, folder: Path, method: Literal["qlora", "lora"] = "qlora", spread: float = 0.05, **options: Any
) -> Path:
    """An adapter that does something: both halves drawn, as after training."""
    model = load(base, method, Place("cpu", "float32")).model
    made = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", **options))
    torch.manual_seed(1)
    for name, weight in made.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=spread)
    made.save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return an_adapter(base, tmp_path_factory.mktemp("adapter"))


@pytest.mark.parametrize("method", ["qlora", "lora"])
@pytest.mark.parametrize("options", [{}, {"use_rslora": True}, {"use_dora": True}], ids=["lora", "rslora", "dora"])
def test_the_merged_model_says_what_the_adapter_model_says(
    base: Path, tmp_path: Path, method: Literal["qlora", "lora"], options: dict[str, Any]
) -> None:
    trained = an_adapter(base, tmp_path / "adapter", method, **options)
    said: list[str] = []
    result = merge(base, trained, tmp_path / "merged", method=method, prompts=PROMPTS, say=said.append)
    assert 0 <= result.difference <= merge_check.TOLERANCE == result.tolerance
    assert result.changed > 100 * merge_check.TOLERANCE
    assert result.same_top == 1.0
    assert (result.dtype, result.saved_dtype) == ("float32", "float32")
    assert result.said in said
    assert result.bytes > 100_000
    # Anybody can load it, and it is no peft and no quantised model.
    alone = AutoModelForCausalLM.from_pretrained(str(tmp_path / "merged"))
    assert "quantization_config" not in json.loads((tmp_path / "merged" / "config.json").read_text())
    assert sum(p.numel() for p in alone.parameters()) == sum(
        p.numel() for p in AutoModelForCausalLM.from_pretrained(str(base)).parameters()
    )
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_a_whole_model_is_kept_as_it_is(base: Path, tmp_path: Path) -> None:
    result = merge("nothing/here", base, tmp_path / "merged", method="full", prompts=PROMPTS)
    assert result.difference == 0.0


def test_the_chat_template_is_saved_beside_it_and_other_engines_read_it(
    base: Path, adapter: Path, tmp_path: Path
) -> None:
    merge(base, adapter, tmp_path / "merged", prompts=PROMPTS)
    before = AutoTokenizer.from_pretrained(str(base))
    saved = AutoTokenizer.from_pretrained(str(tmp_path / "merged"))
    turns = [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Yes."}]
    assert saved.apply_chat_template(turns, tokenize=False) == before.apply_chat_template(turns, tokenize=False)
    assert "generation %" in before.chat_template
    assert "generation %" not in saved.chat_template
    # A Jinja without the tag of transformers, as other engines have it.
    ImmutableSandboxedEnvironment().from_string(saved.chat_template).render(messages=turns)


@pytest.mark.parametrize("sign", ["", "-"])
def test_templates_render_the_same_without_the_markers(sign: str) -> None:
    class Tag(Extension):
        tags = {"generation"}

        def parse(self, parser: Any) -> Any:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    template = f"a \n {{%{sign} generation {sign}%}} \n b \n {{%{sign}endgeneration{sign}%}} \n c"
    for options in ({}, {"trim_blocks": True, "lstrip_blocks": True}):
        marked = ImmutableSandboxedEnvironment(extensions=[Tag], **options).from_string(template).render()
        plain = ImmutableSandboxedEnvironment(**options).from_string(portable_template(template)).render()
        assert plain == marked


def _quantised_base(model: Any, dtype: Any) -> Any:
    """The mistake to be caught: the adapter goes into the weights as they were before they were quantised."""
    fresh = AutoModelForCausalLM.from_pretrained(_quantised_base.folder, dtype=dtype)  # type: ignore[attr-defined]
    return fresh.eval()


def _off(model: Any, dtype: Any) -> Any:
    whole: Any = plain_weights(model, dtype)
    with torch.no_grad():
        whole.model.layers[0].mlp.down_proj.weight[3, 5] += 0.5
    return whole


def _nan(model: Any, dtype: Any) -> Any:
    whole: Any = plain_weights(model, dtype)
    with torch.no_grad():
        whole.model.layers[1].mlp.down_proj.weight[0, 0] = float("nan")
    return whole


@pytest.mark.parametrize("broken", [_quantised_base, _off, _nan])
def test_a_merge_that_says_something_else_is_refused_and_the_old_one_kept(
    base: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: Callable[..., Any]
) -> None:
    out = tmp_path / "merged"
    merge(base, adapter, out, prompts=PROMPTS)
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    _quantised_base.folder = str(base)  # type: ignore[attr-defined]
    monkeypatch.setattr("training.merge.plain_weights", broken)
    with pytest.raises(ProofFailed, match="not the trained one"):
        merge(base, adapter, out, prompts=PROMPTS)
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["merged"]


def test_what_is_written_is_read_back_before_it_is_kept(
    base: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.torch import load_file, save_file

    from training import merge as module

    write = module._write

    def spoilt(model: Any, tokenizer: Any, folder: Path, dtype: str) -> None:
        write(model, tokenizer, folder, dtype)
        weights = load_file(folder / "model.safetensors")
        weights["model.norm.weight"] *= 1.5
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    monkeypatch.setattr(module, "_write", spoilt)
    with pytest.raises(ProofFailed, match="read back"):
        merge(base, adapter, tmp_path / "merged", prompts=PROMPTS)
    assert list(tmp_path.iterdir()) == []


def test_rounding_to_bfloat16_is_measured_and_said(base: Path, adapter: Path, tmp_path: Path) -> None:
    result = merge(base, adapter, tmp_path / "merged", save="bfloat16", prompts=PROMPTS)
    assert result.saved_dtype == "bfloat16"
    assert result.difference > merge_check.TOLERANCE  # no claim of 1e-4 is made for it
    assert result.tolerance == 0.0
    assert 0 < result.kl <= merge_check.MOST_KL
    assert "bfloat16, which rounds each weight" in result.said
    saved = AutoModelForCausalLM.from_pretrained(str(tmp_path / "merged"))
    assert saved.dtype == torch.bfloat16


def test_a_wrong_merge_is_refused_in_bfloat16_too(
    base: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def swapped(model: Any, dtype: Any) -> Any:
        whole: Any = plain_weights(model, dtype)
        with torch.no_grad():
            whole.model.embed_tokens.weight.copy_(whole.model.embed_tokens.weight.flip(0) * 4)
        return whole

    monkeypatch.setattr("training.merge.plain_weights", swapped)
    with pytest.raises(ProofFailed, match="nats a token"):
        merge(base, adapter, tmp_path / "merged", dtype="bfloat16", prompts=PROMPTS)


def test_rounding_is_allowed_less_than_the_adapter_does() -> None:
    allowed = merge_check.allowed_kl
    assert allowed(float("inf")) == merge_check.MOST_KL
    assert allowed(0.05) == pytest.approx(0.005)
    assert allowed(0.0) == merge_check.ROUNDING_KL


def test_computing_in_bfloat16_claims_no_more_than_it_can(base: Path, adapter: Path, tmp_path: Path) -> None:
    result = merge(base, adapter, tmp_path / "merged", dtype="bfloat16", prompts=PROMPTS)
    assert result.dtype == "bfloat16"
    assert result.tolerance == 0.0
    assert 0 < result.kl <= merge_check.MOST_KL
    assert "computed in bfloat16" in result.said


def test_an_adapter_that_does_nothing_is_named(base: Path, tmp_path: Path) -> None:
    idle = an_adapter(base, tmp_path / "adapter", spread=0.0)
    result = merge(base, idle, tmp_path / "merged", prompts=PROMPTS)
    assert result.changed == 0.0
    assert "changes nothing" in result.said


def test_wrong_input_is_one_sentence(base: Path, adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="nothing to merge"):
        merge(base, tmp_path, tmp_path / "merged")
    with pytest.raises(TrainingError, match="cannot be loaded"):
        merge(tmp_path / "missing", adapter, tmp_path / "merged")
    other = tiny.make(tmp_path / "other", TEXTS, vocabulary=400, hidden=128)
    with pytest.raises(TrainingError, match="does not fit"):
        merge(other, adapter, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_results_are_plain_values(base: Path, adapter: Path, tmp_path: Path) -> None:
    result = merge(base, adapter, tmp_path / "merged", prompts=["A" * 5000, ""])
    assert isinstance(result, MergeResult)
    kept = json.loads(json.dumps(result.as_dict()))
    assert kept["folder"] == "merged"
    assert kept["tokens"] > 256
