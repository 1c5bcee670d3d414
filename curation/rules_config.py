"""The configuration of the rules, with its defaults."""

from __future__ import annotations

from pydantic import Field

from datagen.core.section import Section


class TopicsConfig(Section):
    """How likeness to the description of a topic is measured."""

    threshold: float = Field(
        0.25, ge=-1, le=1, description="Cosine to a topic's description from which a text is about it."
    )
    lexical_threshold: float = Field(
        0.2, ge=0, le=1, description="The same where no embedding model is at hand and words are compared."
    )
    semantic: bool = Field(True, description="False compares words even where an embedding model is at hand.")


class QualityConfig(Section):
    """A quality classifier by name; off while the name is empty."""

    model: str = Field("", description="A transformers sequence classifier, by name or folder; empty: none.")
    min_score: float = Field(2.5, description="Least score (one output), or probability of the label, of a kept text.")
    label: str = Field("", description="The label whose probability counts, of a model with several; empty: the last.")
    max_tokens: int = Field(512, ge=8, description="Tokens in a window; longer texts have the mean of their windows.")
    batch_size: int = Field(16, ge=1, description="Windows scored at once.")


class ReadabilityConfig(Section):
    """Bounds on how hard an English text is to read; off by default."""

    min_grade: float | None = Field(None, description="Least Flesch-Kincaid grade of an answer, in school years.")
    max_grade: float | None = Field(None, description="Greatest Flesch-Kincaid grade of an answer, in school years.")


class RulesConfig(Section):
    """Rules that need no model, and those that need one that is named."""

    min_question_words: int = Field(3, ge=0, description="Shorter instructions are rejected.")
    min_answer_words: int = Field(3, ge=0, description="Shorter answers are rejected.")
    max_answer_words: int = Field(1200, ge=1, description="Longer answers are rejected.")
    max_repetition: float = Field(
        0.3, ge=0, le=1, description="Share of an answer's words that may stand in a repeated 5-gram."
    )
    max_echo: float = Field(0.9, ge=0, le=1, description="Share of the answer's words that the question may hold.")
    language: str = Field("", description="ISO 639-1 code samples must have, as in 'en'; empty: the source's.")
    language_check: bool = Field(True, description="Reject samples in another language than the wanted one.")
    include: tuple[str, ...] = Field((), description="Words or phrases; a text must have one of them.")
    exclude: tuple[str, ...] = Field((), description="Words or phrases; a text that has one is rejected.")
    include_patterns: tuple[str, ...] = Field((), description="Regular expressions; a text must match one.")
    exclude_patterns: tuple[str, ...] = Field((), description="Regular expressions; a text that matches is rejected.")
    include_topics: tuple[str, ...] = Field((), description="Descriptions of topics; a text must be about one.")
    exclude_topics: tuple[str, ...] = Field((), description="Descriptions of topics; a text about one is rejected.")
    topics: TopicsConfig = TopicsConfig()
    min_tokens: int = Field(0, ge=0, description="Texts of fewer tokens are rejected.")
    max_tokens: int | None = Field(None, ge=1, description="Texts of more tokens are rejected.")
    tokenizer: str = Field("", description="A tokenizer.json to count with; empty: a quarter of the characters.")
    gopher: bool = Field(False, description="Apply Gopher's repetition rules to the whole text.")
    readability: ReadabilityConfig = ReadabilityConfig()
    quality: QualityConfig = QualityConfig()
