"""What a report says of the scores: how they came to be, and how they differ by recipe and by document."""

from __future__ import annotations

from collections import Counter
from typing import Any

from datagen.core.record import Sample

LOWEST = 20
"""Documents that are listed by score, the lowest first."""
_FEW = 3  # scored samples under which a document's mean says little
_MODES = {
    "integer": "an integer, as the judge wrote it",
    "expected": "expected from the probabilities of the five scores",
    "mean": "mean of several replies",
}


class _Sum:
    """Scores of a group: how many, their sum, by half points, and how many samples were kept."""

    __slots__ = ("bins", "kept", "made", "scored", "total")

    def __init__(self) -> None:
        self.made = self.kept = self.scored = 0
        self.total = 0.0
        self.bins = [0] * 9

    def add(self, sample: Sample) -> None:
        self.made += 1
        self.kept += sample.verdict is None
        if sample.score is not None:
            self.scored += 1
            self.total += sample.score
            self.bins[min(max(round(2 * sample.score) - 2, 0), 8)] += 1

    @property
    def mean(self) -> float | None:
        return round(self.total / self.scored, 3) if self.scored else None


class Judging:
    """Feed it with the samples after the last stage, then :meth:`finish`. Memory: a few numbers a document."""

    def __init__(self) -> None:
        self._modes: Counter[str] = Counter()
        self._rubrics: Counter[str] = Counter()
        self._judges: Counter[str] = Counter()
        self._unscored = self._panels = self._looked = self._undetermined = 0
        self._spread = 0.0
        self._disagree = 0
        self._claims = self._supported = 0
        self._faithful: Counter[int] = Counter()
        self._recipes: dict[str, _Sum] = {}
        self._documents: dict[str, _Sum] = {}

    def sample(self, sample: Sample) -> None:
        """A sample after the last stage."""
        self._unscored += sample.verdict is not None and sample.verdict.reason == "unscored"
        self._recipes.setdefault(sample.recipe, _Sum()).add(sample)
        self._documents.setdefault(sample.lineage.path, _Sum()).add(sample)
        if sample.rubric and sample.score is not None:
            self._rubrics[sample.rubric] += 1
        for judged in sample.judgements:
            self._modes[judged.mode] += 1
            self._judges[judged.model] += 1
        if sample.spread is not None:
            self._panels += 1
            self._spread += sample.spread
            self._disagree += sample.spread >= 1
        if sample.faithfulness is not None:
            self._looked += 1
            self._faithful[min(int(10 * sample.faithfulness), 10)] += 1
            self._claims += len(sample.claims)
            self._supported += sum(claim.supported for claim in sample.claims)
        elif any(audit.kind == "undetermined" for audit in sample.audits):
            self._undetermined += 1

    def finish(self) -> dict[str, Any]:
        """The figures as plain values.

        Returns:
            ``unscored``; ``modes``, ``rubrics``, ``judges`` with counts; ``panel``: None or ``samples``,
            ``mean_spread`` and ``disagree`` (a spread of a point or more); ``faithfulness``: None or ``samples``,
            ``claims``, ``supported``, ``undetermined`` (samples) and ``tenths`` (tenth → samples); ``recipes`` and
            ``documents``: ``[{"name", "made", "kept", "scored", "mean", "bins"}]``, with bins of half a point from 1
            to 5, documents the lowest mean first; ``documents_scored``: how many there are of these.
        """
        ranked = sorted(
            (name for name, found in self._documents.items() if found.scored >= _FEW),
            key=lambda name: (self._documents[name].mean or 0.0, name),
        )
        return {
            "unscored": self._unscored,
            "modes": [{"mode": _MODES.get(m, m), "count": n} for m, n in sorted(self._modes.items())],
            "rubrics": dict(sorted(self._rubrics.items())),
            "judges": dict(sorted(self._judges.items())),
            "panel": {
                "samples": self._panels,
                "mean_spread": round(self._spread / self._panels, 3),
                "disagree": self._disagree,
            }
            if self._panels
            else None,
            "faithfulness": {
                "samples": self._looked,
                "claims": self._claims,
                "supported": self._supported,
                "undetermined": self._undetermined,
                "tenths": {f"{tenth / 10:g}": n for tenth, n in sorted(self._faithful.items())},
            }
            if self._looked or self._undetermined
            else None,
            "recipes": [self._row(name, self._recipes[name]) for name in sorted(self._recipes)],
            "documents": [self._row(name, self._documents[name]) for name in ranked[:LOWEST]],
            "documents_scored": len(ranked),
        }

    @staticmethod
    def _row(name: str, found: _Sum) -> dict[str, Any]:
        return {
            "name": name,
            "made": found.made,
            "kept": found.kept,
            "scored": found.scored,
            "mean": found.mean,
            "bins": found.bins,
        }
