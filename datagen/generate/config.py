"""Configuration of making samples."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from datagen.core.section import Section


class GeneratorConfig(Section):
    """How samples are made."""

    backend: Literal["auto", "openai", "extractive"] = Field(
        "auto", description="auto: an endpoint that was named, else the extractive rules (no model)."
    )
    base_url: str = Field("", description="OpenAI-compatible endpoint; empty takes OPENAI_BASE_URL.")
    api_key_env: str = Field("OPENAI_API_KEY", description="Environment variable that holds the key.")
    model: str = Field("", description="Model; empty takes the endpoint's only one.")
    samples_per_chunk: int = Field(3, ge=1, le=20, description="Pairs asked for in one call.")
    temperature: float = Field(0.7, ge=0, le=2, description="Sampling temperature.")
    max_tokens: int = Field(1500, ge=16, description="Longest reply, in tokens.")
    examples: str = Field("", description="JSONL of k-shot examples; empty takes the shipped ones.")
    shots: int = Field(2, ge=0, description="Examples shown in each prompt.")
    prompts: str = Field("", description="Folder whose files override the shipped prompts of the same name.")
    language: str = Field("", description="Language of the samples, as in 'German'; empty follows the document.")
