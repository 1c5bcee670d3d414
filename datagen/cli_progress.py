"""Progress on standard error: one live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from datagen.core import progress as ticks

PLAIN_EVERY_S = 5.0


class Progress:
    """Listens to a run's events and shows them. Use as a context manager around the run."""

    def __init__(self, live: bool | None = None) -> None:
        self._live_wanted = sys.stderr.isatty() if live is None else live
        self._live: Any = None
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._stages: list[dict[str, Any]] = []
        self._ticks: dict[str, list[int]] = {}
        self._first: dict[str, float] = {}
        self._last: dict[str, float] = {}
        self._meters: dict[str, Any] = {}
        self._last_plain = time.monotonic()
        self._leave = ticks.subscribe(self._tick)
        self._unlisten = ticks.listen(self.note)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()
        self._unlisten()
        if self._live is not None:
            self._live.stop()
            self._live = None

    def note(self, text: str) -> None:
        """A line that stays, above the live view."""
        text = printable(text)
        if self._live is not None:
            self._live.console.print(text, markup=False, highlight=False)
        else:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Take in one event of the run."""
        name = event["event"]
        if name == "progress":
            with self._lock:
                self._stages = event["stages"]
                self._meters = {k: v for k, v in event.items() if k not in ("time", "event", "stages")}
            self._show()
        elif name == "start":
            self._first.setdefault(event["stage"], time.monotonic())

    def _tick(self, stage: str, done: int, expected: int) -> None:
        with self._lock:
            counts = self._ticks.setdefault(stage, [0, 0])
            counts[0] += done
            counts[1] += expected
        if not self._live_wanted:
            self._show()  # in a long fold there are no events

    def _rows(self) -> list[tuple[str, float, int, str, str]]:
        """(stage, share done, records, rate, time left) of each stage."""
        now = time.monotonic()
        rows = []
        with self._lock:
            for stage in self._stages:
                name, shards, done = stage["stage"], stage["shards"], stage["done"]
                ticking = [part for part in stage["stages"] if part in self._ticks]
                begun, expected = (sum(self._ticks[part][i] for part in ticking) for i in (0, 1))
                slowest = max(ticking, key=lambda part: self._ticks[part][1] - self._ticks[part][0], default=name)
                share = done / shards if shards else 1.0
                count = stage["records"]
                if expected and done < shards:
                    # Shards under way count for the part of their items that is finished.
                    under_way = max(1, expected)
                    seen_shards = max(1, min(shards - stage["reused"], done - stage["reused"] + 1))
                    share = max(share, min(0.999, (stage["reused"] + begun / under_way * seen_shards) / shards))
                    count = max(count, begun)
                ended = self._last.setdefault(name, now) if share >= 1 else now  # the rate of a finished stage stands
                seconds = ended - self._first.get(name, now)
                rate = count / seconds if seconds > 0.2 and count else 0.0
                left = ""
                fresh = share - (stage["reused"] / shards if shards else 0)
                if 0 < share < 1 and fresh > 0 and seconds > 2:
                    left = _span(seconds * (1 - share) / fresh)
                if slowest != name and share < 1:
                    name += f", {slowest}"
                rows.append((name, share, count, f"{rate:,.0f}/s" if rate >= 1 else "", left))
        return rows

    def _meter_text(self) -> str:
        return "  ".join(
            f"{name.replace('_', ' ')} {value}" for name, value in self._meters.items() if value not in (None, "")
        )

    def _show(self) -> None:
        if self._live_wanted:
            self._show_live()
            return
        now = time.monotonic()
        if now - self._last_plain < PLAIN_EVERY_S:
            return
        self._last_plain = now
        busy = [
            f"{name} {share:.0%}" + (f" ({rate}{', ' + left + ' left' if left else ''})" if rate else "")
            for name, share, _count, rate, left in self._rows()
            if share < 1
        ]
        if busy:
            line = f"[{_span(now - self._started)}] " + "  ".join(busy)
            meters = self._meter_text()
            sys.stderr.write(line + (f"  |  {meters}" if meters else "") + "\n")
            sys.stderr.flush()

    def _show_live(self) -> None:
        from rich.console import Console
        from rich.live import Live

        if self._live is None:
            console = Console(stderr=True)
            self._live = Live(console=console, get_renderable=self._table, refresh_per_second=5, transient=True)
            self._live.start()

    def _table(self) -> Any:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        for name, share, count, rate, left in self._rows():
            table.add_row(
                Text(name),
                ProgressBar(total=1.0, completed=share, width=30),
                Text(f"{share:4.0%}"),
                Text(f"{count:,}" if count else ""),
                Text(rate),
                Text(f"{left} left" if left else ""),
            )
        meters = self._meter_text()
        if meters:
            table.add_row(Text(""), Text(meters))
        return table


def _span(seconds: float) -> str:
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def printable(text: str) -> str:
    """Text for a terminal: names of files and what an endpoint says come from outside and may hold escape sequences."""
    return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)
