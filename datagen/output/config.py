"""Configuration of what is written."""

from __future__ import annotations

from pydantic import Field, field_validator

from datagen.core.section import Section
from datagen.output.formats import FORMATS


class OutputConfig(Section):
    """What is written besides the report."""

    formats: tuple[str, ...] = Field(
        ("messages",),
        min_length=1,
        description=f"The first one is RUN/export, each other RUN/export-FORMAT. Known: {', '.join(FORMATS)}.",
    )
    shard_rows: int = Field(0, ge=0, description="Rows a training file at most; 0: one file a split.")

    @field_validator("formats")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in FORMATS:
                raise ValueError(f"there is no format {name!r}; the formats are {', '.join(FORMATS)}")
        return names
