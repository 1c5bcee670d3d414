"""The whole configuration, one pydantic tree; unknown keys are refused with the nearest right name.

``docs/configuration.md`` is generated from this tree: every field carries its description.
"""

from __future__ import annotations

from pydantic import Field

from curation.config import CurationConfig, JudgeConfig
from datagen.core.section import Section
from datagen.engine.config import EngineConfig
from datagen.generate.config import GeneratorConfig
from datagen.llm.config import ClientConfig
from datagen.output.config import OutputConfig
from datagen.sources.config import ChunkConfig, SourcesConfig, SplitConfig


class LimitsConfig(Section):
    """When a run is not what was asked for."""

    max_failed: float = Field(
        0.1, ge=0, le=1, description="Share of requested samples that may fail before the exit code is 1."
    )
    target: int = Field(0, ge=0, description="Samples to keep, best scores first; fewer is exit code 1; 0: all.")


class Config(Section):
    """Everything a run depends on."""

    seed: int = Field(0, description="One seed for all draws.")
    sources: SourcesConfig = SourcesConfig()
    chunk: ChunkConfig = ChunkConfig()
    generator: GeneratorConfig = GeneratorConfig()
    client: ClientConfig = ClientConfig()
    curation: CurationConfig = CurationConfig()
    judge: JudgeConfig = JudgeConfig()
    split: SplitConfig = SplitConfig()
    engine: EngineConfig = EngineConfig()
    limits: LimitsConfig = LimitsConfig()
    output: OutputConfig = OutputConfig()
