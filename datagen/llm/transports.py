"""Which transport speaks to an endpoint: plain HTTP, a minded local vLLM, or the Batch API."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from datagen.llm.backend import Reply, Request
from datagen.llm.dialect import Dialects
from datagen.llm.presets import preset

if TYPE_CHECKING:
    from datagen.llm.batch_api import BatchApi
    from datagen.llm.connect import Endpoint


class ModelTransport(Protocol):
    """What sends one request, once, and knows the endpoint's models.

    Attributes:
        base_url: as users know it, for errors and notes.
        dialects: what is known about how each model wants to be asked.
    """

    base_url: str
    dialects: Dialects

    async def complete(self, request: Request) -> Reply:
        """Answer, or raise Fault (may be tried again), Rejected (may not) or DatagenError (nothing may)."""
        ...

    async def models(self, limit_s: float) -> tuple[str, ...] | None:
        """The models offered; None where the endpoint does not say. Raises Fault or DatagenError."""
        ...

    async def alive(self, limit_s: float) -> bool:
        """Whether anything answers at all."""
        ...

    async def close(self) -> None:
        """Close its connections, and end what it started."""
        ...


def open_transport(endpoint: Endpoint) -> ModelTransport:
    """A fresh transport for an endpoint; nothing is sent and nothing is started yet.

    Raises:
        UsageError: the address or the key cannot be used.
    """
    if endpoint.vllm is not None:
        from datagen.llm.vllm import VllmTransport

        return VllmTransport(endpoint.vllm, endpoint.client.concurrency)
    from datagen.llm.openai import OpenAIBackend  # aiohttp takes 0.2 s to import, and not every run asks a model

    secret = os.environ.get(endpoint.api_key_env, "").strip() if endpoint.api_key_env else ""
    kind = preset(endpoint.provider) if endpoint.provider else None
    return OpenAIBackend(
        endpoint.base_url,
        secret,
        endpoint.api_key_env,
        endpoint.client.concurrency,
        first=kind.dialect if kind else None,
        headers=kind.sent_headers() if kind else {},
    )


def open_batches(endpoint: Endpoint) -> BatchApi:
    """The Batch API of an endpoint; nothing is sent yet.

    Raises:
        UsageError: the package openai is not installed.
    """
    from datagen.llm.batch_api import BatchApi  # as is OpenAIBackend

    kind = preset(endpoint.provider) if endpoint.provider else None
    secret = os.environ.get(endpoint.api_key_env, "").strip() if endpoint.api_key_env else ""
    return BatchApi(endpoint.base_url, secret, endpoint.api_key_env, kind.sent_headers() if kind else {})
