"""The configuration of finding what says the same in other words."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from curation.embed_config import EmbedConfig
from datagen.core.section import Section


class SemanticConfig(Section):
    """Duplicates by meaning: embeddings, a check of what differs, and a cross-encoder on the borderline."""

    embed: EmbedConfig = EmbedConfig()
    candidates: float = Field(0.85, ge=0.5, le=1, description="Cosine from which two texts are looked at.")
    threshold: float = Field(0.92, gt=0, le=1, description="Cosine from which reworded texts can be duplicates.")
    strict_threshold: float = Field(0.95, gt=0, le=1, description="The same where no cross-encoder can be loaded.")
    replaced: float = Field(0.4, ge=-1, le=1, description="Least cosine of a word and the one put in its place.")
    added: int = Field(2, ge=0, description="Most content words that one text may have more than the other.")
    cross_encoder: str = Field(
        "", description="Cross-encoder for the borderline, name or folder; empty: quora-distilroberta-base; none: off."
    )
    accept: float = Field(0.5, ge=0, le=1, description="Least score of the cross-encoder for a duplicate.")
    guard: bool = Field(True, description="Texts that differ in a fact are never duplicates.")
    clusters: Literal["chained", "greedy"] = Field(
        "greedy", description="greedy: dropped for one that is kept; chained: for any other of the cluster."
    )
    keep: Literal["first", "longest", "score"] = Field("first", description="Which of a cluster is kept.")
