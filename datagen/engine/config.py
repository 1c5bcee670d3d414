"""Configuration of spreading the work."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from datagen.core.section import Section


class EngineConfig(Section):
    """How work is spread. Nothing here changes what is made."""

    executor: Literal["auto", "inline", "processes"] = Field(
        "auto", description="Where computing stages run; auto takes processes for large sources."
    )
    workers: int = Field(0, ge=0, le=1_024, description="Worker processes; 0 means one a core.")
    window: int = Field(8, ge=1, le=10_000, description="Shards under way at once.")
    shard_bytes: int = Field(256_000, ge=1, description="Source bytes a shard aims at.")
    shard_files: int = Field(64, ge=1, description="Files in a shard at most.")
