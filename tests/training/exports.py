"""Small exports to train on, and settings that make a stage of a few steps."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from training.config import DpoConfig, LoraConfig, SftConfig, TrainConfig
from training.tiny import make

COLOURS = ("red", "green", "blue", "white", "black", "grey")
THINGS = ("lamp", "stone", "boat", "bird", "door", "leaf", "coat", "ring")


def rows(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Questions with one right answer each, of two families."""
    draw = random.Random(seed)
    found = []
    for number in range(count):
        thing, colour = draw.choice(THINGS), draw.choice(COLOURS)
        talk = [
            {"role": "user", "content": f"What colour has {thing} {number}?"},
            {"role": "assistant", "content": f"The {thing} {number} is {colour}."},
        ]
        found.append({"id": f"r{seed}-{number}", "messages": talk, "family": "qa" if number % 3 else "fact"})
    return found


def pairs(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """The same rows as TRL's preference rows, the worse reply evasive."""
    worse = [{"role": "assistant", "content": "I do not know about that at all."}]
    return [
        {"id": row["id"], "prompt": row["messages"][:-1], "chosen": row["messages"][-1:], "rejected": worse}
        for row in rows(count, seed)
    ]


def write(file: Path, found: list[dict[str, Any]]) -> None:
    """One JSON object a line."""
    file.write_text("".join(json.dumps(row) + "\n" for row in found), encoding="utf-8")


def export(folder: Path, train: int = 24, preferred: int = 16, valid: int = 6) -> Path:
    """An export folder with SFT rows and, where ``preferred`` is not 0, pairs."""
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "sft.train.jsonl", rows(train))
    if valid:
        write(folder / "sft.valid.jsonl", rows(valid, 1))
    if preferred:
        write(folder / "preference.train.jsonl", pairs(preferred))
        write(folder / "preference.valid.jsonl", pairs(4, 1))
    return folder


def base(folder: Path, vocabulary: int = 320) -> Path:
    """A tiny model whose tokenizer knows the rows."""
    texts = [message["content"] for row in rows(30) for message in row["messages"]]
    return make(folder, texts, vocabulary=vocabulary, hidden=64, layers=2, context=256)


def config(model: Path, **changes: Any) -> TrainConfig:
    """Six steps of SFT and four of DPO, with a look and a checkpoint in between."""
    settings: dict[str, Any] = {
        "base": str(model),
        "lora": LoraConfig(rank=4, alpha=8),
        "sft": SftConfig(epochs=1, batch=2, accumulation=2, learning_rate=5e-3, save_every=2, evaluate_every=3),
        "dpo": DpoConfig(batch=2, accumulation=2, learning_rate=1e-3, save_every=2, evaluate_every=2, warmup=0.0),
    }
    return TrainConfig(**{**settings, **changes})
