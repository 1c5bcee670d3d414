"""The last decision: which scored samples are kept. No model is asked, so a new threshold is free."""

from __future__ import annotations

from typing import Any

from datagen.core.hashing import fraction
from datagen.core.record import AnyRecord, Sample, Verdict
from datagen.core.stage import Fold, Shard

SEEDS = 2  # model-written instructions among the examples of Self-Instruct (Wang et al. 2022, section 2.2)
MOST_OF_CHUNK, MOST_OF_RECIPE = 8, 500
MAX_TOLD = 500  # characters of an instruction


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
    """As :class:`Select`, once everything has been seen; of what passes it keeps the ``target`` best.

    Best is the highest score, then the smallest id. While rounds go on it tells what passes so far.

    Memory: one (score, id) pair a passing sample, and up to 8 instructions a chunk.

    Args:
        threshold: as of :class:`Select`.
        target: samples to keep; 0: all that pass.
    """

    barrier = True

    def __init__(self, threshold: float | None, target: int = 0) -> None:
        super().__init__(threshold)
        self.target = target
        self.begin()

    def fingerprint(self) -> dict[str, Any]:
        """The threshold and the target."""
        return {**super().fingerprint(), "target": self.target}

    def begin(self) -> None:
        """Forget the last run."""
        self._ranked: list[tuple[float, str]] = []
        self._chosen: set[str] | None = None
        self._of_chunk: dict[str, list[str]] = {}
        self._of_recipe: dict[str, list[str]] = {}

    def see(self, shard: Shard) -> None:
        """Note the scores of what passes the threshold."""
        for record in shard:
            decided = self._decide(record)
            if isinstance(decided, Sample) and decided.verdict is None:
                self._ranked.append((-(decided.score or 0.0), decided.id))
                told = next((m.content for m in decided.messages if m.role == "user"), "")[:MAX_TOLD]
                _keep(self._of_chunk.setdefault(decided.lineage.chunk, []), told, MOST_OF_CHUNK)
                _keep(self._of_recipe.setdefault(decided.recipe, []), told, MOST_OF_RECIPE)

    @property
    def passing(self) -> int:
        """Samples that pass the threshold so far."""
        return len(self._ranked)

    def instructions(self, chunk: str) -> tuple[str, ...]:
        """The first instructions of passing samples made of a chunk, at most 8."""
        return tuple(self._of_chunk.get(chunk, ()))

    def seeds(self, recipe: str, key: str) -> tuple[str, ...]:
        """A few instructions of passing samples of a recipe, drawn by a key."""
        pool = self._of_recipe.get(recipe, [])
        begin = int(fraction([recipe, key]) * len(pool))
        return tuple(dict.fromkeys((pool[begin:] + pool[:begin])[:SEEDS]))

    def emit(self, shard: Shard) -> list[AnyRecord]:
        """The shard with verdicts on what is not among the best."""
        if not self.target:
            return super().emit(shard)
        if self._chosen is None:
            self._chosen = {name for _, name in sorted(self._ranked)[: self.target]}
        surplus = Verdict(stage="select", reason="over_target", evidence=f"the {self.target} best were asked for")
        out: list[AnyRecord] = []
        for record in super().emit(shard):
            if isinstance(record, Sample) and record.verdict is None and record.id not in self._chosen:
                record = record.model_copy(update={"verdict": surplus})
            out.append(record)
        return out


def _keep(kept: list[str], text: str, most: int) -> None:
    if text and len(kept) < most:
        kept.append(text)
