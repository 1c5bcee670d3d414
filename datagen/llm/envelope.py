"""From the bytes of an endpoint's answer to a :class:`Reply`, strictly."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from typing import Any

from pydantic_core import from_json

from datagen.llm.backend import Reply
from datagen.llm.faults import Fault, as_text

MAX_TOKENS = 2**40  # larger counts are no counts; they would not fit the log's integers


def read_reply(key: str, data: bytes) -> Reply:
    """Check a chat completion (OpenAI API reference, "The chat completion object").

    Needed: ``choices[0].message`` with a ``content`` that is text or null. ``finish_reason`` may be
    null ("" then); token counts that are not there, or are no counts, are 0.

    Raises:
        Fault: ``invalid_utf8`` or ``bad_envelope``, with what came.
    """
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        raise Fault("invalid_utf8", as_text(data)) from None
    try:
        # The Rust parser also refuses what Python's accepts: lone surrogates, which no file can hold.
        envelope = from_json(data)
        message = envelope["choices"][0]["message"]
        content, refusal = message.get("content"), message.get("refusal")
        finish = envelope["choices"][0].get("finish_reason")
        usage = envelope.get("usage")
    except (ValueError, LookupError, TypeError, AttributeError):
        raise Fault("bad_envelope", as_text(data)) from None
    if not all(value is None or isinstance(value, str) for value in (content, refusal, finish)):
        raise Fault("bad_envelope", as_text(data))
    if "content" not in message and refusal is None:
        raise Fault("bad_envelope", as_text(data))
    counts = usage if isinstance(usage, dict) else {}
    return Reply(
        key=key,
        text=content or "",
        finish=finish or "",
        refusal=refusal or "",
        prompt_tokens=_count(counts.get("prompt_tokens")),
        completion_tokens=_count(counts.get("completion_tokens")),
    )


def read_models(data: bytes) -> tuple[str, ...] | None:
    """Model names of a ``/models`` answer, in its order; None where it is no such list."""
    try:
        entries = from_json(data)["data"]
        names = [entry["id"] for entry in entries]
    except (ValueError, LookupError, TypeError):
        return None
    return tuple(names) if all(isinstance(name, str) and name for name in names) else None


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds to wait by a ``Retry-After`` header (RFC 9110, section 10.2.3), or None.

    Args:
        value: the header: seconds (decimals, which some servers send, are taken) or an HTTP date.
        now: the current time, seconds since the epoch.
    """
    if value is None:
        return None
    text = value.strip()
    if re.fullmatch(r"[0-9]{1,20}(\.[0-9]{1,9})?", text):
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def _count(value: Any) -> int:
    return value if type(value) is int and 0 <= value < MAX_TOKENS else 0
