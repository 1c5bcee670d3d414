"""How good a text is by a classifier that the user names, as those of the FineWeb-Edu kind.

A. Lozhkov et al., "FineWeb-Edu", 2024 (model card of HuggingFaceFW/fineweb-edu-classifier): a regression head whose one
output is a score of about 0..5; texts under 3 were dropped there. A model with several labels gives the probability of
one.
"""

from __future__ import annotations

from collections.abc import Sequence

from curation.classify import load
from curation.rules_config import QualityConfig
from datagen.core.errors import UsageError

KEY = "curation.rules.quality.model"


def score(texts: Sequence[str], config: QualityConfig) -> list[float]:
    """The quality of each text, on the model's own scale: its output where it has one, else the probability of the
    configured label. Of a text longer than a window, the mean over its windows.

    Raises:
        DatagenError: the model cannot be loaded.
        UsageError: no model is named, or it has no such label.
    """
    if not config.model:
        raise UsageError(
            "No quality classifier is named.", f"{KEY} is empty.", f"Set {KEY} to a model's name or folder."
        )
    model = load(config.model, KEY)
    if len(model.labels) == 1:
        return [float(rows[:, 0].mean()) for rows in model.outputs(texts, config.max_tokens, config.batch_size)]
    label = config.label or model.labels[-1]
    if label not in model.labels:
        raise UsageError(
            f"The classifier {config.model!r} has no label {label!r}.",
            f"Its labels are {', '.join(model.labels)}.",
            "Name one of them in curation.rules.quality.label.",
        )
    column = model.labels.index(label)
    return [float(rows[:, column].mean()) for rows in model.shares(texts, config.max_tokens, config.batch_size)]
