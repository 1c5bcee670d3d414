"""A classifier of prompt injections, by name: how probable an attack is, window by window."""

from __future__ import annotations

import re
from collections.abc import Sequence

from curation.classify import Classifier, load
from datagen.core.errors import UsageError

KEY = "curation.malicious.model"
_WINDOW = 512  # tokens
_ATTACK = re.compile(r"inject|jailbreak|attack|malicious|unsafe|harmful|adversarial|label_1$|^1$", re.I)
_NOT = re.compile(r"\b(?:non|not|no)\b|^(?:non|not|no|un)[_ -]|benign|\bsafe\b|legit|normal", re.I)


def probabilities(name: str, labels: Sequence[str], texts: Sequence[str], batch_size: int) -> list[float]:
    """How probable it is that each text is an attack, 0..1, by its worst window.

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
    """The loaded classifier, and the positions of its labels that mean attack: those named, else those whose names say
    so (as ``INJECTION``, ``jailbreak``, ``unsafe``, ``LABEL_1``), else its only one.

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
        found = [i for i, label in enumerate(model.labels) if _ATTACK.search(label) and not _NOT.search(label)]
    if missing or not found:
        raise UsageError(
            f"The classifier {name!r} has no label {missing[0]!r}."
            if missing
            else f"The classifier {name!r} has no label whose name says that it means attack.",
            f"Its labels are {', '.join(model.labels)}.",
            "Name those that mean attack in curation.malicious.labels.",
        )
    return model, tuple(found)
