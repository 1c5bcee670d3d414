"""A classifier of prompt injections, by name: how probable an attack is, window by window."""

from __future__ import annotations

import re
from collections.abc import Sequence

from curation import labels as named

ATTACK = named.Meaning(
    "attack",
    "curation.malicious",
    re.compile(r"inject|jailbreak|attack|malicious|unsafe|harmful|adversarial|label_1$|^1$", re.I),
    re.compile(r"\b(?:non|not|no)\b|^(?:non|not|no|un)[_ -]|benign|\bsafe\b|legit|normal", re.I),
)


def probabilities(name: str, labels: Sequence[str], texts: Sequence[str], batch_size: int) -> list[float]:
    """How probable it is that each text is an attack, 0..1: see :func:`curation.labels.probabilities`."""
    return named.probabilities(ATTACK, name, labels, texts, batch_size)
