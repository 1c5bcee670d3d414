"""Configuration of reading and cutting documents."""

from __future__ import annotations

from pydantic import Field

from datagen.core.section import Section


class SourcesConfig(Section):
    """Which files are read, and the limits of reading them."""

    paths: tuple[str, ...] = Field((), description="Folders or files to read.")
    include: tuple[str, ...] = Field((), description="Glob patterns of files to take; empty takes all.")
    exclude: tuple[str, ...] = Field((), description="Glob patterns of files to leave out.")
    max_bytes: int = Field(50_000_000, gt=0, description="Files larger than this are skipped, bytes.")
    max_text: int = Field(20_000_000, gt=0, description="Documents whose text is longer are skipped, characters.")
    timeout_s: float = Field(60.0, gt=0, le=86_400, description="Time limit to read one file, seconds.")
    memory_mb: int = Field(1500, gt=0, le=1_000_000, description="Address space of one reader process, MB.")
    readers: int = Field(0, ge=0, le=256, description="Reader processes; 0 means one a core, at most 4.")
    text_fields: tuple[str, ...] = Field(
        ("text", "content", "body", "markdown"),
        description="In JSON and JSONL, the fields that hold text, first match wins; dots reach inside.",
    )


class ChunkConfig(Section):
    """How documents are cut into passages."""

    tokens: int = Field(400, ge=32, description="Largest chunk, in tokens.")
    min_tokens: int = Field(24, ge=0, description="Smaller passages join their neighbour where one is at hand.")
    overlap: int = Field(0, ge=0, description="Tokens of the passage before that a chunk repeats.")
    tokenizer: str = Field("", description="A tokenizer.json, or a model's name in the local cache; empty: estimate.")
    duplicate_threshold: float = Field(
        0.9, gt=0, le=1, description="Word 3-gram Jaccard from which a chunk is a near-copy of an earlier one."
    )


class SplitConfig(Section):
    """Which documents are kept for validation and test, decided before anything is generated."""

    valid: float = Field(0.05, ge=0, lt=0.5, description="Share of documents for validation.")
    test: float = Field(0.05, ge=0, lt=0.5, description="Share of documents for test.")
