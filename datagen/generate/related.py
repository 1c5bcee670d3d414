"""Finds, for a passage, another one that a question can join to it."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cached_property

from datagen.core.record import Chunk
from datagen.generate.tfidf import words

MIN_LETTERS = 4  # shorter words are mostly grammar
MIN_SHARED = 3  # rare words; fewer are chance
MOST_HOLDERS = 16  # a word in more passages joins none of them; this bounds the work for each word
COMMON = 0.25  # share of the passages from which a word is common
FEW = 4  # passages that may share a word however few there are
CONTINUES = 0.2  # weight of a passage that merely goes on where the other one ends


class Related:
    """Passages among which partners are looked for.

    Args:
        chunks: a shard's, in document order.
    """

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self.chunks = chunks

    def of(self, chunk: Chunk) -> Chunk | None:
        """The passage that shares the rarest words with ``chunk``, or None where none has anything to do with it.

        A passage of another split is none: what is tested on must not be trained on. The neighbour in the
        same section counts little, since it only goes on with the same matter. Work: at most
        :data:`MOST_HOLDERS` steps for each word of the passage.
        """
        scores: defaultdict[int, float] = defaultdict(float)
        shared: Counter[int] = Counter()
        for word in sorted(_bag(chunk)):
            holders = self._holders.get(word, ())
            rarity = math.log((len(self.chunks) + 1) / max(1, len(holders)))
            for place in holders:
                scores[place] += rarity
                shared[place] += 1
        best: tuple[float, int] | None = None
        for place, score in scores.items():
            other = self.chunks[place]
            if shared[place] < MIN_SHARED or other.split != chunk.split or _overlap(chunk, other):
                continue
            # A long passage shares more words by chance alone.
            score /= math.sqrt(max(1, self._sizes[place]))
            rank = (round(score * (CONTINUES if _continues(chunk, other) else 1.0), 9), -place)
            if best is None or rank > best:
                best = rank
        return None if best is None else self.chunks[-best[1]]

    @cached_property
    def _bags(self) -> list[frozenset[str]]:
        return [_bag(chunk) for chunk in self.chunks]

    @cached_property
    def _sizes(self) -> list[int]:
        return [len(bag) for bag in self._bags]

    @cached_property
    def _holders(self) -> dict[str, list[int]]:
        """The places of the passages that hold each rare word; words of one passage alone are left out."""
        found: defaultdict[str, list[int]] = defaultdict(list)
        for place, bag in enumerate(self._bags):
            for word in bag:
                found[word].append(place)
        most = min(MOST_HOLDERS, max(FEW, int(len(self.chunks) * COMMON)))
        return {word: places for word, places in found.items() if 2 <= len(places) <= most}


def _bag(chunk: Chunk) -> frozenset[str]:
    """The words that can join a passage to another; in scripts without spaces, pairs of characters."""
    found = words("\n".join([*chunk.heading, chunk.text]))
    long = {w for w in found if len(w) >= MIN_LETTERS and not w.isdigit()}
    pairs = {a + b for a, b in itertools.pairwise(found) if not (a + b).isascii() and len(a) == len(b) == 1}
    return frozenset(long | pairs)


def _overlap(a: Chunk, b: Chunk) -> bool:
    return a.path == b.path and a.start < b.end and b.start < a.end


def _continues(a: Chunk, b: Chunk) -> bool:
    """Do both stand under the same heading of one document?"""
    return a.path == b.path and a.heading == b.heading
