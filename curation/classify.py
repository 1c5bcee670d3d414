"""Text classifiers from transformers, by name: loading, windows, raw outputs."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from datagen.core.errors import DatagenError
from datagen.core.text import scrub

Outputs = npt.NDArray[np.float32]

MAX_CHARACTERS = 100_000  # of a text that are read
OVERLAP = 32  # tokens that windows share, so that no statement is cut in both


@dataclass(frozen=True)
class Classifier:
    """A loaded sequence classifier.

    Attributes:
        name: as configured.
        labels: names of its k outputs.
        multi: are its labels independent of one another (or is there only one)?
    """

    name: str
    labels: tuple[str, ...]
    multi: bool
    tokenizer: Any
    model: Any

    def outputs(self, texts: Sequence[str], max_tokens: int, batch_size: int) -> list[Outputs]:
        """The raw outputs (logits) for each text: an array (windows, k), at least one window.

        Args:
            texts: any strings; of one over :data:`MAX_CHARACTERS` characters, the beginning.
            max_tokens: tokens in a window, at most what the model takes.
            batch_size: windows computed at once.
        """
        import torch

        size = max(1, min(max_tokens, self._positions()) - 2)  # one special token before, one after
        overlap = min(OVERLAP, size // 4)
        windows: list[tuple[int, list[int]]] = []
        for i, text in enumerate(texts):
            ids = self.tokenizer(scrub(text[:MAX_CHARACTERS]), add_special_tokens=False, verbose=False)["input_ids"]
            windows += [(i, ids[at : at + size]) for at in range(0, max(1, len(ids) - overlap), size - overlap)]
        found: list[list[Outputs]] = [[] for _ in texts]
        with torch.inference_mode():
            for at in range(0, len(windows), batch_size):
                batch = windows[at : at + batch_size]
                rows = [self._framed(ids) for _, ids in batch]
                inputs = self.tokenizer.pad({"input_ids": rows}, return_tensors="pt")
                logits = self.model(**{k: v.to(self.model.device) for k, v in inputs.items()}).logits.float().cpu()
                for (i, _), row in zip(batch, logits.numpy(), strict=True):
                    found[i].append(row)
        return [np.stack(rows) for rows in found]

    def shares(self, texts: Sequence[str], max_tokens: int, batch_size: int) -> list[Outputs]:
        """The same as probabilities: sigmoid of independent labels, softmax of others."""
        out: list[Outputs] = []
        for logits in self.outputs(texts, max_tokens, batch_size):
            if self.multi:
                out.append((1 / (1 + np.exp(-np.clip(logits, -60, 60)))).astype(np.float32))
            else:
                raised = np.exp(logits - logits.max(axis=1, keepdims=True))
                out.append((raised / raised.sum(axis=1, keepdims=True)).astype(np.float32))
        return out

    def _framed(self, ids: list[int]) -> list[int]:
        before = [i for i in (self.tokenizer.cls_token_id,) if i is not None]
        after = [i for i in (self.tokenizer.sep_token_id,) if i is not None]
        return before + ids + after or [self.tokenizer.pad_token_id or 0]

    def _positions(self) -> int:
        config = self.model.config
        held = int(getattr(config, "max_position_embeddings", None) or 512)
        # RoBERTa's positions begin after its padding token's.
        held -= 2 if "roberta" in str(getattr(config, "model_type", "")) else 0
        return min(held, int(self.tokenizer.model_max_length))


@functools.lru_cache(maxsize=4)
def load(name: str, key: str) -> Classifier:
    """Load a classifier, once in a process.

    Args:
        name: a folder, or a model's name on the hub or in the local cache.
        key: the configuration key that names it, for the error.

    Raises:
        DatagenError: transformers or torch is not installed, or the model cannot be loaded.
    """
    try:
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer
    except ImportError as error:
        raise DatagenError(
            f"The classifier {name!r} was not loaded.",
            f"It needs transformers and torch ({error.name} is not installed).",
            f"pip install 'datagen[semantic]', or leave {key} empty.",
        ) from error
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(name)
        model: Any = AutoModelForSequenceClassification.from_pretrained(name)
    except Exception as error:  # each kind of model and of network trouble has its own
        raise DatagenError(
            f"The classifier {name!r} could not be loaded.",
            " ".join(str(error).split())[:200],
            f"Name a model that is on this machine or can be downloaded, or leave {key} empty.",
        ) from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    model.eval()
    if torch.cuda.is_available():
        model.to("cuda")
    names = tuple(str(model.config.id2label[i]) for i in range(int(model.config.num_labels)))
    multi = len(names) == 1 or model.config.problem_type == "multi_label_classification"
    return Classifier(name, names, multi, tokenizer, model)
