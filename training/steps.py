"""How many steps a stage takes, and what is done where there are few rows."""

from __future__ import annotations

import math
import os
from typing import TypeVar

from training.config import StageConfig

C = TypeVar("C", bound=StageConfig)
FEW_STEPS = 4
"""Steps an epoch has at least, if the rows allow it: fewer learn next to nothing, whatever the rows say."""
FEW_ROWS = 100


def world() -> int:
    """Processes that train together (``accelerate launch`` sets it)."""
    return max(1, int(os.environ.get("WORLD_SIZE", "1") or 1))


def an_epoch(config: StageConfig, rows: int) -> int:
    """Steps in an epoch of ``rows`` rows (or packed sequences), the last one perhaps of fewer rows."""
    batches = math.ceil(rows / (config.batch * world()))
    return max(1, math.ceil(batches / config.accumulation))


def total(config: StageConfig, rows: int) -> int:
    """Steps of the whole stage."""
    if config.max_steps:
        return config.max_steps
    return max(1, math.ceil(config.epochs * an_epoch(config, rows)))


def warmup(config: StageConfig, steps: int) -> int:
    """Steps in which the learning rate rises; none where it would be a single one, whose rate is zero."""
    count = int(config.warmup * steps)
    return count if count > 1 else 0


def settle(config: C, rows: int) -> tuple[C, str]:
    """The configuration with fewer batches added up where an epoch would have under four steps.

    Args:
        config: as the user gave it.
        rows: rows of the training split.

    Returns:
        The configuration to use, and a sentence to say about few rows; empty where there is nothing to say.
    """
    said = ""
    changed = config
    if an_epoch(config, rows) < FEW_STEPS and config.accumulation > 1:
        accumulation = max(1, rows // (config.batch * world() * FEW_STEPS))
        changed = config.model_copy(update={"accumulation": min(config.accumulation, accumulation)})
    if rows < FEW_ROWS:
        said = (
            f"{rows} row{'' if rows == 1 else 's'} are few: the model will change little, and may learn them by heart."
        )
        if rows == 1:
            said = said.replace("row are few", "row is too little")
    if changed.accumulation != config.accumulation:
        said = (
            f"{said} {changed.accumulation} in place of {config.accumulation} batches are added up for a step, so "
            f"that there are {total(changed, rows)} steps and not {total(config, rows)}."
        ).strip()
    return changed, said
