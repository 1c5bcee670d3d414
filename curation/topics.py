"""What a text is about, by its likeness to the description of a topic.

With an embedding model likeness is the cosine of the vectors of text and description. Without one it is the cosine of
their words by frequency and rarity, which sees the same words only; :func:`method` says which of the two is at work.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from curation.embed import available, load
from curation.embed_config import EmbedConfig
from curation.prose import word_list
from curation.rules_config import TopicsConfig
from datagen.core.text import scrub

MAX_CHARACTERS = 20_000  # of a text that are compared
_STOP = frozenset(
    "the a an and or of to in for on with by from at as is are was were be been it its this that these those which who "
    "what how when where about all any not no into than then their there they you your we our can may will more".split()
)
_ENDINGS = ("ations", "ation", "ings", "ing", "ers", "er", "ies", "es", "ed", "s", "e", "y")


def method(config: TopicsConfig = TopicsConfig(), embed: EmbedConfig = EmbedConfig()) -> str:
    """``"embeddings"``, or ``"words"`` where no model is at hand or none is wanted."""
    return "embeddings" if config.semantic and available(embed) else "words"


def score(
    texts: Sequence[str],
    descriptions: Sequence[str],
    config: TopicsConfig = TopicsConfig(),
    embed: EmbedConfig = EmbedConfig(),
) -> list[list[float]]:
    """Likeness of each text to each description.

    Args:
        texts: n plain texts or Markdown.
        descriptions: k topics, each in a few words or sentences, as in ``"how to grow vegetables"``.
        config: whether to use an embedding model.
        embed: which one.

    Returns:
        n rows of k cosines, -1..1; by words 0..1.
    """
    if not texts or not descriptions:
        return [[] for _ in texts]
    if method(config, embed) == "words":
        wanted = [_weights(d) for d in descriptions]
        return [[_cosine(held, w) for w in wanted] for held in (_weights(t[:MAX_CHARACTERS]) for t in texts)]
    model = load(embed)
    topics = model.encode([scrub(d) for d in descriptions])
    rows = model.encode([scrub(t[:MAX_CHARACTERS]) for t in texts])
    found: list[list[float]] = (rows @ topics.T).clip(-1, 1).astype(float).tolist()
    return found


def threshold(config: TopicsConfig = TopicsConfig(), embed: EmbedConfig = EmbedConfig()) -> float:
    """The likeness from which a text is about a topic, by the method at work."""
    return config.threshold if method(config, embed) == "embeddings" else config.lexical_threshold


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if len(word) - len(ending) >= 3 and word.endswith(ending):
            return word[: -len(ending)]
    return word


def _weights(text: str) -> dict[str, float]:
    """Stems with 1 + log of their count, the common small words left out."""
    counts = Counter(_stem(w) for w in word_list(text) if w not in _STOP and len(w) > 1)
    return {word: 1 + math.log(n) for word, n in counts.items()}


def _cosine(text: dict[str, float], topic: dict[str, float]) -> float:
    """Share of the topic's words that the text has, by weight, less where the text has many others."""
    if not text or not topic:
        return 0.0
    # A long text about a topic has many words that a short description lacks: its length counts by the square root
    # of its norm, so that a page and a sentence can both reach the threshold.
    shared = sum(weight * text[word] for word, weight in topic.items() if word in text)
    norms = math.sqrt(sum(w * w for w in topic.values())) * math.sqrt(sum(w * w for w in text.values()))
    longer: float = max(1.0, len(text) / (4 * len(topic) + 8))
    return min(1.0, shared / norms * math.sqrt(longer))
