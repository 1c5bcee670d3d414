"""A text classifier from transformers, by name: loading, windows, and the probability that a text is hateful."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from datagen.core.errors import DatagenError, UsageError
from datagen.core.text import scrub

_FIX = "Name a model that is on this machine or can be downloaded, or leave curation.toxicity.model empty."
_HATEFUL = re.compile(r"hate|toxic|offens|abus|insult|threat|obscene|identity|slur", re.I)
_NOT = re.compile(r"\b(?:non|not|no|un)\b|^(?:non|not|no)[-_ ]?|nothate|normal|neutral|benign|clean", re.I)
_MAX_CHARACTERS = 100_000  # of a text; the rest of a longer one is for the rules alone
_OVERLAP = 32  # tokens that windows share, so that no statement is cut in both


@dataclass
class Classifier:
    """A loaded classifier.

    Attributes:
        name: as configured.
        labels: positions of the outputs that mean hateful.
    """

    name: str
    labels: tuple[int, ...]
    tokenizer: Any
    model: Any

    def score(self, texts: Sequence[str], batch_size: int = 16) -> list[float]:
        """Probability that each text is hateful, 0..1: of its worst window and worst label.

        A model with one output, or one whose ``problem_type`` says multi-label, has independent labels (sigmoid);
        else the labels exclude one another (softmax) and their probabilities are added.
        """
        import torch

        windows: list[tuple[int, list[int]]] = []
        size = min(int(self.tokenizer.model_max_length), self._positions()) - self.tokenizer.num_special_tokens_to_add()
        for i, text in enumerate(texts):
            ids = self.tokenizer(scrub(text[:_MAX_CHARACTERS]), add_special_tokens=False, verbose=False)["input_ids"]
            step = max(1, size - _OVERLAP)
            windows += [(i, ids[at : at + size]) for at in range(0, max(1, len(ids) - _OVERLAP), step)]
        out = [0.0] * len(texts)
        with torch.inference_mode():
            for at in range(0, len(windows), batch_size):
                batch = windows[at : at + batch_size]
                rows = [self.tokenizer.build_inputs_with_special_tokens(ids) for _, ids in batch]
                inputs = self.tokenizer.pad({"input_ids": rows}, return_tensors="pt")
                logits = self.model(**{k: v.to(self.model.device) for k, v in inputs.items()}).logits.float()
                multi = logits.shape[1] == 1 or self.model.config.problem_type == "multi_label_classification"
                shares = torch.sigmoid(logits) if multi else torch.softmax(logits, dim=1)
                wanted = shares[:, list(self.labels)]
                best = wanted.max(dim=1).values if multi else wanted.sum(dim=1).clamp(max=1)
                for (i, _), value in zip(batch, best.tolist(), strict=True):
                    out[i] = max(out[i], float(value))
        return out

    def _positions(self) -> int:
        config = self.model.config
        held = getattr(config, "max_position_embeddings", None) or 512
        return int(held) - (2 if getattr(config, "model_type", "") in ("roberta", "xlm-roberta", "camembert") else 0)


def load(name: str, labels: Sequence[str]) -> Classifier:
    """Load a classifier.

    Args:
        name: a folder, or a model's name on the hub or in the local cache.
        labels: those that mean hateful; empty takes all whose names say so (as ``hate``, ``toxic``, ``threat``).

    Raises:
        DatagenError: transformers or torch is not installed, or the model cannot be loaded.
        UsageError: no such label.
    """
    try:
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer
    except ImportError as error:
        raise DatagenError(
            f"The classifier {name!r} was not loaded.",
            f"It needs transformers and torch, which are not installed ({error.name}).",
            "pip install 'datagen[semantic]', or leave curation.toxicity.model empty for the rules alone.",
        ) from error
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(name)
        model: Any = AutoModelForSequenceClassification.from_pretrained(name)
    except Exception as error:  # each kind of model and of network trouble has its own
        raise DatagenError(f"The classifier {name!r} could not be loaded.", str(error)[:200], _FIX) from error
    model.eval()
    if torch.cuda.is_available():
        model.to("cuda")
    return Classifier(name, _positions_of(model.config.id2label, labels, name), tokenizer, model)


def _positions_of(names: dict[int, str], wanted: Sequence[str], model: str) -> tuple[int, ...]:
    if wanted:
        found = [i for i, label in names.items() if label in wanted]
        missing = set(wanted) - set(names.values())
        if missing:
            raise UsageError(
                f"The classifier {model!r} has no label {', '.join(sorted(missing))}.",
                f"Its labels are {', '.join(names.values())}.",
                "Name some of them in curation.toxicity.labels.",
            )
        return tuple(found)
    if len(names) == 1:
        return (0,)
    found = [i for i, label in names.items() if _HATEFUL.search(label) and not _NOT.search(label)]
    if not found:
        raise UsageError(
            f"The classifier {model!r} has no label whose name says that it means hateful.",
            f"Its labels are {', '.join(names.values())}.",
            "Name those that do in curation.toxicity.labels.",
        )
    return tuple(found)
