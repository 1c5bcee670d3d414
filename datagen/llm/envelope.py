"""From the bytes of an endpoint's answer to a :class:`Reply`, strictly."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from typing import Any

from pydantic_core import from_json

from datagen.llm.backend import Reply, Token
from datagen.llm.faults import Fault, as_text

MAX_CHOICES = 128  # of one answer that are read
MAX_TOKENS = 2**40  # larger counts are no counts; they would not fit the log's integers


def read_reply(key: str, data: bytes) -> Reply:
    """Check a chat completion (OpenAI API reference, "The chat completion object").

    Needed: ``choices[0].message`` with a ``content`` that is text or null. ``finish_reason`` may be
    null ("" then); token counts that are not there, or are no counts, are 0; log-probabilities that are
    not in the documented form are none.

    Raises:
        Fault: ``invalid_utf8`` or ``bad_envelope``, with what came.
    """
    try:
        # The Rust parser also refuses what Python's accepts: lone surrogates, which no file can hold.
        return reply_of(key, from_json(data))
    except (ValueError, LookupError, TypeError, AttributeError):
        raise Fault("bad_envelope" if _is_utf8(data) else "invalid_utf8", as_text(data)) from None


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def reply_of(key: str, envelope: Any) -> Reply:
    """A chat completion that is parsed already, as :func:`read_reply`.

    Raises:
        ValueError, LookupError, TypeError, AttributeError: it is none.
    """
    choices = envelope["choices"]
    text, refusal, finish = _choice(choices[0])
    usage = envelope.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    more: dict[str, Any] = {}
    if len(choices) > 1:
        read = [_choice(choice) for choice in choices[:MAX_CHOICES]]
        more = {"choices": tuple(t for t, _, _ in read), "finishes": tuple(f for _, _, f in read)}
    if (logprobs := choices[0].get("logprobs")) is not None:
        more["logprobs"] = _tokens(logprobs)
    return Reply(
        key=key,
        text=text,
        finish=finish,
        refusal=refusal,
        prompt_tokens=_count(counts.get("prompt_tokens")),
        completion_tokens=_count(counts.get("completion_tokens")),
        **more,
    )


def _choice(choice: Any) -> tuple[str, str, str]:
    """Text, refusal and finish reason; ValueError where it has not the form."""
    message = choice["message"]
    content, refusal, finish = message.get("content"), message.get("refusal"), choice.get("finish_reason")
    if not all(value is None or isinstance(value, str) for value in (content, refusal, finish)):
        raise ValueError("a text is no text")
    if "content" not in message and refusal is None:
        raise ValueError("neither a text nor a refusal")
    if finish == "error":  # of the model behind a router, which answers HTTP 200 nevertheless
        raise ValueError("the answer broke off with an error")
    return content or "", refusal or "", finish or ""


def _tokens(logprobs: Any) -> tuple[Token, ...]:
    """``choices[].logprobs`` in the documented form; () for every other, which some servers send."""
    try:
        return tuple(
            Token(
                token=entry["token"],
                logprob=_logprob(entry["logprob"]),
                top=tuple((top["token"], _logprob(top["logprob"])) for top in entry.get("top_logprobs") or ()),
            )
            for entry in logprobs["content"]
        )
    except (ValueError, LookupError, TypeError, AttributeError):
        return ()


def _logprob(value: Any) -> float:
    """Finite: -9999 is how the OpenAI API writes "very unlikely", and what infinities become."""
    if value > 0:
        return 0.0
    return float(value) if value > -9999 else -9999.0  # "not a number" too: it is not greater than anything


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
