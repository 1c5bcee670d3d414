"""A classifier by name whose labels mean something bad: which of them do, and how probable they are for a text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from curation.classify import Classifier, load
from datagen.core.errors import UsageError

_WINDOW = 512  # tokens


@dataclass(frozen=True, slots=True)
class Meaning:
    """What is looked for among the labels of a classifier.

    Attributes:
        word: what they mean, as in ``"attack"``.
        section: of the configuration that names the classifier and the labels.
        says, denies: what the name of such a label holds, and what it does not.
    """

    word: str
    section: str
    says: re.Pattern[str]
    denies: re.Pattern[str]


def probabilities(
    meaning: Meaning, name: str, labels: Sequence[str], texts: Sequence[str], batch_size: int
) -> list[float]:
    """How probable it is that each text is meant, 0..1, by its worst window: of labels that exclude one another the sum
    of those that mean it, of independent ones the greatest.

    Raises:
        DatagenError: the model cannot be loaded.
        UsageError: it has no such label.
    """
    model, columns = ready(meaning, name, labels)
    out = []
    for shares in model.shares(texts, _WINDOW, batch_size):
        wanted = shares[:, list(columns)]
        best = wanted.max(axis=1) if model.multi else wanted.sum(axis=1).clip(0, 1)
        out.append(float(best.max()))
    return out


def ready(meaning: Meaning, name: str, labels: Sequence[str]) -> tuple[Classifier, tuple[int, ...]]:
    """The loaded classifier, and the positions of the labels that are meant: those named, else those whose names say
    so, else its only one.

    Raises:
        DatagenError: the model cannot be loaded.
        UsageError: it has no such label.
    """
    model = load(name, f"{meaning.section}.model")
    missing = sorted(set(labels) - set(model.labels))
    if labels:
        found = [i for i, label in enumerate(model.labels) if label in labels]
    elif len(model.labels) == 1:
        found = [0]
    else:
        found = [i for i, one in enumerate(model.labels) if meaning.says.search(one) and not meaning.denies.search(one)]
    if missing or not found:
        raise UsageError(
            f"The classifier {name!r} has no label {missing[0]!r}."
            if missing
            else f"The classifier {name!r} has no label whose name says that it means {meaning.word}.",
            f"Its labels are {', '.join(model.labels)}.",
            f"Name those that mean {meaning.word} in {meaning.section}.labels.",
        )
    return model, tuple(found)
