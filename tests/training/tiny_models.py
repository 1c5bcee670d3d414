"""Tiny trained models for tests of what comes after training."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from training import tiny

Exchange = tuple[str, str]
COLOURS = ("red", "blue", "green", "white")
NAMES = ("Anna", "Bert", "Cleo", "Dora", "Emil", "Fay", "Gus", "Hal", "Ivy", "Jon", "Kim", "Leo")


def facts() -> list[Exchange]:
    """Questions about what colour people like, and the answers."""
    return [(f"What does {name} like?", f"{name} likes {COLOURS[i % 4]}.") for i, name in enumerate(NAMES)]


def write_rows(path: Path, exchanges: Sequence[Exchange], **more: str) -> Path:
    """Rows as `export` writes them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for i, (asked, said) in enumerate(exchanges):
        messages = [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
        lines.append(json.dumps({"id": f"{path.stem}-{i}", "messages": messages, "family": "", "metric": "", **more}))
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def write_pairs(path: Path, pairs: Sequence[tuple[str, str, str]]) -> Path:
    """Pairs as `export` writes them: prompt, chosen, rejected."""
    lines = []
    for i, (asked, chosen, rejected) in enumerate(pairs):
        row = {
            "id": f"{path.stem}-{i}",
            "prompt": [{"role": "user", "content": asked}],
            "chosen": [{"role": "assistant", "content": chosen}],
            "rejected": [{"role": "assistant", "content": rejected}],
            "flaw": "wrong",
        }
        lines.append(json.dumps(row))
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def base(folder: Path, texts: Iterable[str], *, scale: float = 10) -> Path:
    """A random base whose tokenizer knows the words. Its head is made larger, so that little training moves it."""
    from transformers import AutoModelForCausalLM

    tiny.make(folder, texts, vocabulary=400, hidden=64, layers=2, context=256)
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    model.get_input_embeddings().weight.data *= scale  # tied to the head
    model.save_pretrained(folder)
    return folder


def adapter(model_folder: Path, out: Path, exchanges: Sequence[Exchange], steps: int = 60, seed: int = 0) -> Path:
    """A LoRA adapter that learned the exchanges, as training leaves it; made with a bare loop, so that what reads it
    is tested apart from what trains it."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    model: Any = AutoModelForCausalLM.from_pretrained(model_folder)
    settings = LoraConfig(r=32, lora_alpha=64, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(model, settings)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=4e-3)
    batch, labels = _batch(tokenizer, exchanges)
    for _ in range(steps):
        optimizer.zero_grad()
        model(**batch, labels=labels).loss.backward()
        optimizer.step()
    model.save_pretrained(out)
    return out


def _batch(tokenizer: Any, exchanges: Sequence[Exchange]) -> tuple[Any, Any]:
    """Tokens with padding, and labels for the answers alone."""
    import torch

    rows = []
    for asked, said in exchanges:
        prompt = [{"role": "user", "content": asked}]
        head = tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
        ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in (head, said + "<|im_end|>")]
        rows.append((ids[0] + ids[1], [-100] * len(ids[0]) + ids[1]))
    longest = max(len(ids) for ids, _ in rows)
    tokens = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in rows])
    labels = torch.tensor([wanted + [-100] * (longest - len(wanted)) for _, wanted in rows])
    mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids, _ in rows])
    return {"input_ids": tokens, "attention_mask": mask}, labels
