"""The configuration of the toxicity stage, with its defaults."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from datagen.core.section import Section


class ToxicityConfig(Section):
    """Hate against protected groups, and profanity, each acted on for itself."""

    enabled: bool = Field(True, description="Look for hateful and profane texts.")
    action: Literal["reject", "audit"] = Field(
        "reject", description="reject: over a threshold is out; audit: all stay, what is found is counted."
    )
    where: tuple[Literal["chunks", "samples"], ...] = Field(
        ("chunks", "samples"), description="Which records are looked at."
    )
    derogation: float = Field(0.5, ge=0, le=1, description="Score from which derogation of a group is rejected.")
    dehumanisation: float = Field(0.5, ge=0, le=1, description="The same for likening a group to vermin or waste.")
    threat: float = Field(0.5, ge=0, le=1, description="The same for threats and calls to harm or expel a group.")
    slur: float = Field(0.5, ge=0, le=1, description="The same for slurs.")
    profanity: float | None = Field(None, ge=0, le=1, description="The same for profanity; null lets it pass.")
    model: str = Field("", description="A transformers classifier of hateful text, by name or folder; empty: none.")
    labels: tuple[str, ...] = Field((), description="Its labels that mean hateful; empty: those whose names say so.")
    model_threshold: float = Field(0.5, ge=0, le=1, description="Probability from which the classifier's word counts.")
    combine: Literal["max", "model"] = Field(
        "max", description="max: rules or classifier, whichever scores higher; model: the classifier alone."
    )
    batch_size: int = Field(16, ge=1, description="Windows of text that the classifier scores at once.")
