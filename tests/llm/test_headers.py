"""What endpoints say of their limits."""

from __future__ import annotations

import pytest

from datagen.llm.headers import Left, advice, duration, left


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *[("1s", 1.0), ("6m0s", 360.0), ("120ms", 0.12), ("1.5s", 1.5), ("1d2h", 93600.0), ("7", 7.0)],
        *[("", None), ("soon", None), ("-1s", None), ("1s later", None), ("9" * 40, None), ("1s" * 2 + "x", None)],
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert duration(text) == (None if seconds is None else pytest.approx(seconds))


def test_exact_advice_is_preferred() -> None:
    assert advice({"retry-after-ms": "70", "Retry-After": "1"}, 0.0) == 0.07
    assert advice({"retry-after-ms": "soon", "Retry-After": "2"}, 0.0) == 2.0
    assert advice({}, 0.0) is None


def test_only_whole_limits_are_read() -> None:
    whole = {
        "x-ratelimit-limit-requests": "500",
        "x-ratelimit-remaining-requests": "12",
        "x-ratelimit-reset-requests": "58.5s",
        "x-ratelimit-limit-tokens": "30000",
        "x-ratelimit-remaining-tokens": "none",
        "x-ratelimit-reset-tokens": "1s",
    }
    assert list(left(whole)) == [Left("requests", 500, 12, 58.5)]
    assert list(left({"Content-Type": "application/json"})) == []
