"""Which request is answered with which fault: decided by its body, so that a test can be repeated."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.fakeserver_replies import draw

KINDS = (
    "429",  # without Retry-After
    "429_after",
    "500",
    "503",
    "drop_before",  # the connection ends before the headers
    "drop_after",  # ... after them
    "hang",
    "truncated",  # the JSON of the envelope ends in the middle
    "utf8",  # the body is not UTF-8
    "refusal",  # in the envelope's own field
    "apology",  # prose that refuses
    "length",  # finish_reason length, the JSON cut off
    "prose",  # an answer without JSON
    "schema",  # JSON of another shape
    "400",
)


@dataclass(frozen=True)
class Fault:
    """``rate`` of all requests get ``kind`` at each of their first ``times`` attempts."""

    kind: str
    rate: float
    times: float = 1

    @classmethod
    def read(cls, text: str) -> Fault:
        """From ``kind=rate`` or ``kind=rate:times``, where times may be ``always``."""
        kind, _, rest = text.partition("=")
        rate, _, times = rest.partition(":")
        if kind not in KINDS:
            raise ValueError(f"unknown fault {kind!r}; known are {', '.join(KINDS)}")
        return cls(kind, float(rate), float("inf") if times == "always" else float(times or 1))


@dataclass
class Plan:
    """Decides, and counts the attempts of each request."""

    faults: tuple[Fault, ...]
    seed: int = 0
    attempts: dict[str, int] = field(default_factory=dict)

    def next(self, key: str) -> tuple[int, str | None]:
        """The number of this attempt (from 1) at the request ``key``, and its fault or None."""
        attempt = self.attempts[key] = self.attempts.get(key, 0) + 1
        place = draw(key, self.seed) / 2**64
        for fault in self.faults:
            if place < fault.rate:
                return attempt, fault.kind if attempt <= fault.times else None
            place -= fault.rate
        return attempt, None
