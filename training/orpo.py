"""ORPO (arXiv:2403.07691) by TRL, of whose version 1.16 it is an experimental part; imported only where it is asked."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # read when the module below is imported

from trl.experimental.orpo import ORPOConfig, ORPOTrainer

__all__ = ["ORPOConfig", "Trainer"]


class Trainer(ORPOTrainer):
    """ORPOTrainer on rows that are tokenised already, without a model card in each checkpoint."""

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """The card is written once, when all is done."""

    def tokenize_row(self, feature: Any, model: Any = None) -> dict[str, list[int]]:
        """The row in the form of ORPO's collator."""
        row: dict[str, list[int]] = {}
        prompt = feature["prompt_ids"]
        for side in ("chosen", "rejected"):
            reply = feature[f"{side}_ids"]
            row[f"{side}_input_ids"] = prompt + reply
            row[f"{side}_attention_mask"] = [1] * len(prompt + reply)
            row[f"{side}_labels"] = [-100] * len(prompt) + reply
        row["prompt_input_ids"] = prompt
        row["prompt_attention_mask"] = [1] * len(prompt)
        return row
