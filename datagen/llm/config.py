"""Configuration of driving an endpoint."""

from __future__ import annotations

from pydantic import Field

from datagen.core.section import Section


class ClientConfig(Section):
    """How an endpoint is driven. Nothing here changes what is made."""

    concurrency: int = Field(64, ge=1, le=10_000, description="Requests in flight at most.")
    timeout_s: float = Field(120.0, gt=0, le=86_400, description="Time limit of one request, seconds.")
    attempts: int = Field(6, ge=1, le=100, description="Requests for one reply at most, faults included.")
    backoff_s: float = Field(0.5, gt=0, le=3_600, description="First wait after a fault; doubles, with jitter.")
    max_backoff_s: float = Field(30.0, gt=0, le=3_600, description="Longest wait after a fault, seconds.")
    price_input: float | None = Field(None, ge=0, description="US dollars per million prompt tokens, for the report.")
    price_output: float | None = Field(None, ge=0, description="US dollars per million reply tokens, for the report.")
