"""What a model forgot: its loss on a small set of general prose, before and after training.

``general.txt`` was written for this: stories, recipes, news, letters, dialogue, science, law, instructions. What rises
there is what the training took away from everything that it was not about.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from training.bootstrap import Interval, difference
from training.evaluate import Losses, text_losses

PATH = Path(__file__).parent / "general.txt"


@functools.cache
def passages() -> tuple[str, ...]:
    """The passages of the general text, a paragraph each."""
    return tuple(part.strip() for part in PATH.read_text(encoding="utf-8").split("\n\n") if part.strip())


def general_loss(model: Any, tokenizer: Any) -> Losses:
    """The loss of each passage under a model, each read by itself."""
    return text_losses(model, tokenizer, passages())


def forgotten(before: Losses, after: Losses, *, seed: int = 0) -> Interval:
    """Rise of the loss per token, in nats; above 0 something was forgotten. Paired over the passages."""
    return difference(before.per_token(), after.per_token(), seed=seed)
