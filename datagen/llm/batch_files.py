"""The lines of batch files: requests out, results in (OpenAI API reference, "Batch": request input, output objects)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any, Final

from pydantic_core import from_json

from datagen.llm.backend import Reply, Request
from datagen.llm.dialect import Dialects, encoded, payload
from datagen.llm.envelope import reply_of
from datagen.llm.faults import as_text

ENDPOINT: Final = "/v1/chat/completions"
MAX_LINE = 64 * 1024 * 1024  # bytes
PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504})  # statuses after which another batch may succeed


@dataclass(slots=True)
class Outcome:
    """What a result file says about one request.

    Attributes:
        key: the request's (``custom_id``).
        reply: the answer, or None.
        reason: as in :class:`~datagen.llm.backend.CallFailed`, "" where there is an answer.
        status: HTTP status; 0 where there was no response.
        raw: what came, as text.
    """

    key: str
    reply: Reply | None
    reason: str = ""
    status: int = 0
    raw: str = ""

    @property
    def passing(self) -> bool:
        """Another batch may succeed."""
        return self.status in (0, 200) or self.status in PASSING


def write(file: IO[bytes], requests: Iterable[tuple[str, Request]], dialects: Dialects, most_bytes: int) -> int:
    """Write requests, one a line, until the next would not fit.

    Returns:
        How many were written; 0: the first alone is too large.
    """
    size = count = 0
    for key, request in requests:
        body = payload(request, dialects.of(request.model))
        line = encoded({"custom_id": key, "method": "POST", "url": ENDPOINT, "body": body}) + b"\n"
        size += len(line)
        if size > most_bytes:
            break
        file.write(line)
        count += 1
    return count


def read(file: IO[bytes]) -> Iterator[Outcome | None]:
    """The outcomes in an output or error file, in its order; None for a line that is none."""
    while line := file.readline(MAX_LINE):
        if line.strip():
            yield _outcome(line)


def _outcome(line: bytes) -> Outcome | None:
    try:
        entry = from_json(line)
        key = entry["custom_id"]
    except (ValueError, LookupError, TypeError):
        return None
    if not isinstance(key, str):
        return None
    raw = as_text(line.strip())
    response, error = entry.get("response"), entry.get("error")
    if isinstance(error, dict):
        return Outcome(key, None, _name(error.get("code")) or "batch_error", 0, raw)
    status = response.get("status_code") if isinstance(response, dict) else None
    if not isinstance(response, dict) or not isinstance(status, int):
        return Outcome(key, None, "bad_envelope", 0, raw)
    if status != 200:
        return Outcome(key, None, f"http_{status}", status, raw)
    try:
        return Outcome(key, reply_of(key, response["body"]), status=200)
    except (ValueError, LookupError, TypeError, AttributeError):
        return Outcome(key, None, "bad_envelope", 200, raw)


def _name(code: Any) -> str:
    """A code of the endpoint as a reason; "" where it is no plain name."""
    named = isinstance(code, str) and code.isascii() and code.isidentifier() and len(code) <= 40
    return code.lower() if named else ""
