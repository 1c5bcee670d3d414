"""What the search for personal data can be told. Light: the command line loads it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from curation.pii.types import TYPES
from datagen.core.section import Section

Profile = Literal["all", "identifiers", "hipaa", "gdpr"]
Action = Literal["redact", "replace", "hash", "reject"]


class PiiConfig(Section):
    """What is looked for, with what, and what is done with it."""

    profile: Profile = Field(default="all", description="which types are looked for: all, identifiers, hipaa or gdpr")
    types: tuple[str, ...] = Field(default=(), description="only these types of the profile; empty: all of them")
    act_on: Literal["identifiers", "all"] | tuple[str, ...] = Field(
        default="identifiers", description="types that are acted upon; the others are counted in the report alone"
    )
    action: Action = Field(
        default="redact",
        description="redact: a placeholder; replace: a made-up value; hash: a keyed hash; reject: the whole text",
    )
    threshold: float = Field(default=0.4, ge=0, le=1, description="least score of a finding, 0..1")
    thresholds: dict[str, float] = Field(default={}, description="least score by type, where it is another")
    ignore: tuple[str, ...] = Field(default=(), description="values that are never findings, whatever their case")
    presidio: bool = Field(default=True, description="use Presidio's recognisers of national numbers where installed")
    model: str = Field(
        default="",
        description="model that finds names and places (a spaCy package, transformers or GLiNER); empty: rules",
    )
    model_kind: Literal["auto", "spacy", "transformers", "gliner"] = Field(
        default="auto", description="what kind of model that is; auto: told by its name"
    )
    model_threshold: float = Field(default=0.5, ge=0, le=1, description="least score of a finding of the model, 0..1")
    window: int = Field(default=1200, ge=200, description="characters a model is shown at once")
    overlap: int = Field(default=200, ge=20, description="characters by which those windows overlap")
    locale: str = Field(default="en_US", description="Faker's locale of made-up values")
    seed: int = Field(default=0, description="another seed gives other made-up values")
    key_env: str = Field(
        default="DATAGEN_PII_KEY", description="environment variable with the key of the hashes, needed for hash"
    )

    @field_validator("types", "act_on", "thresholds")
    @classmethod
    def _known(cls, value: object) -> object:
        names = [] if isinstance(value, str) else list(value)  # type: ignore[call-overload]
        if unknown := sorted(set(names) - set(TYPES)):
            raise ValueError(f"unknown types {', '.join(unknown)}; known are {', '.join(TYPES)}")
        return value
