"""From what judges said to a sample's scores. No model is asked here, so new weights and thresholds cost no call."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from curation.faithfulness_cap import cap
from curation.faithfulness_config import FaithfulnessConfig
from curation.judge_config import JudgeConfig
from curation.profiles import UNTOUCHED
from curation.rubric import Rubric
from curation.rubric_choice import Rubrics
from datagen.core.record import AnyRecord, Judged, Sample
from datagen.core.stage import Map, Shard


def weighted(scores: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """The weighted mean of scores. A criterion without a weight has 1; where all weights are 0, all count alike."""
    counts = {key: weights.get(key, 1.0) for key in scores}
    if not any(counts.values()):
        counts = dict.fromkeys(scores, 1.0)
    return math.fsum(scores[key] * weight for key, weight in counts.items()) / math.fsum(counts.values())


def mean_and_variance(values: Sequence[float]) -> tuple[float, float]:
    """The mean of one criterion's scores, and their (population) variance."""
    mean = math.fsum(values) / len(values)
    return mean, math.fsum((value - mean) ** 2 for value in values) / len(values)


def put_together(sample: Sample, judgements: Sequence[Judged], weights: Mapping[str, float]) -> Sample:
    """The sample with the scores of its judges: of each criterion the mean, of the weighted means the mean.

    Args:
        sample: as it is.
        judgements: at least one; their own weighted means are computed anew.
        weights: of the criteria.
    """
    judged = tuple(one.model_copy(update={"score": weighted(one.scores, weights)}) for one in judgements)
    totals = [one.score for one in judged]
    names = ", ".join(one.model for one in judged)
    said = [one.justification or "\n".join(f"{key}: {why}" for key, why in one.reasons.items()) for one in judged]
    alone = len(judged) == 1
    update: dict[str, Any] = {
        "judgements": judged,
        "scores": {key: math.fsum(one.scores[key] for one in judged) / len(judged) for key in judged[0].scores},
        "score": math.fsum(totals) / len(totals),
        "spread": None if alone else max(totals) - min(totals),
        "scored_by": f"judge:{names}",
        "justification": "\n".join(said if alone else _each(judged, said)),
    }
    return sample.model_copy(update=update)


def _each(judgements: Sequence[Judged], said: Sequence[str]) -> list[str]:
    return [f"{one.model}: {why}" for one, why in zip(judgements, said, strict=True)]


def weights_of(config: JudgeConfig, folder: str = "") -> dict[str, dict[str, float]]:
    """Rubric → criterion → weight, of the rubrics that are in use, with those of the configuration."""
    return {rubric.name: rubric.weights(config.weights) for rubric in Rubrics(folder, config.rubric).used}


def thresholds_of(config: JudgeConfig, folder: str = "") -> dict[str, float]:
    """Rubric → threshold, for the rubrics in use that state one of their own."""
    used: Sequence[Rubric] = Rubrics(folder, config.rubric).used
    return {rubric.name: rubric.threshold for rubric in used if rubric.threshold is not None}


def rubric_of(sample: Sample) -> str:
    """The name of the rubric that a sample was judged by, "" for none."""
    return sample.rubric.rpartition("@")[0]


class Weigh(Map):
    """Computes scores anew from what the judges said, by the weights of now.

    The stage after the judge, whose fingerprint leaves weights out: with others it is this one that is done again.

    Args:
        config: the judge's.
        folder: the user's prompt folder, or "".
    """

    name = "weigh"
    version = 1
    produces = "sample"

    def __init__(self, config: JudgeConfig, folder: str = "") -> None:
        self.weights = weights_of(config, folder)
        self.faithfulness = config.faithfulness

    def fingerprint(self) -> dict[str, Any]:
        """The weights. No sample that comes here has a faithfulness in a run, so the cap shapes nothing."""
        return {"weights": self.weights}

    def run(self, shard: Shard) -> list[AnyRecord]:
        """The shard with new means; what no judge scored is left as it is."""
        return [self._weighed(record) for record in shard]

    def _weighed(self, record: AnyRecord) -> AnyRecord:
        if not isinstance(record, Sample) or record.verdict is not None or not record.judgements:
            return record
        if record.recipe in UNTOUCHED:
            return record
        return reweighed(record, self.weights.get(rubric_of(record), {}), self.faithfulness)


def reweighed(sample: Sample, weights: Mapping[str, float], faithfulness: FaithfulnessConfig | None = None) -> Sample:
    """A judged sample with its means by other weights; scores, reasons and everything else stay.

    Args:
        sample: judged. Where its claims were looked at already, the cap for low faithfulness holds for the new means
            as it did for the old ones.
        weights: of the criteria.
        faithfulness: the cap; None: by its defaults.
    """
    new = put_together(sample, sample.judgements, weights)
    found = sample.model_copy(update={"judgements": new.judgements, "score": new.score, "spread": new.spread})
    return cap(found, new.score, faithfulness or FaithfulnessConfig())
