"""Configuration of what is written."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from datagen.core.section import Section


class OutputConfig(Section):
    """What is written besides the report."""

    format: Literal["messages", "alpaca", "sharegpt", "parquet"] = Field(
        "messages", description="Format of RUN/export."
    )
