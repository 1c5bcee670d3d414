"""What a language model is to the rest of the project: one async method.

A plain ``async def`` wrapped in an object with ``complete`` is a backend, so a test needs no mock
library. Layers wrap a backend and are backends themselves::

    Cached (call log) → Limited (concurrency, retries) → OpenAI (one HTTP request)
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Protocol, Self

from pydantic import Field
from pydantic_core import to_json

from datagen.core.hashing import canonical, digest_canonical
from datagen.core.record import Message, Record

MAX_SCHEMAS = 256  # whose canonical form is remembered


class Request(Record):
    """One question to a model.

    Attributes:
        model: the model's name at the endpoint.
        messages: the conversation so far.
        params: sampling parameters in the OpenAI form (``temperature``, ``max_tokens``, ``seed``); ``n`` asks
            for several replies at once (see :func:`datagen.llm.candidates.candidates`), ``logprobs`` and
            ``top_logprobs`` for :attr:`Reply.logprobs`. What the endpoint refuses is left out.
        json_schema: JSON schema the reply must satisfy, or None for free text.
        schema_name: name under which the schema is sent.
        index: distinguishes repeated samples of the same question.
        purpose: who asks (``"generate"``, ``"judge"``, ``"probe"``), for counters; not part of the key.
        priority: lower is served first among what waits; not part of the key.
    """

    model: str
    messages: tuple[Message, ...]
    params: dict[str, Any] = Field(default_factory=dict)
    json_schema: dict[str, Any] | None = None
    schema_name: str = "reply"
    index: int = 0
    purpose: str = "generate"
    priority: int = 0

    def key(self) -> str:
        """Hash of everything that shapes the reply: the key in the call log (32 hexadecimal characters)."""
        return self._key

    @cached_property
    def _key(self) -> str:
        # Written out rather than by `canonical` in one go, because every call needs it: the long texts by a
        # faster writer that gives the same bytes, the schema once for all requests that share it.
        messages = [_told(m) for m in self.messages]
        try:
            plain = all(len(told) == 2 for told in messages)
            texts = to_json(messages) if plain else _encoded(messages)
        except ValueError:  # a lone surrogate, which has no UTF-8 form
            texts = _encoded(messages)
        schema = b"null" if self.json_schema is None else _encoded_schema(self.json_schema)
        rest = f',"model":{canonical(self.model)},"params":{canonical(self.params)},"schema":'
        return digest_canonical(
            b'{"index":%d,"messages":' % self.index, texts, rest.encode("utf-8", "surrogatepass"), schema, b"}"
        )

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """As of pydantic; the copy computes a key of its own."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("_key", None)
        return copied


class Token(Record):
    """One token of a reply with its log-probability, and the likeliest tokens in its place.

    Attributes:
        token: its text.
        logprob: natural logarithm of its probability; at least -9999, which also stands for "none".
        top: the likeliest tokens with theirs, as many as ``top_logprobs`` asked for.
    """

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


class Reply(Record):
    """A model's answer, as received.

    Attributes:
        key: of the request.
        text: the assistant's content; "" where the model refused in the envelope's own field.
        finish: the endpoint's ``finish_reason`` (``"stop"``, ``"length"``, ``"content_filter"`` …).
        refusal: the envelope's refusal text, or "".
        prompt_tokens, completion_tokens: as billed; 0 where the endpoint does not say.
        attempts: requests made until this answer came.
        cached: True when it came from the call log and nothing was asked.
        choices: all texts where ``n`` asked for several and several came, ``text`` being the first; else ().
        finishes: ``finish`` of each of ``choices``.
        logprobs: the tokens of ``text`` where ``logprobs`` asked for them and the endpoint gives them; else ().
    """

    key: str
    text: str
    finish: str = "stop"
    refusal: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    attempts: int = 1
    cached: bool = False
    choices: tuple[str, ...] = ()
    finishes: tuple[str, ...] = ()
    logprobs: tuple[Token, ...] = ()


class CallFailed(Exception):
    """One request came to nothing after all its attempts; the run goes on.

    Attributes:
        key: of the request.
        reason: snake_case, as in ``"http_500"``, ``"timeout"``, ``"connection"``, ``"bad_envelope"``,
            ``"invalid_utf8"``, ``"http_400"``.
        attempts: requests made.
        raw: what came back last, as text (not UTF-8: backslash escapes), at most 64 KiB.
    """

    def __init__(self, key: str, reason: str, attempts: int, raw: str) -> None:
        super().__init__(key, reason, attempts, raw)
        self.key = key
        self.reason = reason
        self.attempts = attempts
        self.raw = raw


class Backend(Protocol):
    """Anything that answers a request."""

    async def complete(self, request: Request) -> Reply:
        """Answer one request.

        Raises:
            CallFailed: this request cannot be answered; others may.
            datagen.core.errors.DatagenError: no request can be (wrong key, unknown model: exit 2;
                endpoint gone, disk full: exit 3).
        """
        ...


def _told(message: Message) -> list[Any]:
    """What a message adds to the call key: nothing for parts that it does not have."""
    told: list[Any] = [message.role, message.content]
    if message.tool_calls or message.tool_call_id or message.name:
        told.append([list(message.tool_calls), message.tool_call_id, message.name])
    return told


_schemas: dict[tuple[int, ...], tuple[dict[str, Any], bytes]] = {}


def _encoded_schema(schema: dict[str, Any]) -> bytes:
    """A schema in canonical form. Requests of one kind share its parts, and nobody changes a schema."""
    parts = tuple(map(id, schema.values()))
    known = _schemas.get(parts)
    if known is not None and list(known[0]) == list(schema):
        return known[1]
    if len(_schemas) >= MAX_SCHEMAS:
        _schemas.clear()
    text = _encoded(schema)
    _schemas[parts] = schema, text  # kept together, so that no other part can get the same id
    return text


def _encoded(value: Any) -> bytes:
    return canonical(value).encode("utf-8", "surrogatepass")
