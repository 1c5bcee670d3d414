"""The configuration of the comparison with evaluation sets, with its defaults."""

from __future__ import annotations

from pydantic import Field

from curation.embed_config import EmbedConfig
from datagen.core.section import Section


class DecontaminateConfig(Section):
    """Samples that repeat an evaluation set or the run's own test split, word for word or in other words."""

    against: tuple[str, ...] = Field((), description="Files or folders of evaluation sets; none: there are none.")
    fields: tuple[str, ...] = Field((), description="Fields that hold their questions; empty: found by usual names.")
    ngram: int = Field(8, ge=2, le=64, description="Words in a row that count as copied.")
    coverage: float = Field(
        0.5, gt=0, le=1, description="Share of an evaluation text's n-grams in a text that makes it a copy."
    )
    rewordings: bool = Field(True, description="Look for rewordings too, by embeddings; needs the extra `semantic`.")
    candidates: float = Field(0.6, ge=-1, le=1, description="Cosine from which two texts are looked at as rewordings.")
    threshold: float = Field(
        1.08,
        ge=0,
        le=1.5,
        description="Least cosine + 0.3 × shared numbers + 0.2 × shared words of a rewording.",
    )
    ask: bool = Field(True, description="Ask the judge's model about the borderline, where there is one.")
    borderline: float = Field(
        0.1,
        ge=0,
        le=0.5,
        description="How far from `threshold`, on both sides, and below `coverage` a score is borderline.",
    )
    split: bool = Field(
        True, description="Reject samples, too, that repeat a sample of the run's own test split, or the reverse."
    )
    embed: EmbedConfig = EmbedConfig()
