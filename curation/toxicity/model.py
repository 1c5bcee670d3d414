"""Which outputs of a classifier mean hateful, and how probable they are for a text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from curation import labels as named
from curation.classify import Classifier

HATEFUL = named.Meaning(
    "hateful",
    "curation.toxicity",
    re.compile(r"hate|toxic|offens|abus|insult|threat|obscene|identity|slur", re.I),
    re.compile(r"\b(?:non|not|no|un)\b|^(?:non|not|no)|normal|neutral|benign|clean", re.I),
)


def probabilities(name: str, labels: Sequence[str], texts: Sequence[str], batch_size: int) -> list[float]:
    """How probable it is that each text is hateful, 0..1: see :func:`curation.labels.probabilities`."""
    return named.probabilities(HATEFUL, name, labels, texts, batch_size)


def ready(name: str, labels: Sequence[str]) -> tuple[Classifier, tuple[int, ...]]:
    """The loaded classifier and the positions of its labels that mean hateful: see :func:`curation.labels.ready`."""
    return named.ready(HATEFUL, name, labels)
