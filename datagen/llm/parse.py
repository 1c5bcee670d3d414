"""A model's reply, as text, into a validated pydantic value, with at most one local repair."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from datagen.llm.repair import candidates

M = TypeVar("M", bound=BaseModel)
Reason = Literal["invalid_json", "schema", "empty", "refusal"]

MAX_ERRORS = 5  # named in one detail, so that a correction prompt stays short
MAX_REFUSAL = 1200  # characters; a longer text without JSON is called invalid JSON instead

# Openings that instruction-tuned models use for refusing; English alone. Refusals in the envelope's
# own field need no such list.
_REFUSAL = re.compile(
    r"^\W*(?:i(?:'|’)?m (?:very |really |so )?sorry|i am (?:very |really )?sorry|sorry[,.]|i apologi[sz]e|"
    r"(?:unfortunately,? )?i (?:cannot|can(?:'|’)t|can not|won(?:'|’)t|will not|am unable|am not able|must decline)|"
    r"i(?:'|’)m (?:unable|not able)|as an ai\b)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Parsed(Generic[M]):
    """A reply that could be read.

    Attributes:
        value: the validated value.
        how: ``"as_is"``, or ``"repaired"`` where characters had to be dropped or escaped, or
            brackets closed, before it could be read.
    """

    value: M
    how: Literal["as_is", "repaired"]


class Unparsable(Exception):
    """A reply that cannot be read as the wanted value.

    Attributes:
        reason: ``empty``, ``refusal`` (prose that declines), ``invalid_json`` or ``schema``.
        detail: what is wrong and where, for a person or for a correction prompt.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason: Reason = reason
        self.detail = detail


def parse(text: str, model: type[M], finish: str = "stop") -> Parsed[M]:
    """Read a reply.

    The text is tried as it is; where it is no JSON, it is repaired once (see
    :func:`datagen.llm.repair.candidates`) and tried again.

    Args:
        text: the reply.
        model: what it must be.
        finish: the endpoint's finish reason; brackets are closed only where it is ``"stop"``.

    Raises:
        Unparsable: with the reason.
    """
    if not text.strip():
        raise Unparsable("empty", "The reply is empty.")
    try:
        return Parsed(model.model_validate_json(text), "as_is")
    except ValidationError as error:
        problem = _problem(error)
    if problem.reason == "schema":
        raise problem
    values: list[M] = []
    for candidate in candidates(text, may_close=finish == "stop"):
        try:
            value = model.model_validate_json(candidate)
        except ValidationError as error:
            found = _problem(error)
            if found.reason == "schema":
                problem = found
            continue
        if value not in values:
            values.append(value)
    if len(values) == 1:
        return Parsed(values[0], "repaired")
    if values:
        raise Unparsable("invalid_json", "The reply holds more than one JSON value that fits.")
    if problem.reason == "invalid_json" and is_refusal(text):
        raise Unparsable("refusal", "The reply declines to answer.")
    raise problem


def is_refusal(text: str) -> bool:
    """Whether a text is short prose, without JSON, that opens like a refusal. When in doubt, no."""
    return len(text) <= MAX_REFUSAL and "{" not in text and _REFUSAL.match(text) is not None


def _problem(error: ValidationError) -> Unparsable:
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    lines = [
        f"{'.'.join(str(part) for part in e['loc'][:8])[:200] or 'reply'}: {e['msg'][:300]}"
        for e in errors[:MAX_ERRORS]
    ]
    if len(errors) > MAX_ERRORS:
        lines.append(f"and {len(errors) - MAX_ERRORS} more")
    reason: Reason = "invalid_json" if errors[0]["type"] == "json_invalid" else "schema"
    return Unparsable(reason, "; ".join(lines))
