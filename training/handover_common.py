"""What the configs for other programs share: the base as seen from their folder, and YAML with a note."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.config import TINY, TrainConfig

_HEAD = "# Written by datagen. Run it in this folder: {}\n"


def base(config: TrainConfig) -> str:
    """The base as seen from a folder in ``configs``."""
    if config.base == TINY:
        return "../../base"
    return str(Path(config.base).resolve()) if Path(config.base).is_dir() else config.base


def yaml_text(run: str, values: Mapping[str, Any], *notes: str) -> str:
    """A YAML file that says how to run it."""
    import yaml

    dumped: str = yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True, width=1000)
    return _HEAD.format(run) + "".join(f"# {note}\n" for note in notes) + dumped
