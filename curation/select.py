"""The last decision: which scored samples are kept. No model is asked, so a new threshold is free."""

from __future__ import annotations

from typing import Any

from datagen.core.record import AnyRecord, Sample, Verdict
from datagen.core.stage import Fold, Shard


def below(sample: Sample, threshold: float) -> Verdict | None:
    """A verdict for a sample whose mean score is under the threshold, or that has no score."""
    if sample.score is None:
        return Verdict(stage="select", reason="unscored", evidence="no score was given")
    if sample.score < threshold:
        worst = min(sample.scores, key=lambda c: (sample.scores[c], c)) if sample.scores else "score"
        evidence = f"mean {sample.score:.2f} is under {threshold:g}; lowest: {worst} {sample.scores.get(worst, 0):g}"
        return Verdict(stage="select", reason="low_score", evidence=evidence)
    return None


class Select(Fold):
    """Rejects what scores under the threshold.

    Args:
        threshold: least mean score, or None to keep what was not scored at all.
    """

    name = "select"
    version = 1

    def __init__(self, threshold: float | None) -> None:
        self.threshold = threshold

    def fingerprint(self) -> dict[str, Any]:
        """The threshold."""
        return {"threshold": self.threshold}

    def emit(self, shard: Shard) -> list[AnyRecord]:
        """The shard with verdicts on what is not kept."""
        return [self._decide(record) for record in shard]

    def _decide(self, record: AnyRecord) -> AnyRecord:
        if not isinstance(record, Sample) or record.verdict is not None or self.threshold is None:
            return record
        verdict = below(record, self.threshold)
        return record.model_copy(update={"verdict": verdict}) if verdict else record


class SelectBest(Select):
    """As :class:`Select`, and of what passes keeps the ``target`` best: highest score, then id.

    Memory: one (score, id) pair a sample.
    """

    barrier = True

    def __init__(self, threshold: float | None, target: int) -> None:
        super().__init__(threshold)
        self.target = target
        self._ranked: list[tuple[float, str]] = []
        self._chosen: set[str] | None = None

    def fingerprint(self) -> dict[str, Any]:
        """The threshold and the target."""
        return {**super().fingerprint(), "target": self.target}

    def begin(self) -> None:
        """Forget the last run."""
        self._ranked, self._chosen = [], None

    def see(self, shard: Shard) -> None:
        """Note the scores of what passes the threshold."""
        for record in shard:
            decided = self._decide(record)
            if isinstance(decided, Sample) and decided.verdict is None:
                self._ranked.append((-(decided.score or 0.0), decided.id))

    def emit(self, shard: Shard) -> list[AnyRecord]:
        """The shard with verdicts on what is not among the best."""
        if self._chosen is None:
            self._chosen = {name for _, name in sorted(self._ranked)[: self.target]}
        surplus = Verdict(stage="select", reason="over_target", evidence=f"the {self.target} best were asked for")
        out: list[AnyRecord] = []
        for record in super().emit(shard):
            if isinstance(record, Sample) and record.verdict is None and record.id not in self._chosen:
                record = record.model_copy(update={"verdict": surplus})
            out.append(record)
        return out
