"""In which words an endpoint wants to be asked. Learned from its refusals, below the call key."""

from __future__ import annotations

import json
from typing import Any, Literal

from datagen.core.record import Record
from datagen.llm.backend import Request

SchemaMode = Literal["json_schema", "json_object", "prompt"]
_WEAKER: dict[SchemaMode, SchemaMode] = {"json_schema": "json_object", "json_object": "prompt"}
_ABOUT_SCHEMA = ("response_format", "json_schema", "json_object", "structured", "guided", "grammar", "schema")
_OPTIONAL = ("temperature", "seed", "top_p", "frequency_penalty", "presence_penalty")


class Dialect(Record):
    """How requests are written for one model.

    Attributes:
        schema_mode: ``json_schema``: the schema is enforced; ``json_object``: only JSON is;
            ``prompt``: the prompt's own words have to do.
        long_name: True where ``max_tokens`` must be called ``max_completion_tokens`` (OpenAI API
            reference, chat completions: the former is deprecated and refused by reasoning models).
        dropped: sampling parameters the model refuses.
    """

    schema_mode: SchemaMode = "json_schema"
    long_name: bool = False
    dropped: tuple[str, ...] = ()


def body(request: Request, dialect: Dialect) -> bytes:
    """The JSON of a chat completion request (OpenAI API reference, "Create chat completion")."""
    payload: dict[str, Any] = {
        "model": request.model,
        "messages": [{"role": m.role, "content": m.content} for m in request.messages],
    }
    for name, value in request.params.items():
        if name not in dialect.dropped:
            payload["max_completion_tokens" if name == "max_tokens" and dialect.long_name else name] = value
    if request.json_schema is not None:
        if dialect.schema_mode == "json_schema":
            schema = {"name": request.schema_name, "schema": request.json_schema, "strict": True}
            payload["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif dialect.schema_mode == "json_object":
            payload["response_format"] = {"type": "json_object"}
    # A lone surrogate has no UTF-8 form; "?" takes its place, as no endpoint could read it anyway.
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def adapted(dialect: Dialect, request: Request, refusal: str) -> Dialect | None:
    """The dialect to try next after HTTP 400 or 422, or None where the refusal is about something else.

    Args:
        refusal: the body of the answer.
    """
    said = refusal.lower()
    if "max_tokens" in request.params and not dialect.long_name and "max_completion_tokens" in said:
        return dialect.model_copy(update={"long_name": True})
    for name in _OPTIONAL:
        about = f"'{name}'" in said or f'"{name}"' in said
        if about and "unsupported" in said and name in request.params and name not in dialect.dropped:
            return dialect.model_copy(update={"dropped": (*dialect.dropped, name)})
    weaker = _WEAKER.get(dialect.schema_mode)
    if weaker and request.json_schema is not None and any(word in said for word in _ABOUT_SCHEMA):
        return dialect.model_copy(update={"schema_mode": weaker})
    return None
