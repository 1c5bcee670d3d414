"""Configuration of driving an endpoint."""

from __future__ import annotations

from pydantic import Field

from datagen.core.section import Section


class BatchConfig(Section):
    """The Batch API (``generator.backend: batch``)."""

    poll_s: float = Field(60.0, gt=0, le=3_600, description="Longest wait between two looks at a batch, seconds.")
    requests: int = Field(50_000, ge=1, le=50_000, description="Requests in one batch at most.")
    megabytes: float = Field(200.0, gt=0, le=200, description="Size of one batch's file at most (10^6 bytes).")


class ClientConfig(Section):
    """How an endpoint is driven. Nothing here changes what is made."""

    concurrency: int = Field(64, ge=1, le=10_000, description="Requests in flight at most.")
    timeout_s: float = Field(120.0, gt=0, le=86_400, description="Time limit of one request, seconds.")
    attempts: int = Field(6, ge=1, le=100, description="Requests for one reply at most, faults included.")
    backoff_s: float = Field(0.5, gt=0, le=3_600, description="First wait after a fault; doubles, with jitter.")
    max_backoff_s: float = Field(30.0, gt=0, le=3_600, description="Longest wait after a fault, seconds.")
    batch: BatchConfig = BatchConfig()
