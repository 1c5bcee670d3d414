"""When an endpoint fails for everybody, sending more is no use."""

from __future__ import annotations

OPENS_AT = 12  # failures in a row: of requests that fail independently, 3 in 10, one row in two million


class Breaker:
    """Counts failures in a row that may be the endpoint's (M. Nygard, "Release It!", 2007: circuit breaker).

    When it opens nothing more is sent, except one small question after each of a few growing waits: an
    answer closes it. If the endpoint answers that question while requests go on failing, it is the
    requests: it then takes four times as many to open it again, until one succeeds.

    Attributes:
        open: nothing may be sent.
    """

    def __init__(self) -> None:
        self.open = False
        self._row = 0
        self._opens_at = OPENS_AT
        self._closed_at = 0.0

    def failed(self, sent_at: float) -> bool:
        """A request failed.

        Returns:
            Whether this opens it.
        """
        if self.open or sent_at < self._closed_at:  # it was sent before the trouble ended
            return False
        self._row += 1
        if self._row < self._opens_at:
            return False
        self.open = True
        return True

    def succeeded(self) -> None:
        """A request was answered."""
        self._row = 0
        self._opens_at = OPENS_AT

    def close(self, now: float) -> None:
        """The small question was answered."""
        self.open = False
        self._row = 0
        self._closed_at = now
        self._opens_at *= 4
