"""The configuration of the embedding model."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from datagen.core.section import Section


class EmbedConfig(Section):
    """Which model turns texts into vectors, and how."""

    model: str = Field("", description="A sentence-transformers name or folder; empty: all-MiniLM-L6-v2.")
    backend: Literal["auto", "onnx", "torch"] = Field("auto", description="auto: onnxruntime where it can, else torch.")
    batch: int = Field(32, ge=1, le=4096, description="Passages embedded at once.")
