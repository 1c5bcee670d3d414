"""A judge's known biases, measured in every run: length, order, family, drift, and a judge that likes everything.

Sources: Zheng et al., "Judging LLM-as-a-judge with MT-Bench and Chatbot Arena" (2023), for position, verbosity and
self-preference; Dubois et al., "Length-controlled AlpacaEval" (2024), for length; Bonett and Wright, "Sample size
requirements for estimating Pearson, Kendall and Spearman correlations" (2000), for the interval of Spearman's.
"""

from __future__ import annotations

import heapq
import math
import random
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from curation.agreement import midranks, spearman, whole
from curation.calibrate_bootstrap import Figure, Floats
from curation.calibrate_families import families_of as families_of
from curation.calibrate_families import family_of as family_of
from curation.calibrate_families import same_family as same_family
from curation.calibrate_findings import (
    LEAST,
    SEVERITIES,
    Finding,
    Severity,
    entropy,
    on_families,
    on_length,
    on_recipes,
    on_spread,
    on_unscored,
)
from curation.calibrate_order import Drift as Drift
from curation.calibrate_order import Order as Order
from curation.calibrate_order import drift as drift
from curation.calibrate_order import on_drift, on_order
from curation.calibrate_order import order_agreement as order_agreement
from curation.calibrate_threshold import share
from curation.pairwise_stage import noted
from curation.profiles import UNTOUCHED
from datagen.core.hashing import fraction
from datagen.core.record import Sample

JUDGE = "judge:"
UNSCORED = "unscored"
MOST_ROWS = 200_000
"""Samples whose length and score are held, 3.4 MB; of more, a seeded choice in which each has the same chance."""
_MOST_NAMES = 1_000  # recipes and pairs of models that are told apart; beyond, they count together
_OTHER = "(others)"


@dataclass(frozen=True, slots=True)
class BiasReport:
    """What is known about a judge without asking people.

    Attributes:
        scored, unscored: samples with a judge's score, and with a judgement that could not be read.
        findings: one a figure, in a fixed order.
        recipes: recipe → samples, mean score and share at the top score.
        levels: whole score → samples.
    """

    scored: int
    unscored: int
    findings: tuple[Finding, ...]
    recipes: dict[str, dict[str, float]]
    levels: dict[int, int]

    @property
    def severity(self) -> Severity:
        """The gravest of all findings'."""
        return max((f.severity for f in self.findings), key=SEVERITIES.index, default="none")

    @property
    def sentences(self) -> list[str]:
        """Findings in words, the gravest first."""
        ordered = sorted(self.findings, key=lambda f: -SEVERITIES.index(f.severity))
        return [f"{f.sentence} {f.advice}".strip() for f in ordered]

    def finding(self, name: str) -> Finding | None:
        """The finding of that name."""
        return next((f for f in self.findings if f.name == name), None)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: finite numbers, None for what is undefined."""
        recipes = {name: {k: round(v, 6) for k, v in found.items()} for name, found in self.recipes.items()}
        return {
            "scored": self.scored,
            "unscored": self.unscored,
            "severity": self.severity,
            "findings": [finding.as_dict() for finding in self.findings],
            "recipes": recipes,
            "levels": {str(level): count for level, count in sorted(self.levels.items())},
        }


class BiasTally:
    """Takes in samples one by one, in bounded memory, and gives the report.

    Samples without a model's score (gold, heuristic, rejected before the judge) are passed over.
    """

    def __init__(self) -> None:
        self._random = random.Random(0)
        self._scores, self._answers, self._wholes = array("d"), array("d"), array("d")
        self._recipe_of = array("H")
        self._recipes: dict[str, int] = {}
        self._sums: dict[str, list[float]] = {}
        self._levels: Counter[int] = Counter()
        self._pairs: Counter[tuple[str, str]] = Counter()
        self._orders: list[tuple[float, float]] = []
        self._scored = self._unscored = 0

    def add(self, sample: Sample) -> None:
        """Count one sample."""
        if sample.recipe in UNTOUCHED:
            return
        if sample.rejected is not None and sample.rejected.checks and len(self._orders) < MOST_ROWS:
            self._orders += noted([sample])
        if sample.verdict is not None and sample.verdict.reason == UNSCORED:
            self._unscored += 1
            return
        judges = [judged.model for judged in sample.judgements]
        if not judges and sample.scored_by.startswith(JUDGE):
            judges = [sample.scored_by.removeprefix(JUDGE)]
        if sample.score is None or not math.isfinite(sample.score) or not judges:
            return
        self._scored += 1
        for judge in dict.fromkeys(judges if _is_model(sample.lineage.model) else ()):
            pair = (sample.lineage.model, judge)
            self._pairs[pair if pair in self._pairs or len(self._pairs) < _MOST_NAMES else ("", "")] += 1
        level = min(5, max(1, math.floor(sample.score + 0.5)))
        self._levels[level] += 1
        recipe = sample.recipe if sample.recipe in self._sums or len(self._sums) < _MOST_NAMES else _OTHER
        sums = self._sums.setdefault(recipe, [0, 0.0, 0])
        sums[0] += 1
        sums[1] += sample.score
        sums[2] += level == 5
        answer = len(sample.messages[-1].content) if sample.messages else 0
        self._hold(sample.score, answer, sum(len(m.content) for m in sample.messages), recipe)

    def finish(self, *, order: Order | None = None, drifted: Drift | None = None) -> BiasReport:
        """The report over all that was taken in.

        Args:
            order: agreement under order swap; None: of the comparisons that are noted in preference pairs.
            drifted: two judgings of the same samples, where that was done.
        """
        if order is None and self._orders:
            order = order_agreement(self._orders)
        if not self._scored and not self._unscored:
            none = Finding(
                "judge",
                Figure(None),
                0,
                "none",
                "No model judged these samples, so a judge's biases can't be measured.",
            )
            return BiasReport(0, 0, (none, *([on_order(order)] if order is not None else [])), {}, {})
        scores = np.array(self._scores, dtype=np.float64)
        groups = np.array(self._recipe_of, dtype=np.uint16)
        findings = [
            on_families(self._pairs),
            on_unscored(self._unscored, self._scored),
            self._on_length("length_answer", "the length of the answer", scores, self._answers, groups),
            self._on_length("length_whole", "the length of the whole sample", scores, self._wholes, groups),
            *on_spread(self._levels),
            on_recipes({name: (int(n), total / n) for name, (n, total, _) in self._sums.items()}),
            *([on_order(order)] if order is not None else []),
            *([on_drift(drifted)] if drifted is not None else []),
        ]
        recipes = {
            name: {"samples": n, "mean": total / n, "top_share": top / n}
            for name, (n, total, top) in sorted(self._sums.items())
        }
        return BiasReport(self._scored, self._unscored, tuple(findings), recipes, dict(sorted(self._levels.items())))

    def _hold(self, score: float, answer: int, length: int, recipe: str) -> None:
        """Keep a row; once full, in the place of another (Vitter, "Random sampling with a reservoir", 1985)."""
        code = self._recipes.setdefault(recipe, len(self._recipes))
        row = (score, math.log(1 + answer), math.log(1 + length), code)
        columns: Sequence[array[Any]] = (self._scores, self._answers, self._wholes, self._recipe_of)
        if len(self._scores) < MOST_ROWS:
            for column, value in zip(columns, row, strict=True):
                column.append(value)
        elif (place := self._random.randrange(self._scored)) < MOST_ROWS:
            for column, value in zip(columns, row, strict=True):
                column[place] = value

    def _on_length(self, name: str, what: str, scores: Floats, held: array[float], groups: Any) -> Finding:
        lengths = np.array(held, dtype=np.float64)
        figure = with_interval(spearman(scores, lengths), len(scores))
        graded = figure
        if len(np.unique(groups)) > 1:
            graded = with_interval(within(scores, lengths, groups), len(scores))
        return on_length(name, what, figure, graded, self._scored, _per_doubling(scores, lengths))


def bias_report(samples: Iterable[Sample], *, order: Order | None = None, drifted: Drift | None = None) -> BiasReport:
    """The biases of the judge that scored these samples, in one pass and bounded memory.

    Args:
        samples: kept and rejected; those without a model's score are passed over.
        order: from :func:`order_agreement`; None: of the comparisons that are noted in preference pairs.
        drifted: from :func:`drift`, where a sample of them was judged again.
    """
    tally = BiasTally()
    for sample in samples:
        tally.add(sample)
    return tally.finish(order=order, drifted=drifted)


def drift_sample(ids: Iterable[str], count: int = 100, seed: int = 0) -> list[str]:
    """A fixed choice of ids to judge a second time: those with the smallest hashes, whatever their order.

    Ids that are added later change the choice only where their own hash is among the smallest.
    """
    return heapq.nsmallest(count, set(ids), key=lambda name: (fraction([seed, name]), name))


def length_bias(scores: Sequence[float], lengths: Sequence[float]) -> Figure:
    """Spearman's rank correlation of scores with (the logarithm of) lengths, with its 95 % interval."""
    return with_interval(spearman(scores, lengths), len(scores))


def within(scores: Floats, lengths: Floats, groups: Any) -> float | None:
    """Spearman's rank correlation with groups held fixed: ranks are taken inside each group, as shares of its size."""
    first, second = np.zeros(len(scores)), np.zeros(len(scores))
    for group in np.unique(groups):
        at = np.flatnonzero(groups == group)
        first[at], second[at] = midranks(scores[at]) / len(at), midranks(lengths[at]) / len(at)
    spread = math.sqrt(float(first @ first)) * math.sqrt(float(second @ second))
    return max(-1.0, min(1.0, float(first @ second) / spread)) if spread > 0 else None


def with_interval(correlation: float | None, rows: int) -> Figure:
    """A rank correlation with Bonett and Wright's interval; none under five rows."""
    if correlation is None or rows < 5:
        return Figure(correlation)
    inside = min(1 - 1e-12, max(-1 + 1e-12, correlation))
    half = 1.959964 * math.sqrt((1 + inside * inside / 2) / (rows - 3))
    return Figure(correlation, math.tanh(math.atanh(inside) - half), math.tanh(math.atanh(inside) + half))


def _is_model(name: str) -> bool:
    """Is it a model's name, and not the "none (…)" of what rules or people wrote?"""
    return bool(name) and not name.startswith("none")


def _per_doubling(scores: Floats, lengths: Floats) -> float | None:
    """Slope of the scores on the binary logarithm of the lengths, by least squares."""
    if len(scores) < LEAST or np.ptp(lengths) == 0:
        return None
    apart = lengths - lengths.mean()
    return float(apart @ (scores - scores.mean()) / (apart @ apart) * math.log(2))


def score_spread(scores: Sequence[float]) -> tuple[Figure, float | None]:
    """Share of the scores that are the top one when rounded, and the entropy of the whole scores in bits."""
    levels = Counter(int(level) for level in whole(scores))
    return share(levels[5], len(scores)), entropy(levels)
