"""Configuration of reading and cutting documents."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

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


class ChatFields(Section):
    """Which fields of a JSON or CSV chat hold what; empty: they are found by their usual names. Dots reach inside."""

    speaker: str = Field("", description="Who wrote the message.")
    text: str = Field("", description="The message.")
    time: str = Field("", description="When it was written: ISO 8601, seconds or milliseconds since 1970, or a date.")
    conversation: str = Field("", description="The chat, channel or thread that it belongs to.")


class ChatConfig(Section):
    """Chat exports as conversations."""

    me: str = Field("", description="Whose messages are the assistant's, as the export names them; empty: no chats.")
    gap_minutes: int = Field(180, ge=1, description="A longer pause starts a new conversation, minutes.")
    min_exchanges: int = Field(4, ge=1, le=100, description="Exchanges (message and reply) a sample has at least.")
    max_exchanges: int = Field(6, ge=1, le=100, description="Exchanges a sample has at most.")
    max_characters: int = Field(12_000, ge=100, description="Conversations with more text make no sample.")
    drop: tuple[str, ...] = Field((), description="Texts of whole messages that are left out besides the known ones.")
    fields: ChatFields = ChatFields()

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max_exchanges < self.min_exchanges:
            raise ValueError("max_exchanges must not be less than min_exchanges")
        return self


class SplitConfig(Section):
    """Which documents are kept for validation and test, decided before anything is generated."""

    valid: float = Field(0.05, ge=0, lt=0.5, description="Share of documents for validation.")
    test: float = Field(0.05, ge=0, lt=0.5, description="Share of documents for test.")
