"""A judge's reply: read strictly, with the place of each score in its text.

A score is a JSON integer from 1 to 5 under the criterion's own key, at the top of one JSON object. ``4.0``, ``"4"``,
``true``, ``four`` and ``6`` are no scores; a key that is there twice makes the reply unreadable; a key that nobody
asked for is not looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError, WithJsonSchema, create_model
from pydantic_core import InitErrorDetails, PydanticCustomError

from datagen.llm.schema import schema_of

REASONS = "justification"
MAX_STARTS = 16  # opening braces at which the object is looked for
_WHITE = re.compile(r"[ \t\r\n]*")
_decoder = json.JSONDecoder(strict=False)
Span = tuple[int, int]

Level = Annotated[int, Strict(), Field(ge=1, le=5), WithJsonSchema({"type": "integer", "enum": [1, 2, 3, 4, 5]})]


class JudgeReply(BaseModel):
    """Base of the models of replies. Field names are ``c0``, ``c1`` …; a criterion's key is its alias, so that no key
    can collide with what pydantic calls its own."""

    model_config = ConfigDict(strict=True, json_schema_extra={"additionalProperties": False})

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **settings: Any) -> Self:
        """As of pydantic, which takes the last of several values of a key; here that is an error."""
        value = super().model_validate_json(json_data, **settings)
        text = json_data if isinstance(json_data, str) else bytes(json_data).decode("utf-8", "replace")
        try:
            json.loads(text, object_pairs_hook=_no_key_twice, strict=False)
        except _Twice as error:
            problem = PydanticCustomError("duplicate_key", "the key is there more than once")
            details = [InitErrorDetails(type=problem, loc=(str(error),), input=None)]
            raise ValidationError.from_exception_data(cls.__name__, details) from None
        except (ValueError, RecursionError):
            problem = PydanticCustomError("json_invalid", "Invalid JSON")
            details = [InitErrorDetails(type=problem, loc=(), input=None)]
            raise ValidationError.from_exception_data(cls.__name__, details) from None
        return value

    @property
    def scores(self) -> dict[str, int]:
        """Criterion → score, in the order asked."""
        fields = type(self).model_fields
        return {str(field.alias): getattr(self, name) for name, field in fields.items() if field.alias}

    @property
    def reasons(self) -> str:
        """The judge's words."""
        return str(getattr(self, REASONS))


@lru_cache(maxsize=256)
def reply_model(keys: tuple[str, ...], *, explain_first: bool) -> type[JudgeReply]:
    """The model of a reply that scores these criteria; with reasons first, scores follow from them."""
    scores: dict[str, Any] = {f"c{i}": (Level, Field(alias=key)) for i, key in enumerate(keys)}
    reasons: dict[str, Any] = {REASONS: (str, ...)}
    fields = {**reasons, **scores} if explain_first else {**scores, **reasons}
    return create_model("Judgement", __base__=JudgeReply, **fields)


@lru_cache(maxsize=256)
def reply_schema(keys: tuple[str, ...], *, explain_first: bool) -> dict[str, Any]:
    """The JSON schema of :func:`reply_model`."""
    return schema_of(reply_model(keys, explain_first=explain_first))


def locate(text: str, scores: dict[str, int]) -> dict[str, Span] | None:
    """Where each score stands in a reply.

    Args:
        text: of the reply.
        scores: criterion → what was read.

    Returns:
        Criterion → span of its digit; None where one of them does not stand in the text as that criterion's number:
        what was read is then not what was written.
    """
    starts = [i for i, _ in zip(re.finditer(r"\{", text), range(MAX_STARTS), strict=False)]
    for start in starts:
        spans = _walk(text, start.start())
        if spans is not None and _agree(text, spans, scores):
            return {key: spans[key] for key in scores}
    found: dict[str, Span] = {}
    for key in scores:
        # The text was repaired before it could be read. The only such key with a whole number is meant.
        pattern = rf'(?<!\\)["\u201c\u201d]{re.escape(key)}["\u201c\u201d]\s*:\s*([+-]?[\d.][\w.+-]*)\s*[,}}]'
        places = [place.span(1) for place in re.finditer(pattern, text)]
        if len(places) != 1:
            return None
        found[key] = places[0]
    return found if _agree(text, found, scores) else None


def _agree(text: str, spans: dict[str, Span], scores: dict[str, int]) -> bool:
    return all(key in spans and text[slice(*spans[key])] == str(score) for key, score in scores.items())


def _walk(text: str, start: int) -> dict[str, Span] | None:
    """Key → span of its value, of the object that begins there; None where there is no whole object."""
    found: dict[str, Span] = {}
    at = _skip(text, start + 1)
    try:
        while text[at] != "}":
            if text[at] != '"':
                return None
            key, at = scanstring(text, at + 1, False)
            at = _skip(text, at)
            if text[at] != ":" or key in found:
                return None
            begin = _skip(text, at + 1)
            _, end = _decoder.raw_decode(text, begin)
            found[key] = (begin, end)
            at = _skip(text, end)
            if text[at] == ",":
                at = _skip(text, at + 1)
            elif text[at] != "}":
                return None
    except (IndexError, ValueError, RecursionError):
        return None
    return found


def _skip(text: str, at: int) -> int:
    match = _WHITE.match(text, at)
    return match.end() if match else at


class _Twice(Exception):
    """A key is there twice. Not a ValueError: json lets it through."""


def _no_key_twice(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        raise _Twice(next(key for key, _ in pairs if key in seen or seen.add(key)))  # type: ignore[func-returns-value]
    return found
