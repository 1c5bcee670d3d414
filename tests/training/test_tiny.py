"""The tiny model is a real one: it loads, trains a step, keeps any text, and is the same each time."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from training import tiny
from training.errors import TrainingError

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

TEXTS = ["The clerk signs the letter on Monday.", "Water boils at 100 degrees.", "Grüße aus Köln 🎉"] * 20
SMALL: dict[str, int] = {"vocabulary": 400, "hidden": 64, "layers": 2, "context": 256}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make(tmp_path_factory.mktemp("tiny"), TEXTS, **SMALL)


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    return transformers.AutoTokenizer.from_pretrained(folder)


def test_it_loads_and_has_the_sizes_asked_for(folder: Path, tokenizer: Any) -> None:
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    config = model.config
    assert (config.hidden_size, config.num_hidden_layers, config.max_position_embeddings) == (64, 2, 256)
    assert config.vocab_size == len(tokenizer) <= 400
    assert model.dtype == torch.float32
    assert config.eos_token_id == tokenizer.eos_token_id
    assert tokenizer.pad_token_id != tokenizer.eos_token_id


def test_it_learns_and_generates(folder: Path, tokenizer: Any) -> None:
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    messages = [{"role": "user", "content": "When?"}, {"role": "assistant", "content": "On Monday."}]
    ids = torch.tensor([tokenizer.apply_chat_template(messages, return_dict=False)])
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    losses = []
    for _ in range(60):
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]
    prompt = tokenizer.apply_chat_template(messages[:1], add_generation_prompt=True, return_tensors="pt")
    out = model.generate(**prompt, max_new_tokens=20, do_sample=False)
    reply = tokenizer.decode(out[0][prompt["input_ids"].shape[1] :])
    assert reply == "On Monday.<|im_end|>"  # it also learned to stop


def test_the_same_arguments_give_the_same_model(folder: Path, tmp_path: Path) -> None:
    again = tiny.make(tmp_path / "again", TEXTS, **SMALL)
    other = tiny.make(tmp_path / "other", TEXTS, seed=1, **SMALL)
    weights = "model.safetensors"
    assert (again / weights).read_bytes() == (folder / weights).read_bytes()
    assert (other / weights).read_bytes() != (folder / weights).read_bytes()
    assert (again / "tokenizer.json").read_bytes() == (folder / "tokenizer.json").read_bytes()


def test_the_global_generator_is_left_alone(tmp_path: Path) -> None:
    torch.manual_seed(7)
    expected = torch.rand(1).item()
    torch.manual_seed(7)
    tiny.make(tmp_path / "tiny", TEXTS, **SMALL)
    assert torch.rand(1).item() == expected


@given(st.text(max_size=60))
def test_any_text_survives_encoding(tokenizer: Any, text: str) -> None:
    text = text.replace("<|", "< |")
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == unicodedata.normalize("NFC", text)


@given(st.text(max_size=60))
def test_the_file_says_what_the_library_makes_of_it(folder: Path, tokenizer: Any, text: str) -> None:
    core = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert tokenizer(text)["input_ids"] == core.encode(text).ids


def test_no_texts_and_surrogates_are_no_error(tmp_path: Path) -> None:
    tiny.make(tmp_path / "none", [], **SMALL)
    tiny.make(tmp_path / "odd", ["\ud800 and \x00", ""], **SMALL)


@pytest.mark.parametrize("wrong", [{"vocabulary": 258}, {"hidden": 48}, {"hidden": 0}, {"layers": 0}, {"context": 0}])
def test_impossible_sizes_are_one_error(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(TrainingError, match="tiny model"):
        tiny.make(tmp_path / "tiny", TEXTS, **{**SMALL, **wrong})
