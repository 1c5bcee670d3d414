"""Which samples to look at, and in which order: filters and orders over columns in memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from datagen.review.index import Where

Order = Literal["uncertain", "disagreement", "random", "document"]
Reviewed = Literal["", "open", "mine", "nobody", "anybody", "accepted", "rejected", "edited", "skipped", "conflict"]
Mask = NDArray[np.bool_]
_WIDTH = 0.25
"""Score points by which every score is taken to be unsure, so that a variance of 0 does not outweigh all else."""


class Filter(BaseModel):
    """What a sample must be to be in the queue; empty fields let everything pass."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field("", max_length=10_000, description="Words that stand in it.")
    where: Where = Field("", description="Where they stand: in its messages, its source.")
    recipe: str = Field("", max_length=200, description="The recipe that made it.")
    document: str = Field("", max_length=4_000, description="A part of its document's name.")
    split: Literal["", "train", "valid", "test"] = Field("", description="The split it belongs to.")
    verdict: Literal["", "kept", "rejected"] = Field("", description="What the run made of it.")
    reason: str = Field("", max_length=400, description="The reason for which the run rejected it.")
    criterion: str = Field("", max_length=200, description="What the range of scores is of; empty: the whole score.")
    least: float | None = Field(None, description="Least score.")
    most: float | None = Field(None, description="Greatest score.")
    reviewed: Reviewed = Field("", description="What was decided about it: by oneself, or by anybody.")

    def unblinded(self) -> Filter:
        """The filter without what would tell the judge's opinion."""
        return self.model_copy(update={"verdict": "", "reason": "", "criterion": "", "least": None, "most": None})


class Columns:
    """What filters and orders go by, one value a sample.

    Args:
        rows: as of :meth:`datagen.review.index.Index.rows`.
        threshold: score from which a sample is kept.
    """

    def __init__(self, rows: Iterable[tuple[Any, ...]], threshold: float) -> None:
        table = list(rows)
        self.size = len(table)
        self.ids: list[str] = [row[0] for row in table]
        self.number: dict[str, int] = {name: n for n, name in enumerate(self.ids)}
        self.recipes, self.recipe = _coded(row[1] for row in table)
        self.documents, self.document = _coded(row[2] for row in table)
        self.splits, self.split = _coded(row[3] for row in table)
        self.reasons, self.reason = _coded(row[5] for row in table)
        self.kept: Mask = np.array([not row[4] for row in table], bool)
        self.score = _floats([row[6] for row in table])
        self.spread = _floats([row[7] for row in table])
        self.variance = _floats([row[8] for row in table])
        self.scores: dict[str, NDArray[np.float64]] = {}
        for n, row in enumerate(table):
            for name, value in json.loads(row[9]).items():
                if name not in self.scores:
                    self.scores[name] = np.full(self.size, np.nan)
                self.scores[name][n] = value
        self._distance = self._distances(threshold, table)

    def _distances(self, threshold: float, table: Sequence[tuple[Any, ...]]) -> NDArray[np.float64]:
        """How many of its own uncertainties a score lies away from the threshold; 0 where the judge could not be
        read, infinite where nothing was scored."""
        unsure = _WIDTH + np.sqrt(np.nan_to_num(self.variance)) + np.nan_to_num(self.spread) / 2
        distance = np.abs(self.score - threshold) / unsure
        distance[np.isnan(distance)] = np.inf
        distance[np.array([row[5] == "unscored" for row in table], bool)] = 0.0
        return np.asarray(distance, dtype=np.float64)

    def passing(self, wanted: Filter) -> Mask:
        """Which samples pass a filter, apart from its text and from what was decided."""
        mask = np.ones(self.size, bool)
        for value, names, codes in (
            (wanted.recipe, self.recipes, self.recipe),
            (wanted.split, self.splits, self.split),
            (wanted.reason, self.reasons, self.reason),
        ):
            if value:
                mask &= codes == (names.index(value) if value in names else -1)
        if wanted.document:
            part = wanted.document.casefold()
            fitting = np.array([part in name.casefold() for name in self.documents], bool)
            mask &= fitting[self.document]
        if wanted.verdict:
            mask &= self.kept == (wanted.verdict == "kept")
        if wanted.least is not None or wanted.most is not None:
            none = np.full(self.size, np.nan)
            scores = self.scores.get(wanted.criterion, none) if wanted.criterion else self.score
            with np.errstate(invalid="ignore"):
                mask &= scores >= (1.0 if wanted.least is None else wanted.least)
                mask &= scores <= (5.0 if wanted.most is None else wanted.most)
        return mask

    def ordered(self, mask: Mask, order: Order, seed: int, conflicts: Iterable[int] = ()) -> list[int]:
        """Numbers of the samples of a mask, in a queue's order.

        Args:
            order: ``uncertain`` (scores near the threshold and unsure ones first), ``disagreement`` (reviewers who
                disagree, then the panel's spread), ``random`` (by the seed), ``document`` (as they stand).
            conflicts: numbers of the samples about which reviewers disagree.
        """
        chosen = np.flatnonzero(mask)
        if order == "random":
            ranks = np.random.default_rng(seed).permutation(self.size)
            return _listed(chosen[np.argsort(ranks[chosen], kind="stable")])
        if order == "document":
            return _listed(chosen[np.argsort(self.document[chosen], kind="stable")])
        distance = self._distance[chosen]
        if order == "uncertain":
            return _listed(chosen[np.argsort(distance, kind="stable")])
        apart = np.zeros(self.size)
        apart[list(conflicts)] = 1
        spread = np.nan_to_num(self.spread)[chosen]
        return _listed(chosen[np.lexsort((distance, -spread, -apart[chosen]))])

    def facets(self) -> dict[str, Any]:
        """The values that a filter may have, with how many samples have each."""
        return {
            "recipes": _counted(self.recipes, self.recipe),
            "documents": _counted(self.documents, self.document),
            "splits": _counted(self.splits, self.split),
            "reasons": [pair for pair in _counted(self.reasons, self.reason) if pair[0]],
            "kept": int(self.kept.sum()),
            "criteria": sorted(self.scores),
        }


def _coded(values: Iterable[str]) -> tuple[list[str], NDArray[np.int32]]:
    known: dict[str, int] = {}
    codes = np.array([known.setdefault(value, len(known)) for value in values], np.int32)
    return list(known), codes


def _floats(values: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _counted(names: Sequence[str], codes: NDArray[np.int32]) -> list[tuple[str, int]]:
    counts = np.bincount(codes, minlength=len(names))
    return sorted(zip(names, counts.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))


def decided(
    mask: Mask, wanted: Reviewed, mine: Mapping[int, str], anybody: Iterable[int], apart: Iterable[int]
) -> Mask:
    """Narrow a mask by what was decided.

    Args:
        mine: number → the reviewer's own decision, where there is one.
        anybody: numbers that anybody decided about.
        apart: numbers about which reviewers disagree.
    """
    if not wanted:
        return mask
    if wanted in ("open", "mine"):
        chosen = set(mine)
    elif wanted in ("nobody", "anybody"):
        chosen = set(anybody)
    elif wanted == "conflict":
        chosen = set(apart)
    else:
        chosen = {n for n, decision in mine.items() if decision == wanted}
    inside = np.zeros(len(mask), bool)
    inside[list(chosen)] = True
    return mask & (~inside if wanted in ("open", "nobody") else inside)


def _listed(numbers: NDArray[np.int64]) -> list[int]:
    plain: list[int] = numbers.tolist()
    return plain
