"""The configuration of the judge, with its defaults."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from curation.drift_config import DriftConfig
from curation.faithfulness_config import FaithfulnessConfig
from curation.pairwise_config import CheckOrderConfig
from datagen.core.section import Section


class Panelist(Section):
    """A further judge: another model, at the same endpoint or another."""

    model: str = Field("", description="Its name; empty: the only model of its endpoint.")
    base_url: str = Field("", description="Its endpoint; empty takes the judge's.")
    api_key_env: str = Field("", description="Variable with its key; empty: the judge's, or none at another URL.")


class JudgeConfig(Section):
    """Who scores samples, by which rubric, how, and the score a sample must have."""

    enabled: bool = Field(True, description="False keeps every sample that passed the other stages, unscored.")
    model: str = Field("", description="Judge model; empty takes the generator's.")
    base_url: str = Field("", description="Endpoint of the judge; empty takes the generator's.")
    api_key_env: str = Field("", description="Variable with its key; empty: the generator's, or none at another URL.")
    panel: tuple[Panelist, ...] = Field((), description="Further judges; a sample's score is the mean of all of them.")
    rubric: str = Field("", description="Name or file of the rubric for every sample; empty: each by its kind.")
    examples: str = Field("", description="JSONL file of an author's texts, for a rubric that compares with them.")
    weights: dict[str, Annotated[float, Field(ge=0, le=1000)]] = Field(
        {}, description="Weights of criteria, stronger than the rubric's. A change asks nothing again."
    )
    threshold: float = Field(
        4.0, ge=1, le=5, description="Least weighted mean score of a kept sample, where its rubric states none."
    )
    calls: Literal["all", "each"] = Field("all", description="One call for all criteria, or one for each criterion.")
    order: Literal["explain_first", "score_first"] = Field(
        "explain_first", description="Whether the judge gives its reasons before the scores or after them."
    )
    score_mode: Literal["auto", "integer", "expected", "mean"] = Field(
        "auto",
        description="integer: as written; expected: weighted by the probabilities of the five scores; mean: of several "
        "replies; auto: expected where the endpoint gives log-probabilities, else integer.",
    )
    samples: int = Field(3, ge=2, le=100, description="Replies that are averaged with score_mode mean.")
    least_mass: float = Field(
        0.5, ge=0, le=1, description="Probability that must fall on the five scores for an expected score."
    )
    temperature: float = Field(0.0, ge=0, le=2, description="Sampling temperature of the judge.")
    max_tokens: int = Field(600, ge=16, description="Longest judgement, in tokens.")

    strict: bool = Field(False, description="Refuse a judge of the generator's own family of models.")
    faithfulness: FaithfulnessConfig = FaithfulnessConfig()
    swap: CheckOrderConfig = CheckOrderConfig()
    drift: DriftConfig = DriftConfig()

    @model_validator(mode="after")
    def _mean_of_different_replies(self) -> Self:
        if self.score_mode == "mean" and self.temperature == 0:
            raise ValueError("score_mode mean needs a temperature above 0: at 0 all replies are the same")
        return self
