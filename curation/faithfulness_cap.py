"""The highest score that an unfaithful sample may have. No model is asked here, so another cap costs no call."""

from __future__ import annotations

import statistics

from curation.faithfulness_config import FaithfulnessConfig
from datagen.core.record import Audit, Sample

STAGE = "faithfulness"
CAPPED = "capped"  # kind of audit


def capped(score: float, faithfulness: float | None, config: FaithfulnessConfig) -> float:
    """The score that a sample may have at most, given its faithfulness. Undetermined caps nothing."""
    if faithfulness is None or faithfulness >= config.below:
        return score
    return min(score, config.cap)


def is_capped(sample: Sample) -> bool:
    """Was the sample's score brought down for its faithfulness?"""
    return any(_says_so(a) for a in sample.audits)


def uncapped(sample: Sample) -> float | None:
    """The score before it was brought down: the mean of the judges' scores, or of the criteria where none is kept."""
    kept = [j.score for j in sample.judgements] or list(sample.scores.values())
    return statistics.fmean(kept) if kept and is_capped(sample) else sample.score


def cap(sample: Sample, before: float | None, config: FaithfulnessConfig) -> Sample:
    """The sample with the score that its faithfulness allows, and the finding that says so.

    Args:
        sample: with its faithfulness, if that was looked at.
        before: the score without any cap.
        config: the cap, and from where on it holds.
    """
    score = None if before is None else capped(before, sample.faithfulness, config)
    audits = tuple(a for a in sample.audits if not _says_so(a))
    if score != before:
        told = f"{before or 0:.2f} to {score or 0:.2f}"
        audits += (Audit(stage=STAGE, kind=CAPPED, action="none", count=1, example=told),)
    return sample.model_copy(update={"score": score, "audits": audits})


def why_capped(sample: Sample) -> str:
    """Why the score is lower than the judge's, in words; "" where it is not."""
    before = uncapped(sample)
    if not is_capped(sample) or before is None:
        return ""
    supported = sum(claim.supported for claim in sample.claims)
    return (
        f"the judge's {before:.2f} is capped for faithfulness: the source supports {supported:,} of "
        f"{len(sample.claims):,} claims"
    )


def _says_so(audit: Audit) -> bool:
    return audit.stage == STAGE and audit.kind == CAPPED
