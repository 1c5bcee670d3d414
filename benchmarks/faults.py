"""What mixed faults cost: requests beyond those that were needed and those that a fault made necessary.

::

    python -m benchmarks.faults [--calls 3000] [--share 0.3] [--json FILE]

A share of the requests meets a fault at its first attempt: 429 with and without Retry-After, 500, 503, connections
dropped before and after the headers, hangs, truncated bodies, bytes that are not UTF-8. Wasted is what was sent
beyond one request a call and one for each fault met.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from benchmarks.client import ours, requests
from tests.fakeserver import fake_server

KINDS = ("429", "429_after", "500", "503", "drop_before", "drop_after", "hang", "truncated", "utf8")


def main() -> None:
    """Print the figures, and what was aimed at."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=3000)
    parser.add_argument("--share", type=float, default=0.3)
    parser.add_argument("--sigma", type=float, default=0.5, help="of the log-normal latency around 200 ms")
    parser.add_argument("--json", default="", help="also write the figures to this file")
    options = parser.parse_args()
    faults = dict.fromkeys(KINDS, options.share / len(KINDS))
    with (
        tempfile.TemporaryDirectory() as folder,
        fake_server(latency_ms=200, sigma=options.sigma, faults=faults, retry_after="0.5") as server,
    ):
        span, _ = ours(server.url, requests("fake-model", options.calls, "f"), 64, folder, "f")
        stats = server.stats()
    met = sum(stats["faults"].values())
    wasted = stats["questions"] - 1 - options.calls - met  # one to find out how the endpoint wants to be asked
    figures = {
        "calls": options.calls,
        "faults": met,
        "wasted": wasted,
        "wasted_share": wasted / options.calls,
        "lost": 0,  # `ours` checks that every call has a valid answer
        "span_s": span,
        "x_ideal": span / (options.calls / 64 * 0.2),
    }
    print(
        f"{options.calls} calls, {met} faults ({', '.join(f'{n} {k}' for k, n in sorted(stats['faults'].items()))})\n"
        f"{wasted} requests wasted: {figures['wasted_share']:.2%} of the calls (aim: 2 % at most); none lost\n"
        f"{span:.1f} s, {figures['x_ideal']:.2f} x the time without faults at the median latency"
    )
    if options.json:
        Path(options.json).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
