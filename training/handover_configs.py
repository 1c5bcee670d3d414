"""Configs that train on the same export with the same settings in Axolotl, LLaMA-Factory and Unsloth.

Names of keys are those of these projects' own code. Where a program has no such option, a comment in its file says so.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from training.config import TINY, TrainConfig
from training.handover_axolotl import axolotl
from training.handover_common import base
from training.handover_llamafactory import llamafactory
from training.rows import read_pairs, read_sft


def write_configs(out: Path, export: Path, config: TrainConfig, *, max_length: int) -> tuple[list[str], list[str]]:
    """Write ``configs/`` into ``out``.

    Rows that stand in one file of messages are used where they are; others are written to ``configs/data`` in that
    form. Pairs always are: the programs want them in forms of their own.

    Returns:
        Names of the files, relative to ``out``, and sentences about what could not be said in them.

    Raises:
        TrainingError: the export cannot be read.
        OSError: a file cannot be written.
    """
    data = _data(out, export)
    there = "pairs.train" in data and config.dpo.enabled
    pairs = there and config.dpo.method == "dpo"
    files: dict[str, str] = {
        **axolotl(config, data, max_length, pairs),
        **llamafactory(config, data, max_length, pairs),
        "configs/unsloth/train.py": _unsloth(config, data, max_length, pairs),
    }
    for name, text in files.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    said = ["configs/ has the same training for Axolotl, LLaMA-Factory and Unsloth."]
    if config.base == TINY:
        said.append("They name the base model base/, the tiny random one: put a real one there.")
    if there and not pairs:
        said.append(f"They end with SFT: each wants rows of another form for {config.dpo.method}.")
    return sorted([*files, *(f"configs/data/{p.name}" for p in (out / "configs" / "data").glob("*.jsonl"))]), said


def _data(out: Path, export: Path) -> dict[str, str]:
    """Files by part and split (``"sft.train"``), relative to a folder in ``configs``."""
    folder = out / "configs" / "data"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.jsonl"):
        old.unlink()
    sft, found = read_sft(export), {}
    for split in ("train", "valid"):
        rows = getattr(sft, split)
        if not rows:
            continue
        files = {row.place.rpartition(":")[0] for row in rows}
        whole = [path for path in sft.files if path.name in files]
        if len(whole) == 1 and whole[0].suffix == ".jsonl" and _plain_messages(whole[0]):
            found[f"sft.{split}"] = _relative(whole[0], out / "configs" / "axolotl")
        else:
            _lines(folder / f"sft.{split}.jsonl", ({"id": row.id, "messages": list(row.messages)} for row in rows))
            found[f"sft.{split}"] = f"../data/sft.{split}.jsonl"
    pairs = read_pairs(export)
    for split in ("train", "valid"):
        rows_ = getattr(pairs, split)
        if rows_:
            reply = "assistant"
            _lines(
                folder / f"pairs.{split}.jsonl",
                (
                    {
                        "id": pair.id,
                        "prompt": list(pair.prompt),
                        "chosen": {"role": reply, "content": pair.chosen},
                        "rejected": {"role": reply, "content": pair.rejected},
                    }
                    for pair in rows_
                ),
            )
            found[f"pairs.{split}"] = f"../data/pairs.{split}.jsonl"
    return found


def _plain_messages(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            first = json.loads(file.readline(10_000_000))
        except ValueError:
            return False
    messages = first.get("messages") if isinstance(first, dict) else None
    return isinstance(messages, list) and all(isinstance(m, dict) and {"role", "content"} <= {*m} for m in messages)


def _lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=True) + "\n")


def _relative(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    except ValueError:  # another drive
        return path.resolve().as_posix()


def _unsloth(config: TrainConfig, data: Mapping[str, str], length: int, pairs: bool) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    made.filters["python"] = repr  # every value stands there as a Python literal
    targets = list(config.lora.targets) or "all-linear"
    return made.get_template("unsloth.py.j2").render(
        c=config, base=base(config), data=data, length=length, pairs=pairs, targets=targets
    )
