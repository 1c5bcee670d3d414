"""The base of every configuration section."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


class Section(BaseModel):
    """A part of the configuration: immutable, unknown keys refused, numbers finite (JSON knows no others).

    A section inside it that is there but empty, as ``chunk:`` with every key commented out, has its defaults.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_default(cls, tree: Any) -> Any:
        if not isinstance(tree, dict):
            return tree
        kinds = {name: field.annotation for name, field in cls.model_fields.items()}
        sections = {name for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, BaseModel)}
        return {name: part for name, part in tree.items() if part is not None or name not in sections}
