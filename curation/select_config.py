"""The configuration of the last decision, with its defaults."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from datagen.core.section import Section


class SelectConfig(Section):
    """Which of the samples that pass are kept, where there are more than were asked for."""

    strategy: Literal["score", "diverse", "balanced"] = Field(
        "score",
        description="score: the best; diverse: those that stand for most of what there is; balanced: as many of each "
        "task family and document.",
    )
    diversity: Literal["coverage", "distance"] = Field(
        "coverage",
        description="With diverse: coverage (facility location) or distance (each as far as can be from the others).",
    )
    score_weight: float = Field(
        0.5, ge=0, le=10, description="With diverse: what the highest score counts beside diversity."
    )
    shares: dict[str, Annotated[float, Field(ge=0)]] = Field(
        {},
        description="With balanced: weights of task families, and of recipes for samples without one; others 1.",
    )
    per_document: int = Field(0, ge=0, description="Most samples kept of one document; 0: any number.")
