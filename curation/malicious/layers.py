"""Which layers work on this machine, in one sentence."""

from __future__ import annotations

from dataclasses import dataclass

from curation.malicious import plugins
from curation.malicious.config import MaliciousConfig
from curation.malicious.exemplars import examples


@dataclass(frozen=True, slots=True)
class Status:
    """What :func:`~curation.malicious.scan` uses.

    Attributes:
        layers: of ``patterns``, ``context``, ``exemplars``, ``detect-secrets``, ``model``.
        sentence: the same for people, with what is missing.
    """

    layers: tuple[str, ...]
    sentence: str


def status(config: MaliciousConfig = MaliciousConfig()) -> Status:
    """Say which layers are active, without loading a model."""
    layers = ["patterns", "context"]
    said = ["Rules and their context are active"]
    if config.exemplars != "off":
        layers.append("exemplars")
        how = "letters" if config.exemplars == "ngrams" else "an embedding model"
        said.append(f"similarity to {len(examples().kinds)} examples of attacks by {how}")
    if config.detect_secrets and plugins.available():
        layers.append("detect-secrets")
        said.append("the plugins of detect-secrets")
    missing = []
    if config.detect_secrets and not plugins.available():
        missing.append(
            "detect-secrets is not installed (pip install 'datagen[secrets]'), so only our own forms are known"
        )
    if config.model:
        layers.append("model")
        said.append(f"the classifier {config.model}")
    else:
        missing.append(
            "no classifier is named (curation.malicious.model), so reworded attacks without any usual sign pass"
        )
    sentence = ", ".join(said) + "; " + "; ".join(missing) if missing else ", ".join(said)
    return Status(tuple(layers), sentence + ".")
