"""Semantic duplicates among texts: from the texts to pairs and clusters."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from curation import cross_encoder
from curation.clusters import Clusters
from curation.embed import load
from curation.semantic.decide import Pair, decide
from curation.semantic.search import Vectors, neighbours
from curation.semantic.variants import variants
from curation.semantic_config import SemanticConfig
from datagen.core.progress import advance

_BLOCK = 200_000  # candidates decided at once


def pairs(
    texts: Sequence[str],
    config: SemanticConfig = SemanticConfig(),
    *,
    vectors: Vectors | None = None,
    skip: Collection[int] | None = None,
    since: int = 0,
) -> list[Pair]:
    """All pairs of texts that say the same, and those as close that are spared for a fact, ascending.

    Of equal texts each is paired with the first alone (and that one with others). Empty texts are like nothing.

    Args:
        vectors: (n, d) unit rows of the texts, if they are there already.
        skip: places of texts that take no part.
        since: only pairs of which at least one text is at this place or later.

    Raises:
        DatagenError: no embedding model can be loaded.
    """
    left_out = frozenset(skip or ())
    first: dict[bytes, int] = {}
    out: list[Pair] = []
    for place, text in enumerate(texts):
        if place in left_out or not text.strip():
            continue
        name = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if (earlier := first.setdefault(name, place)) != place and place >= since:
            out.append(Pair(earlier, place, 1.0, "embedding"))
    places = np.fromiter(first.values(), np.int64, len(first))
    if vectors is None:
        rows: Vectors = load(config.embed).encode([texts[p] for p in places])
    else:
        rows = vectors if len(places) == len(vectors) else vectors[places]
    advance("semantic", expected=len(places))
    i, j, cosine = neighbours(rows, config.candidates, lambda done: advance("semantic", done=done))
    more = np.array(variants(texts, places), np.int64).reshape(-1, 2)
    a, b = more[~np.isin(more[:, 0] * len(places) + more[:, 1], i * len(places) + j)].T
    if len(a):
        near = _cosines(rows, a, b)
        i, j, cosine = np.concatenate([i, a]), np.concatenate([j, b]), np.concatenate([cosine, near])
    if since:
        new = (places[i] >= since) | (places[j] >= since)
        i, j, cosine = i[new], j[new], cosine[new]
    for begin in range(0, len(i), _BLOCK):
        part = slice(begin, begin + _BLOCK)
        found = zip(places[i[part]].tolist(), places[j[part]].tolist(), cosine[part].tolist(), strict=True)
        out += decide(texts, found, config)
    return sorted(out)


def cluster(
    texts: Sequence[str],
    config: SemanticConfig = SemanticConfig(),
    *,
    vectors: Vectors | None = None,
    scores: Sequence[float] | None = None,
) -> Clusters:
    """Join texts that say the same into clusters, of which one is kept.

    Args:
        vectors: as of :func:`pairs`.
        scores: of the texts, for ``keep: score``.

    Raises:
        DatagenError: no embedding model can be loaded.
    """
    found = pairs(texts, config, vectors=vectors)
    merged = [(p.i, p.j) for p in found if p.method != "distinct_facts"]
    owner = owners(len(texts), merged, ranking([len(t) for t in texts], scores, config.keep), config.clusters)
    kept = owner == np.arange(len(texts))
    _, begins, inverse = np.unique(owner, return_index=True, return_inverse=True)
    labels = np.argsort(np.argsort(begins, kind="stable"), kind="stable")[inverse]
    shown: list[tuple[int, int, float, str]] = [(p.i, p.j, p.similarity, p.method) for p in found]
    return Clusters(labels.astype(np.int64), kept, shown)  # type: ignore[arg-type]


def status(config: SemanticConfig = SemanticConfig()) -> str:
    """One sentence for the report: whether the borderline is judged, and by what."""
    judge = cross_encoder.load(config.cross_encoder)
    if judge.model is not None:
        return f"borderline pairs (cosine from {config.candidates:g}) are judged by the cross-encoder {judge.name}"
    return (
        f"cross-encoder step skipped: {judge.name} could not be used ({judge.why}); "
        f"reworded texts need a cosine of {config.strict_threshold:g} instead of {config.threshold:g}"
    )


def ranking(lengths: Sequence[int], scores: Sequence[float] | None, keep: str) -> list[int]:
    """Places of texts, the one to be kept first: by the rule, then by place."""
    if keep == "longest":
        return sorted(range(len(lengths)), key=lambda place: (-lengths[place], place))
    if keep == "score" and scores is not None:
        return sorted(range(len(lengths)), key=lambda place: (-scores[place], place))
    return list(range(len(lengths)))


def owners(count: int, merged: Sequence[tuple[int, int]], order: Sequence[int], way: str) -> npt.NDArray[np.int64]:
    """For each text the kept one that stands for it, itself where it is kept.

    Args:
        merged: pairs that say the same.
        order: places, the one to be kept first.
        way: ``greedy``: a text is dropped for a kept one that it is like; ``chained``: for the best of all that are
            joined to it by pairs.
    """
    near: dict[int, list[int]] = {}
    for i, j in merged:
        near.setdefault(i, []).append(j)
        near.setdefault(j, []).append(i)
    owner = np.full(count, -1, np.int64)
    for place in order:
        if owner[place] >= 0:
            continue
        owner[place] = place
        open_ = list(near.get(place, ()))
        while open_:
            other = open_.pop()
            if owner[other] < 0:
                owner[other] = place
                if way == "chained":
                    open_ += near[other]
    return owner


def _cosines(rows: Vectors, a: npt.NDArray[np.int64], b: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    out = np.zeros(len(a), np.float32)
    for begin in range(0, len(a), 4096):
        part = slice(begin, begin + 4096)
        out[part] = np.einsum("nd,nd->n", rows[a[part]].astype(np.float32), rows[b[part]].astype(np.float32))
    return np.clip(out, -1, 1)
