"""Decides of candidate pairs which say the same: by what differs, by the words put for others, on the borderline by a
cross-encoder."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from curation import cross_encoder
from curation.changes import Change, change
from curation.changes.lexicon import known
from curation.embed import Embedder, default_folder, load
from curation.semantic_config import SemanticConfig
from datagen.core.progress import advance

Method = Literal["embedding", "cross_encoder", "distinct_facts"]

COMMON = 15_000  # place in a vocabulary sorted by frequency up to which a word is a common one
_MOST_REPLACED = 4  # content words; beyond, what differs is not a matter of single words


class Pair(NamedTuple):
    """Two texts that are close.

    Attributes:
        i, j: places of the texts, i < j.
        similarity: cosine of their embeddings, or the cross-encoder's score.
        method: ``embedding`` and ``cross_encoder``: they say the same; ``distinct_facts``: as close, but a fact
            differs.
        fact: that fact, in words.
    """

    i: int
    j: int
    similarity: float
    method: Method
    fact: str = ""


def decide(
    texts: Sequence[str],
    candidates: Iterable[tuple[int, int, float]],
    config: SemanticConfig,
    *,
    embedder: Embedder | None = None,
) -> list[Pair]:
    """The candidates that say the same, and those spared for a fact, ascending.

    Args:
        candidates: (i, j, cosine) with i < j.
        embedder: for single words; loaded where it is needed if None.
    """
    judge = cross_encoder.load(config.cross_encoder)
    least = config.strict_threshold if judge.model is None else config.threshold
    common = common_words()
    out: list[Pair] = []
    open_: list[tuple[int, int, float, Change]] = []
    for i, j, cosine in candidates:
        found = change(texts[i], texts[j], common)
        if found.kind == "fact" and config.guard:
            if cosine >= least:
                out.append(Pair(i, j, cosine, "distinct_facts", found.fact))
        elif found.kind in ("same", "trivial"):
            out.append(Pair(i, j, cosine, "embedding"))
        elif cosine >= (config.candidates if judge.model is not None else least):
            open_.append((i, j, cosine, found))
    sure = [cosine >= least for _, _, cosine, _ in open_]
    for place, close in _replaced(
        [found if ok else None for ok, (*_, found) in zip(sure, open_, strict=True)], config, embedder
    ):
        sure[place] = close
    border = [(i, j) for ok, (i, j, _, _) in zip(sure, open_, strict=True) if not ok]
    out += [Pair(i, j, cosine, "embedding") for ok, (i, j, cosine, _) in zip(sure, open_, strict=True) if ok]
    if judge.model is not None and border:
        advance("semantic", expected=len(border))
        for begin in range(0, len(border), 256):
            part = border[begin : begin + 256]
            rated = cross_encoder.scores(judge.model, [(texts[i], texts[j]) for i, j in part])
            out += [
                Pair(i, j, score, "cross_encoder")
                for (i, j), score in zip(part, rated, strict=True)
                if score >= config.accept
            ]
            advance("semantic", done=len(part))
    return sorted(out)


def _replaced(
    changes: Sequence[Change | None], config: SemanticConfig, embedder: Embedder | None
) -> list[tuple[int, bool]]:
    """(place, whether the words put for others mean about the same) of each change that is to be looked at."""
    out: list[tuple[int, bool]] = []
    asked: dict[str, int] = {}
    open_: list[tuple[int, list[tuple[int, int]]]] = []
    for place, found in enumerate(changes):
        if found is None:
            continue
        lost, gained = found.lost, found.gained
        if not lost or not gained:
            out.append((place, len(lost) + len(gained) <= config.added))
        elif max(len(lost), len(gained)) > _MOST_REPLACED:
            out.append((place, False))
        else:
            wanted = [(" ".join(lost), " ".join(gained))]
            if len(lost) == len(gained) > 1:
                wanted += zip(lost, gained, strict=True)
            open_.append(
                (place, [(asked.setdefault(a, len(asked)), asked.setdefault(b, len(asked))) for a, b in wanted])
            )
    if asked:
        vectors = (embedder or load(config.embed)).encode(list(asked))
        out += [
            (place, min(float(np.dot(vectors[a], vectors[b])) for a, b in wanted) >= config.replaced)
            for place, wanted in open_
        ]
    return out


@functools.cache
def common_words() -> Callable[[str], bool]:
    """Whether a lower-case word is a common one: by the vocabulary of the default model, sorted by frequency, where
    that lies on this machine, else by the lists of :mod:`curation.changes`."""
    folder = default_folder()
    if folder is None:
        return known
    try:
        vocabulary: dict[str, int] = json.loads((folder / "tokenizer.json").read_text("utf-8"))["model"]["vocab"]
        words = frozenset(word for word, place in vocabulary.items() if place < COMMON and not word.startswith("##"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return known
    return lambda word: word in words or known(word)
