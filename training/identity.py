"""What makes a stage's result what it is: if one of these parts is another, the stage is another."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from training import base
from training.config import SftConfig, StageConfig, TrainConfig

_HEAD = 1 << 20  # bytes of each file of weights that are hashed: 28 GB would take longer than loading them
_NOT_SHAPING = {"enabled", "save_every", "batch", "accumulation"}


def parts(config: TrainConfig, stage: StageConfig, data: str) -> dict[str, str]:
    """Name and value of each part of a stage, as people would call them.

    Rows at once and batches added up count by their product alone, so that a stage that ran out of memory is still
    the same with half the rows at once; how often it is saved does not count.
    """
    found = {
        "the data": data,
        "the base": identify(config.base),
        "method": config.method,
        "seed": str(config.seed),
        "max_length": str(config.max_length),
        "dtype": str(base.compute_dtype(config)),
        "optimizer": config.optimizer,
        "rows a step": str(stage.batch * stage.accumulation),
    }
    section = "sft" if isinstance(stage, SftConfig) else "dpo"
    found |= {f"{section}.{name}": str(v) for name, v in stage.model_dump().items() if name not in _NOT_SHAPING}
    if config.method != "full":
        found |= {f"lora.{name}": str(value) for name, value in config.lora.model_dump().items()}
    return found


def of_tokens(*columns: Sequence[Sequence[int]]) -> str:
    """SHA-256 of rows of tokens and masks, in order."""
    digest = hashlib.sha256()
    for column in columns:
        digest.update(f"{len(column)}\n".encode())
        for row in column:
            digest.update(repr(list(row)).encode())
    return digest.hexdigest()


def identify(name: str) -> str:
    """SHA-256 of a model folder's configuration and of the beginnings of its weights; a hub name is itself."""
    folder = Path(name)
    if not folder.is_dir():
        return name
    digest = hashlib.sha256()
    for file in sorted(_model_files(folder)):
        digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as opened:
            digest.update(opened.read(_HEAD))
    return digest.hexdigest()


def _model_files(folder: Path) -> Iterable[Path]:
    for pattern in ("config.json", "*.safetensors", "*.bin", "*.index.json"):
        yield from (path for path in folder.glob(pattern) if path.is_file())
