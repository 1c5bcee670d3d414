"""One question, one usable answer: complete, parse, correct once, or say why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel

from datagen.core.hashing import canonical
from datagen.core.record import Message
from datagen.llm.backend import Backend, CallFailed, Reply, Request
from datagen.llm.faults import as_text
from datagen.llm.parse import Unparsable, parse
from datagen.llm.prompts import Prompt

M = TypeVar("M", bound=BaseModel)

MAX_ECHO = 8_000  # characters of a bad reply that are shown to the model again


@dataclass(frozen=True, slots=True)
class Answer(Generic[M]):
    """A usable answer.

    Attributes:
        value: the validated value.
        reply: the reply it was read from (of the corrective question where there was one).
        how: ``"as_is"``, ``"repaired"`` (locally) or ``"corrected"`` (asked again).
        attempts: requests made for it, the corrective question's included.
    """

    value: M
    reply: Reply
    how: Literal["as_is", "repaired", "corrected"]
    attempts: int


class Unusable(Exception):
    """The model answered, twice, but not in a way that can be used.

    Attributes:
        key: of the last reply in the call log.
        reason: ``invalid_json``, ``schema``, ``empty``, ``refusal``, ``length``, ``content_filter``.
        attempts: requests made in all.
        raw: the last reply's text, at most 64 KiB.
    """

    def __init__(self, key: str, reason: str, attempts: int, raw: str) -> None:
        super().__init__(key, reason, attempts, raw)
        self.key = key
        self.reason = reason
        self.attempts = attempts
        self.raw = raw


async def ask(backend: Backend, request: Request, model: type[M], correct: Prompt) -> Answer[M]:
    """Ask until the reply is a valid ``model``, at most twice.

    A refusal, a reply cut off at the length limit (also where its JSON happens to parse), one the
    endpoint filtered, or one that cannot be read, is shown to the model once more with the problem.

    Args:
        request: the question.
        model: what the reply must be.
        correct: the correction prompt; inputs ``problem`` (``"length"``, ``"refusal"``,
            ``"content_filter"``, ``"empty"``, or a sentence on what is wrong) and ``schema`` (JSON).

    Raises:
        Unusable: no reply could be used.
        CallFailed: the first question got no reply at all.
        datagen.core.errors.DatagenError: as :meth:`~datagen.llm.backend.Backend.complete`.
    """
    first = await backend.complete(request)
    outcome = _read(first, model)
    if not isinstance(outcome, _Problem):
        return Answer(outcome.value, first, outcome.how, first.attempts)
    try:
        second = await backend.complete(_corrected(request, first, outcome, model, correct))
    except CallFailed as error:
        raise Unusable(first.key, outcome.reason, first.attempts + error.attempts, _raw(first)) from None
    attempts = first.attempts + second.attempts
    outcome = _read(second, model)
    if not isinstance(outcome, _Problem):
        return Answer(outcome.value, second, "corrected", attempts)
    raise Unusable(second.key, outcome.reason, attempts, _raw(second))


@dataclass(frozen=True, slots=True)
class _Problem:
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class _Good(Generic[M]):
    value: M
    how: Literal["as_is", "repaired"]


def _read(reply: Reply, model: type[M]) -> _Good[M] | _Problem:
    if reply.refusal:
        return _Problem("refusal", "refusal")
    if reply.finish in ("length", "content_filter"):
        return _Problem(reply.finish, reply.finish)
    try:
        parsed = parse(reply.text, model, reply.finish)
    except Unparsable as error:
        named = error.reason in ("empty", "refusal")
        return _Problem(error.reason, error.reason if named else error.detail)
    return _Good(parsed.value, parsed.how)


def _corrected(request: Request, bad: Reply, problem: _Problem, model: type[BaseModel], correct: Prompt) -> Request:
    echoed = (bad.text or bad.refusal)[:MAX_ECHO]
    # An empty assistant message is refused by some endpoints.
    shown = (Message(role="assistant", content=echoed),) if echoed.strip() else ()
    schema = canonical(request.json_schema or model.model_json_schema())
    messages = request.messages + shown + correct.render(problem=problem.detail, schema=schema)
    return request.model_copy(update={"messages": messages})


def _raw(reply: Reply) -> str:
    return as_text(reply.text or reply.refusal)
