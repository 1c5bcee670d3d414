"""The configuration of the check of faithfulness, with its defaults."""

from __future__ import annotations

from pydantic import Field

from datagen.core.section import Section


class FaithfulnessConfig(Section):
    """Are the statements of a reply in its source? Asks the judge's model once a sample, and looks its quotes up."""

    enabled: bool = Field(False, description="Look at it, with one more call of the judge's model for each sample.")
    below: float = Field(0.8, ge=0, le=1, description="Share of supported claims under which a score is capped.")
    cap: float = Field(3.0, ge=1, le=5, description="Highest score of a sample under `below`.")
    max_claims: int = Field(20, ge=1, le=200, description="Claims of one reply that are looked at.")
    max_reply: int = Field(12_000, ge=100, description="Characters of a reply that are shown to the judge.")
    max_source: int = Field(24_000, ge=100, description="Characters of a source that are shown to the judge.")
    temperature: float = Field(0.0, ge=0, le=2, description="Sampling temperature.")
    max_tokens: int = Field(2_000, ge=64, description="Longest list of claims, in tokens.")
