"""The configuration of the malicious-content stage, with its defaults."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from datagen.core.section import Section

Kind = Literal["prompt_injection", "jailbreak", "script", "sql_injection", "command", "secret"]
KINDS: tuple[Kind, ...] = ("prompt_injection", "jailbreak", "script", "sql_injection", "command", "secret")


class MaliciousConfig(Section):
    """Prompt injection, jailbreaks, active markup, SQL and command payloads, secrets; each kind can be switched off."""

    enabled: bool = Field(True, description="Look for malicious content.")
    kinds: tuple[Kind, ...] = Field(KINDS, description="What is looked for; leave kinds out where they are the topic.")
    documents: Literal["off", "neutralise"] = Field(
        "neutralise", description="neutralise: document_kinds are defused in the source; off: sources stay as they are."
    )
    document_kinds: tuple[Kind, ...] = Field(
        ("secret",), description="What is defused in documents; the other kinds are left for the chunks."
    )
    chunks: Literal["off", "audit", "reject"] = Field(
        "reject", description="reject: such a passage is not shown to the generator; audit: it is only counted."
    )
    samples: Literal["off", "audit", "neutralise", "reject"] = Field(
        "reject", description="The same for samples; neutralise: they are kept, and what is found in them is defused."
    )
    threshold: float = Field(0.5, gt=0, le=1, description="Score from which a finding counts.")
    sample_threshold: float = Field(
        0.75,
        gt=0,
        le=1,
        description="The same in samples, for prompt_injection and jailbreak: users may say how to answer.",
    )
    exemplars: Literal["off", "ngrams", "embeddings", "auto"] = Field(
        "auto",
        description="Compare with examples of attacks by letters, and with embeddings; auto: if there is a model.",
    )
    detect_secrets: bool = Field(True, description="Also use the plugins of detect-secrets, where it is installed.")
    model: str = Field("", description="A transformers classifier of injections, by name or folder; empty: none.")
    labels: tuple[str, ...] = Field((), description="Its labels that mean attack; empty: those whose names say so.")
    model_threshold: float = Field(0.5, gt=0, le=1, description="Probability from which the classifier's word counts.")
    batch_size: int = Field(16, ge=1, description="Windows of text that the classifier scores at once.")
