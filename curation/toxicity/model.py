"""Which outputs of a classifier mean hateful, and how probable they are for a text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from curation.classify import Classifier, load
from datagen.core.errors import UsageError

KEY = "curation.toxicity.model"
_WINDOW = 512  # tokens
_HATEFUL = re.compile(r"hate|toxic|offens|abus|insult|threat|obscene|identity|slur", re.I)
_NOT = re.compile(r"\b(?:non|not|no|un)\b|^(?:non|not|no)|normal|neutral|benign|clean", re.I)


def probabilities(name: str, labels: Sequence[str], texts: Sequence[str], batch_size: int) -> list[float]:
    """How probable it is that each text is hateful, 0..1: of its worst window; of labels that exclude one another
    the sum of those that mean hateful, of independent ones the greatest.

    Raises:
        DatagenError: the model cannot be loaded.
        UsageError: it has no such label.
    """
    model, columns = ready(name, labels)
    out = []
    for shares in model.shares(texts, _WINDOW, batch_size):
        wanted = shares[:, list(columns)]
        best = wanted.max(axis=1) if model.multi else wanted.sum(axis=1).clip(0, 1)
        out.append(float(best.max()))
    return out


def ready(name: str, labels: Sequence[str]) -> tuple[Classifier, tuple[int, ...]]:
    """The loaded classifier, and the positions of its labels that mean hateful: those named, else those whose names
    say so (as ``hate``, ``toxic``, ``threat``), else its only one.

    Raises:
        DatagenError: the model cannot be loaded.
        UsageError: it has no such label.
    """
    model = load(name, KEY)
    missing = sorted(set(labels) - set(model.labels))
    if labels:
        found = [i for i, label in enumerate(model.labels) if label in labels]
    elif len(model.labels) == 1:
        found = [0]
    else:
        found = [i for i, label in enumerate(model.labels) if _HATEFUL.search(label) and not _NOT.search(label)]
    if missing or not found:
        raise UsageError(
            f"The classifier {name!r} has no label {missing[0]!r}."
            if missing
            else f"The classifier {name!r} has no label whose name says that it means hateful.",
            f"Its labels are {', '.join(model.labels)}.",
            "Name those that mean hateful in curation.toxicity.labels.",
        )
    return model, tuple(found)
