"""What an endpoint says in headers about its limits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from datagen.llm.envelope import retry_after

_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,9})?")
_PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Left(NamedTuple):
    """What is left of a limit.

    Attributes:
        what: ``"requests"`` or ``"tokens"``.
        limit, remaining: so many.
        reset_s: seconds until ``remaining`` is ``limit`` again.
    """

    what: str
    limit: float
    remaining: float
    reset_s: float


def advice(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds to wait by ``retry-after-ms`` (OpenAI and Azure send it beside the other), else ``Retry-After``, or None.

    Args:
        now: the current time, seconds since the epoch.
    """
    exact = headers.get("retry-after-ms", "").strip()
    if _NUMBER.fullmatch(exact):
        return float(exact) / 1000
    return retry_after(headers.get("Retry-After"), now)


def left(headers: Mapping[str, str]) -> Iterator[Left]:
    """The ``x-ratelimit-*`` headers (OpenAI, "Rate limits": headers), where they are whole and sound."""
    if "x-ratelimit-remaining-requests" not in headers and "x-ratelimit-remaining-tokens" not in headers:
        return
    for what in ("requests", "tokens"):
        limit, remaining = (headers.get(f"x-ratelimit-{name}-{what}", "") for name in ("limit", "remaining"))
        reset_s = duration(headers.get(f"x-ratelimit-reset-{what}", ""))
        if _NUMBER.fullmatch(limit) and _NUMBER.fullmatch(remaining) and reset_s is not None:
            yield Left(what, float(limit), float(remaining), reset_s)


def duration(text: str) -> float | None:
    """Seconds of ``6m0s``, ``120ms``, ``1d2h`` or a plain number of seconds; None for anything else."""
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return float(text)
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
