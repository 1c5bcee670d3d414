"""How near the client comes to the rate an endpoint allows, and how many requests are refused on the way.

::

    python -m benchmarks.rate [--seconds 60] [--rates 20 50] [--json FILE]

The fake endpoint answers after 200 ms and allows so many requests a second: as a token bucket (a tenth of a
second's requests may come at once) or in a sliding window of a second; with ``Retry-After: 1``, with the exact
milliseconds, or without. The ideal span is ``(requests - burst) / rate``. A sliding window costs an even sender
one window of that, whatever the length. Each variant has a server of its own; two run at the same time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.client import ours, requests
from tests.fakeserver import fake_server

VARIANTS = [(kind, after) for kind in ("bucket", "window") for after in ("none", "1", "exact")]


def one(rate: int, kind: str, after: str, seconds: int) -> dict[str, float | str]:
    """Drive one server."""
    burst = rate if kind == "window" else max(1, rate // 10)
    count = seconds * rate
    with (
        tempfile.TemporaryDirectory() as folder,
        fake_server(latency_ms=200, rate=rate, burst=burst, rate_kind=kind, retry_after=after) as server,
    ):
        span, _ = ours(server.url, requests("fake-model", count, "r"), 64, folder, "r")
        stats = server.stats()
    return {
        "rate": rate,
        "kind": kind,
        "retry_after": after,
        "x_ideal": span / ((count - burst) / rate),
        "refused": stats["limited"] / stats["questions"],
        "lost": count + 1 - stats["served"],  # one more to find out how the endpoint wants to be asked
    }


def main() -> None:
    """Print the table, and what was aimed at."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rates", type=int, nargs="+", default=[20, 50])
    parser.add_argument("--one", nargs=3, metavar=("RATE", "KIND", "AFTER"), help="only that one, as JSON")
    parser.add_argument("--json", default="", help="also write the figures to this file")
    options = parser.parse_args()
    if options.one:
        rate, kind, after = options.one
        print(json.dumps(one(int(rate), kind, after, options.seconds)))
        return
    base = [sys.executable, "-m", "benchmarks.rate", "--seconds", str(options.seconds), "--one"]
    variants = [(str(rate), kind, after) for rate in options.rates for kind, after in VARIANTS]

    def measured(variant: tuple[str, str, str]) -> dict[str, float | str]:
        found: dict[str, float | str] = json.loads(subprocess.check_output([*base, *variant]))
        return found

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(measured, variants))
    print(f"{options.seconds} s of requests")
    print(f"{'a second':>10}{'limiter':>10}{'Retry-After':>13}{'x ideal':>10}{'refused':>10}{'lost':>6}")
    for f in found:
        print(
            f"{f['rate']:10}{f['kind']:>10}{f['retry_after']:>13}{f['x_ideal']:10.3f}{f['refused']:10.1%}{f['lost']:6}"
        )
    print("aim: 1.03 x at most, 5 % at most, none lost")
    if options.json:
        Path(options.json).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
