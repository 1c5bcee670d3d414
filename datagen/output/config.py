"""Configuration of what is written."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from datagen.core.section import Section

FormatName = Literal[
    "messages", "alpaca", "sharegpt", "oasst", "dpo", "dpo-plain", "kto", "ranked", "parquet", "datasets"
]


class OutputConfig(Section):
    """What is written besides the report."""

    formats: tuple[FormatName, ...] = Field(
        ("messages",),
        min_length=1,
        description="Formats (docs/formats.md): the first one in RUN/export, each other in RUN/export-FORMAT.",
    )
    shard_rows: int = Field(0, ge=0, description="Rows a training file at most; 0: one file a split.")
