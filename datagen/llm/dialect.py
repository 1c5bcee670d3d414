"""In which words an endpoint wants to be asked. Learned from its refusals, below the call key."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Literal

from pydantic_core import to_json

from datagen.core.record import Message, Record
from datagen.llm.backend import Request

SchemaMode = Literal["json_schema", "json_object", "prompt"]
REFUSING = frozenset({400, 403, 422, 501})  # HTTP statuses that may be about the form of a request
_MODES: tuple[SchemaMode, ...] = ("json_schema", "json_object", "prompt")
_WEAKER: dict[SchemaMode, SchemaMode] = {"json_schema": "json_object", "json_object": "prompt"}
_ABOUT_SCHEMA = ("response_format", "json_schema", "json_object", "structured", "guided", "grammar", "schema")
# Without these a request still makes sense. top_logprobs goes with logprobs.
_OPTIONAL = ("temperature", "seed", "top_p", "frequency_penalty", "presence_penalty", "logprobs", "n")
_WITH = {"logprobs": ("logprobs", "top_logprobs")}
_REFUSED = re.compile(
    r"not\s+(?:\w+\s+)?(?:support|allow|permit|enabl|availabl|recogni|accept|implement)|n't support|unsupported|"
    r"unrecogni|unknown|forbidden|unexpected|must be 1\b|only one|greater than the maximum"
)


class Dialect(Record):
    """How requests are written for one model.

    Attributes:
        schema_mode: ``json_schema``: the schema is enforced; ``json_object``: only JSON is;
            ``prompt``: the prompt's own words have to do.
        long_name: True where ``max_tokens`` must be called ``max_completion_tokens`` (OpenAI API
            reference, chat completions: the former is deprecated and refused by reasoning models).
        dropped: parameters that the model refuses; none of them is sent.
        ignored: parameters that it takes and does nothing about; none of them is sent.
        probed: True once a first question was answered: what is refused later is about that request.
        weaker: the mode of single schemas, by name, where it is weaker than ``schema_mode``: an endpoint may
            refuse a larger schema than that of the first question.
    """

    schema_mode: SchemaMode = "json_schema"
    long_name: bool = False
    dropped: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    probed: bool = False
    weaker: tuple[tuple[str, SchemaMode], ...] = ()

    def mode(self, request: Request) -> SchemaMode:
        """How this request's schema is sent."""
        if self.weaker:
            return dict(self.weaker).get(request.schema_name, self.schema_mode)
        return self.schema_mode

    def takes(self, name: str) -> bool:
        """Is a parameter sent? Before the first answer everything is."""
        return name not in self.dropped and name not in self.ignored

    def with_(self, other: Dialect) -> Dialect:
        """What both know: refusals and weaker modes of either. Requests under way at once learn apart."""
        if self == other:
            return self
        weakest = max(self.schema_mode, other.schema_mode, key=_MODES.index)
        single = dict(self.weaker)
        for name, mode in other.weaker:
            single[name] = max(mode, single.get(name, mode), key=_MODES.index)
        return Dialect(
            schema_mode=weakest,
            long_name=self.long_name or other.long_name,
            dropped=_joined(self.dropped, other.dropped),
            ignored=_joined(self.ignored, other.ignored),
            probed=self.probed or other.probed,
            weaker=tuple(sorted(single.items())),
        )


class Dialects(dict[str, Dialect]):
    """What is known about each model of an endpoint.

    Args:
        first: what is supposed about a model that nothing is known about.

    Attributes:
        on_learned: told of what a request teaches about a model after its first, to keep it.
    """

    def __init__(self, first: Dialect | None = None) -> None:
        super().__init__()
        self.first = first or Dialect()
        self.on_learned: Callable[[str, Dialect], None] = lambda model, dialect: None

    def of(self, model: str) -> Dialect:
        """How to ask a model."""
        return self.get(model, self.first)

    def learn(self, model: str, form: Dialect) -> None:
        """A request in this form was answered."""
        known = self.get(model)
        if known is None:
            self[model] = form
        elif known is not form and (both := known.with_(form)) != known:
            self[model] = both
            if both.probed:
                self.on_learned(model, both)


def body(request: Request, dialect: Dialect) -> bytes:
    """The JSON of a chat completion request (OpenAI API reference, "Create chat completion")."""
    return encoded(payload(request, dialect))


def payload(request: Request, dialect: Dialect) -> dict[str, Any]:
    """A chat completion request as JSON values."""
    made: dict[str, Any] = {
        "model": request.model,
        "messages": [
            {"role": m.role, "content": m.content} if not (m.tool_calls or m.tool_call_id or m.name) else _with_tools(m)
            for m in request.messages
        ],
    }
    for name, value in request.params.items():
        if name not in dialect.dropped and name not in dialect.ignored:
            made["max_completion_tokens" if name == "max_tokens" and dialect.long_name else name] = value
    if request.json_schema is not None:
        mode = dialect.mode(request)
        if mode == "json_schema":
            schema = {"name": request.schema_name, "schema": request.json_schema, "strict": True}
            made["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif mode == "json_object":
            made["response_format"] = {"type": "json_object"}
    return made


def encoded(value: Any) -> bytes:
    """JSON as it is sent. A lone surrogate has no UTF-8 form; "?" takes its place, as no endpoint could read it."""
    try:
        return to_json(value)
    except ValueError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def adapted(dialect: Dialect, request: Request, refusal: str) -> Dialect | None:
    """The dialect to try next after HTTP 400, 403 or 422, or None where the refusal is about something else.

    Args:
        refusal: the body of the answer.
    """
    said = refusal.lower()
    if "max_tokens" in request.params and not dialect.long_name and "max_completion_tokens" in said:
        return dialect.model_copy(update={"long_name": True})
    if _REFUSED.search(said):
        for name in _OPTIONAL:
            if name in request.params and dialect.takes(name) and _names(said, name):
                return dialect.model_copy(update={"dropped": _joined(dialect.dropped, _WITH.get(name, (name,)))})
    mode = dialect.mode(request)
    weaker = _WEAKER.get(mode)
    if weaker and request.json_schema is not None and any(word in said for word in _ABOUT_SCHEMA):
        if dialect.probed:
            single = {**dict(dialect.weaker), request.schema_name: weaker}
            return dialect.model_copy(update={"weaker": tuple(sorted(single.items()))})
        return dialect.model_copy(update={"schema_mode": weaker})
    return None


def _names(said: str, name: str) -> bool:
    """Does a refusal name a parameter, and not merely use the word?"""
    if name == "n":
        return bool(re.search(r"""['"`]n['"`]|\bn (?:must|should|>|is not)|only one (?:completion )?choice""", said))
    if name == "logprobs":  # no other word; top_logprobs is meant too
        return "logprobs" in said
    return bool(re.search(rf"""['"`]{name}['"`]""", said))


def _with_tools(message: Message) -> dict[str, Any]:
    told: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        told["tool_calls"] = list(message.tool_calls)
        told["content"] = message.content or None
    if message.tool_call_id:
        told["tool_call_id"] = message.tool_call_id
    if message.name:
        told["name"] = message.name
    return told


def _joined(some: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*some, *more)))
