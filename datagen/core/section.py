"""The base of every configuration section."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the configuration: immutable, unknown keys refused, numbers finite (JSON knows no others)."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
