"""What can go wrong with one HTTP request, below the retries."""

from __future__ import annotations

MAX_RAW = 64 * 1024  # characters of a reply kept for failed.jsonl


class Fault(Exception):
    """One request failed in a way that another attempt may cure.

    Attributes:
        reason: as in :class:`~datagen.llm.backend.CallFailed`.
        raw: what came back, as text.
        retry_after: seconds the endpoint asks to wait, or None where it does not say.
        free: the request is not to blame (its server is being restarted): this was no attempt.
        sent: something of the request may have reached the endpoint.
    """

    def __init__(
        self,
        reason: str,
        raw: str = "",
        retry_after: float | None = None,
        *,
        free: bool = False,
        sent: bool = True,
    ) -> None:
        super().__init__(reason, raw, retry_after)
        self.free = free
        self.sent = sent
        self.reason = reason
        self.raw = raw
        self.retry_after = retry_after


class Rejected(Exception):
    """The endpoint refuses this one request for good (HTTP 4xx); others may be answered.

    Attributes:
        status: the HTTP status.
        raw: the body, as text.
    """

    def __init__(self, status: int, raw: str) -> None:
        super().__init__(status, raw)
        self.status = status
        self.raw = raw


def as_text(data: bytes | str) -> str:
    """What was received, for a person to read: bytes that are not UTF-8 as ``\\xNN``, at most 64 KiB."""
    if isinstance(data, bytes):
        data = data[: 4 * MAX_RAW].decode("utf-8", "backslashreplace")
    return data[:MAX_RAW].encode("utf-8", "backslashreplace").decode("utf-8")
