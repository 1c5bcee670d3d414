"""The configuration of the comparison of two replies, with its defaults."""

from __future__ import annotations

from pydantic import Field

from datagen.core.section import Section


class PairwiseConfig(Section):
    """Which of two replies is better? The judge's model is asked in both orders."""

    margin: float = Field(
        0.5, gt=0, le=1, description="Mean preference from which one reply wins; 0.5 is better in both orders."
    )
    max_text: int = Field(12_000, ge=100, description="Characters of each reply and of the request that are shown.")
    max_source: int = Field(24_000, ge=100, description="Characters of a source that are shown.")
    temperature: float = Field(0.0, ge=0, le=2, description="Sampling temperature.")
    max_tokens: int = Field(500, ge=16, description="Longest answer, in tokens.")


class CheckOrderConfig(PairwiseConfig):
    """Does the judge prefer the same reply when the two change places? Asked of some preference pairs; rejects none."""

    share: float = Field(
        0.1, ge=0, le=1, description="Share of the pairs that are compared, with two calls each; 1: all, 0: none."
    )
