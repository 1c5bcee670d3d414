"""The last decision: which scored samples are kept. No model is asked, so a new threshold is free."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from curation.choose import Choice, Pool
from curation.faithfulness_cap import why_capped
from curation.profiles import UNTOUCHED
from curation.select_config import SelectConfig
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
        why = why_capped(sample) or f"lowest: {worst} {sample.scores.get(worst, 0):g}"
        evidence = f"mean {sample.score:.2f} is under {threshold:g}; {why}"
        return Verdict(stage="select", reason="low_score", evidence=evidence)
    return None


class Select(Fold):
    """Rejects what scores under the threshold.

    Args:
        threshold: least mean score, or None to keep what was not scored at all.
        by_rubric: least mean scores of samples that were judged by certain rubrics, by the rubric's name.
    """

    name = "select"
    version = 1

    def __init__(self, threshold: float | None, by_rubric: Mapping[str, float] = MappingProxyType({})) -> None:
        self.threshold = threshold
        self.by_rubric = dict(by_rubric)

    def fingerprint(self) -> dict[str, Any]:
        """The thresholds."""
        return {"threshold": self.threshold, **({"by_rubric": self.by_rubric} if self.by_rubric else {})}

    def emit(self, shard: Shard) -> list[AnyRecord]:
        """The shard with verdicts on what is not kept."""
        return [self._decide(record) for record in shard]

    def _decide(self, record: AnyRecord) -> AnyRecord:
        if not isinstance(record, Sample) or record.verdict is not None or self.threshold is None:
            return record
        if record.recipe in UNTOUCHED:
            return record
        verdict = below(record, self.by_rubric.get(record.rubric.rpartition("@")[0], self.threshold))
        return record.model_copy(update={"verdict": verdict}) if verdict else record


class SelectBest(Select):
    """As :class:`Select`, once everything has been seen; of what passes it keeps ``target`` samples.

    Which ones the configuration says; by default those of the highest score, then of the smallest id. While rounds go
    on it tells what passes so far.

    Memory: some 100 bytes a passing sample, with ``remember`` up to 8 instructions a chunk. With ``diverse`` also the
    vectors, half a megabyte for each thousand, while the choice is made; until then they lie in a temporary file.

    Args:
        threshold, by_rubric: as of :class:`Select`.
        target: samples to keep; 0: all that pass.
        config: see :class:`~curation.select_config.SelectConfig`.
        remember: instructions of what passes, for rounds to come.
    """

    barrier = True

    def __init__(
        self,
        threshold: float | None,
        target: int = 0,
        config: SelectConfig = SelectConfig(),
        *,
        remember: bool = False,
        by_rubric: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        super().__init__(threshold, by_rubric)
        self.asks_again = remember
        self.target = target
        self.config = config
        self.remember = remember
        self.begin()

    def fingerprint(self) -> dict[str, Any]:
        """The thresholds, the target and the configuration."""
        return {**super().fingerprint(), "target": self.target, "select": self.config.model_dump(mode="json")}

    def begin(self) -> None:
        """Forget the last run."""
        self._pool = Pool(self.config)
        self._chosen: Choice | None = None
        self._of_chunk: dict[str, list[str]] = {}
        self._of_recipe: dict[str, list[str]] = {}

    def see(self, shard: Shard) -> None:
        """Note what passes the threshold."""
        for record in shard:
            decided = self._decide(record)
            if isinstance(decided, Sample) and decided.verdict is None and decided.recipe not in UNTOUCHED:
                self._pool.add(decided)
                if not self.remember:
                    continue
                told = next((m.content for m in decided.messages if m.role == "user"), "")[:MAX_TOLD]
                _keep(self._of_chunk.setdefault(decided.lineage.chunk, []), told, MOST_OF_CHUNK)
                _keep(self._of_recipe.setdefault(decided.recipe, []), told, MOST_OF_RECIPE)

    @property
    def passing(self) -> int:
        """Samples that pass the threshold so far, of each document no more than may be kept."""
        return self._pool.eligible

    def instructions(self, chunk: str) -> tuple[str, ...]:
        """The first instructions of passing samples made of a chunk, at most 8."""
        return tuple(self._of_chunk.get(chunk, ()))

    def seeds(self, recipe: str, key: str) -> tuple[str, ...]:
        """A few instructions of passing samples of a recipe, drawn by a key."""
        pool = self._of_recipe.get(recipe, [])
        begin = int(fraction([recipe, key]) * len(pool))
        return tuple(dict.fromkeys((pool[begin:] + pool[:begin])[:SEEDS]))

    def emit(self, shard: Shard) -> list[AnyRecord]:
        """The shard with verdicts on what is not chosen, and without vectors."""
        if self._chosen is None:
            self._chosen = self._pool.choose(self.target)
        out: list[AnyRecord] = []
        for record in super().emit(shard):
            update: dict[str, Any] = {}
            if isinstance(record, Sample):
                if record.vector is not None:
                    update["vector"] = None
                if record.verdict is None and record.recipe not in UNTOUCHED:
                    told = self._chosen.told(record)
                    if told is not None:
                        update["verdict"] = Verdict(stage=self.name, reason=told[0], evidence=told[1])
            out.append(record.model_copy(update=update) if update else record)
        return out


def _keep(kept: list[str], text: str, most: int) -> None:
    if text and len(kept) < most:
        kept.append(text)
