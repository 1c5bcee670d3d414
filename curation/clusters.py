"""Groups of near-copies, and which of each is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt

from curation.lexical import plain
from curation.lexical.engine import SMALL, can_compile

METHODS = ("exact", "minhash", "shingles", "datasketch", "embedding", "cross_encoder", "distinct_facts")
Method = Literal["exact", "minhash", "shingles", "datasketch", "embedding", "cross_encoder", "distinct_facts"]
Pair = tuple[int, int, float, Method]


class Pairs(Sequence[Pair]):
    """Pairs of texts as four arrays, which together look like a list of (i, j, similarity, method), i < j.

    Attributes:
        left, right: (m,) i and j.
        similarity: (m,) in 0..1.
        method: (m,) place in :data:`METHODS`.
    """

    def __init__(
        self,
        left: npt.NDArray[np.int32],
        right: npt.NDArray[np.int32],
        similarity: npt.NDArray[np.float64],
        method: npt.NDArray[np.uint8],
    ) -> None:
        self.left, self.right, self.similarity, self.method = left, right, similarity, method

    def __len__(self) -> int:
        return len(self.left)

    @overload
    def __getitem__(self, at: int) -> Pair: ...
    @overload
    def __getitem__(self, at: slice) -> Pairs: ...
    def __getitem__(self, at: int | slice) -> Pair | Pairs:
        if isinstance(at, slice):
            return Pairs(self.left[at], self.right[at], self.similarity[at], self.method[at])
        name: Method = METHODS[int(self.method[at])]  # type: ignore[assignment]
        return int(self.left[at]), int(self.right[at]), float(self.similarity[at]), name

    def __iter__(self) -> Iterator[Pair]:
        return (self[at] for at in range(len(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{list(self[:5])!r}{' …' if len(self) > 5 else ''} ({len(self)} pairs)"

    def by_place(self) -> Pairs:
        """Ascending by i, then j."""
        order = np.lexsort((self.right, self.left))
        return Pairs(self.left[order], self.right[order], self.similarity[order], self.method[order])

    @staticmethod
    def of(pairs: Iterable[tuple[Any, ...]]) -> Pairs:
        """From (i, j, similarity, method), whatever else follows."""
        if isinstance(pairs, Pairs):
            return pairs
        held = list(pairs)
        return Pairs(
            np.array([pair[0] for pair in held], np.int32),
            np.array([pair[1] for pair in held], np.int32),
            np.array([pair[2] for pair in held], np.float64),
            np.array([METHODS.index(pair[3]) for pair in held], np.uint8),
        )

    @staticmethod
    def joined(parts: Sequence[Pairs]) -> Pairs:
        """One after the other."""
        return Pairs(
            np.concatenate([part.left for part in parts]),
            np.concatenate([part.right for part in parts]),
            np.concatenate([part.similarity for part in parts]),
            np.concatenate([part.method for part in parts]),
        )


@dataclass(frozen=True, slots=True)
class Clusters:
    """Groups of near-copies among n texts.

    Attributes:
        labels: (n,) number of each text's cluster, counted from 0 by first appearance.
        kept: (n,) whether the text is the one of its cluster that is kept.
        pairs: (i, j, similarity, method), i < j, ascending: each pair of near-copies found; of equal texts each is
            paired with the first alone (and that one with their near-copies). A pair whose method is
            ``distinct_facts`` differs in a fact and joins nothing.
    """

    labels: npt.NDArray[np.int64]
    kept: npt.NDArray[np.bool_]
    pairs: Sequence[Pair]

    def owners(self) -> npt.NDArray[np.int64]:
        """(n,) the kept text of each text's cluster."""
        kept = np.flatnonzero(self.kept)
        of_label = np.empty(len(kept), np.int64)
        of_label[self.labels[kept]] = kept
        return of_label[self.labels]


def ranks(n: int, keep: Literal["first", "longest", "score"], values: Sequence[float] = ()) -> npt.NDArray[np.int32]:
    """(n,) place of each text among those that would rather be kept, the best 0; ties go to the earlier one.

    Args:
        n: how many texts.
        keep: by place, or by ``values``, the greatest best; what is no number comes last.
    """
    if keep == "first":
        return np.arange(n, dtype=np.int32)
    worth = np.nan_to_num(np.asarray(values, np.float64), nan=-np.inf)
    out = np.empty(n, np.int32)
    out[np.argsort(-worth, kind="stable")] = np.arange(n, dtype=np.int32)
    return out


def resolve(
    rank: npt.NDArray[np.int32],
    pairs: Pairs,
    mode: Literal["chained", "greedy"],
    differ: Callable[[int, int], bool] | None = None,
) -> Clusters:
    """Join pairs into clusters.

    ``chained`` joins what is connected, whatever lies between, and keeps the best. ``greedy`` goes from the best
    text to the worst: a text that is like a kept one is dropped (for the best such), so nothing is dropped that is
    not itself like a kept text, and a little less is.

    Args:
        rank: of each text, see :func:`ranks`.
        pairs: near-copies; those spared already join nothing.
        differ: asked of each pair before it joins anything, the most similar first (with ``greedy``: in the
            order of the ranks); those it is true of become ``distinct_facts``.
    """
    n = len(rank)
    methods = pairs.method.copy()
    usable = np.flatnonzero(methods != METHODS.index("distinct_facts"))
    if mode == "chained":
        group = _chain(n, pairs, methods, usable, differ)
        best = np.full(n, n, np.int32)
        np.minimum.at(best, group, rank)
        by_rank = np.argsort(rank)
        owner = by_rank[best[group]].astype(np.int64)
    else:
        owner = _greedy(rank, pairs, methods, usable, differ).astype(np.int64)
    return named(owner, Pairs(pairs.left, pairs.right, pairs.similarity, methods))


def named(owner: npt.NDArray[np.int64], pairs: Pairs) -> Clusters:
    """The clusters in which each text stands for those that it owns.

    Args:
        owner: (n,) the kept text of each text's cluster.
        pairs: in any order.
    """
    _, first, inverse = np.unique(owner, return_index=True, return_inverse=True)
    order = np.empty(len(first), np.int64)
    order[np.argsort(first, kind="stable")] = np.arange(len(first))
    return Clusters(order[inverse.reshape(-1)], owner == np.arange(len(owner)), pairs.by_place())


def _chain(
    n: int,
    pairs: Pairs,
    methods: npt.NDArray[np.uint8],
    usable: npt.NDArray[np.int64],
    differ: Callable[[int, int], bool] | None,
) -> npt.NDArray[np.int32]:
    parent = np.arange(n, dtype=np.int32)
    if differ is None:
        _tool("union", n)(parent, pairs.left[usable], pairs.right[usable])
        return parent
    up = parent.tolist()

    def root(i: int) -> int:
        while up[i] != i:
            up[i] = up[up[i]]
            i = up[i]
        return i

    for at in usable[np.argsort(-pairs.similarity[usable], kind="stable")].tolist():
        i, j = int(pairs.left[at]), int(pairs.right[at])
        a, b = sorted((root(i), root(j)))
        if a != b:
            if differ(i, j):
                methods[at] = METHODS.index("distinct_facts")
            else:
                up[b] = a
    return np.array([root(i) for i in range(n)], np.int32)


def _greedy(
    rank: npt.NDArray[np.int32],
    pairs: Pairs,
    methods: npt.NDArray[np.uint8],
    usable: npt.NDArray[np.int64],
    differ: Callable[[int, int], bool] | None,
) -> npt.NDArray[np.int32]:
    stands = _equal(rank, pairs, methods, usable, differ)
    near = usable[methods[usable] > METHODS.index("exact")]
    near = near[methods[near] != METHODS.index("distinct_facts")]
    left, right = stands[pairs.left[near]], stands[pairs.right[near]]
    swapped = rank[left] > rank[right]
    better, worse = np.where(swapped, right, left), np.where(swapped, left, right)
    order = np.lexsort((rank[better], rank[worse]))
    owner = np.arange(len(rank), dtype=np.int32)
    if differ is None:
        _tool("greedy", len(rank))(owner, better[order], worse[order])
    else:
        for at in order.tolist():
            a, b = int(better[at]), int(worse[at])
            if owner[a] == a and owner[b] == b:
                if differ(a, b):
                    methods[near[at]] = METHODS.index("distinct_facts")
                else:
                    owner[b] = a
    return owner[stands]


def _equal(
    rank: npt.NDArray[np.int32],
    pairs: Pairs,
    methods: npt.NDArray[np.uint8],
    usable: npt.NDArray[np.int64],
    differ: Callable[[int, int], bool] | None,
) -> npt.NDArray[np.int32]:
    """(n,) the best of the texts that are equal to each: it stands for all of them, as pairs name one alone."""
    first = np.arange(len(rank), dtype=np.int32)
    copies = usable[methods[usable] == METHODS.index("exact")]
    if differ is not None:
        apart = [at for at in copies.tolist() if differ(int(pairs.left[at]), int(pairs.right[at]))]
        methods[apart] = METHODS.index("distinct_facts")
        copies = copies[methods[copies] == METHODS.index("exact")]
    first[pairs.right[copies]] = pairs.left[copies]
    best = np.full(len(rank), len(rank), np.int32)
    np.minimum.at(best, first, rank)
    by_rank = np.argsort(rank).astype(np.int32)
    return by_rank[best[first]]


def _tool(name: Literal["union", "greedy"], n: int) -> Callable[..., None]:
    """A function of :mod:`curation.lexical.plain`, compiled where there are many texts."""
    if n > SMALL and can_compile():
        from curation.lexical import join

        return join.union if name == "union" else join.greedy
    return plain.union if name == "union" else plain.greedy
