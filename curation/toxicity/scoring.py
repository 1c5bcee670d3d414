"""How hateful plain texts are, by the rules and, where one is named, by a classifier."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from curation.toxicity.config import ToxicityConfig
from curation.toxicity.grammar import CATEGORIES, Category
from curation.toxicity.model import probabilities, ready
from curation.toxicity.statements import Finding, find

HATE = tuple(category for category in CATEGORIES if category != "profanity")


@dataclass(frozen=True, slots=True)
class Status:
    """Which layers look at a text.

    Attributes:
        rules: are the rules asked?
        model: name of the classifier that is asked, "" for none.
        note: what this means, one sentence.
    """

    rules: bool
    model: str
    note: str


def scan(texts: Iterable[str], config: ToxicityConfig = ToxicityConfig()) -> list[list[Finding]]:
    """What is hateful or profane in each text.

    Args:
        texts: plain texts or Markdown.
        config: names the classifier, if any.

    Returns:
        For each text its findings, by offset; those of low score are denied, quoted, reported or opposed statements.
        A classifier's word is one finding over the whole text, of category ``derogation`` and rule ``model``.

    Raises:
        DatagenError: a classifier is named and cannot be loaded.
    """
    held = list(texts)
    alone = bool(config.model) and config.combine == "model"
    out = [[f for f in find(text) if not alone or f.category == "profanity"] for text in held]
    if config.model:
        scores = probabilities(config.model, config.labels, held, config.batch_size)
        for text, found, score in zip(held, out, scores, strict=True):
            if score > 0:
                found.append(Finding("derogation", 0, len(text), round(_scaled(score, config), 3), "model"))
    return out


def score(texts: Sequence[str], config: ToxicityConfig = ToxicityConfig()) -> list[float]:
    """How hateful each text is, 0..1: the greatest score of its findings against groups. Profanity alone is 0.

    Args:
        texts: plain texts or Markdown.
        config: names the classifier, if any.

    Raises:
        DatagenError: a classifier is named and cannot be loaded.
    """
    return [max((f.score for f in found if f.category in HATE), default=0.0) for found in scan(texts, config)]


def status(config: ToxicityConfig = ToxicityConfig()) -> Status:
    """Which layers are active; loads the classifier where one is named.

    Raises:
        DatagenError: a classifier is named and cannot be loaded.
    """
    if not config.model:
        return Status(True, "", "Rules alone: hate that says nothing in hateful words passes.")
    ready(config.model, config.labels)
    if config.combine == "model":
        return Status(False, config.model, "The classifier alone decides on hate; the rules find profanity.")
    return Status(True, config.model, "Rules and classifier; the higher score counts.")


def threshold(category: Category, config: ToxicityConfig) -> float | None:
    """The score from which a finding of a category counts, None for never."""
    limits: dict[Category, float | None] = {
        "derogation": config.derogation,
        "dehumanisation": config.dehumanisation,
        "threat": config.threat,
        "slur": config.slur,
        "profanity": config.profanity,
    }
    return limits[category]


def _scaled(probability: float, config: ToxicityConfig) -> float:
    """A probability with the model's own threshold moved to that of derogation, so that one scale serves both."""
    own, wanted = config.model_threshold, config.derogation
    if probability < own:
        return probability / own * wanted * 0.999 if own else wanted
    return wanted + (probability - own) / (1 - own) * (1 - wanted) if own < 1 else wanted
