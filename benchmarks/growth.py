"""How time and memory of a whole run grow with the number of chunks.

    python -m benchmarks.growth [1000 10000 50000] [--model]

Writes made-up manuals (about 12 chunks each), runs `datagen run` on them in a process of its own and
prints seconds, chunks a second, peak memory of the largest process, and the ratio to the smallest
size: linear time is a ratio near 1.0 of seconds a chunk, flat memory a ratio near 1.0 of peak.
With --model a fake endpoint (no latency) answers: one process of this machine, sharing its cores.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fakeserver import fake_server
from tests.runs import environment, write_corpus

CHUNKS_A_DOCUMENT = 8


def measure(chunks: int, url: str, folder: Path) -> dict[str, float]:
    """Run once on a corpus of about that many chunks; seconds, peak MB, chunks."""
    source = write_corpus(folder / f"docs-{chunks}", max(1, chunks // CHUNKS_A_DOCUMENT), sections=CHUNKS_A_DOCUMENT)
    run = folder / f"run-{chunks}"
    command = [sys.executable, "-m", "datagen", "run", "--source", source, "--out", run]
    command += ["--set", "engine.executor=inline", "--set", "judge.threshold=1"]
    if url:
        command += ["--base-url", url]
    begun = time.monotonic()
    process = subprocess.Popen(
        list(map(str, command)), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    peak = 0.0
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
            peak = max(peak, float(status.split("VmHWM:")[1].split()[0]) / 1024)
        except (OSError, IndexError):
            pass
        time.sleep(0.05)
    seconds = time.monotonic() - begun
    if process.returncode not in (0, 1):
        raise SystemExit(f"the run failed with exit code {process.returncode}")
    report = json.loads((run / "report.json").read_text())
    return {"chunks": sum(d["chunks"] for d in report["documents"]), "seconds": seconds, "peak_mb": peak}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("sizes", nargs="*", type=int, default=[1000, 10_000, 50_000])
    parser.add_argument("--model", action="store_true")
    options = parser.parse_args()
    sizes = options.sizes or [1000, 10_000, 50_000]
    with tempfile.TemporaryDirectory() as folder, fake_server() as server:
        first: dict[str, float] = {}
        print(f"{'chunks':>8} {'seconds':>8} {'chunks/s':>9} {'peak MB':>8} {'time a chunk':>13} {'memory':>7}")
        for size in sizes:
            found = measure(size, server.url if options.model else "", Path(folder))
            first = first or found
            each = (found["seconds"] / found["chunks"]) / (first["seconds"] / first["chunks"])
            print(
                f"{found['chunks']:>8.0f} {found['seconds']:>8.1f} {found['chunks'] / found['seconds']:>9.0f} "
                f"{found['peak_mb']:>8.0f} {each:>12.2f}x {found['peak_mb'] / first['peak_mb']:>6.2f}x",
                flush=True,
            )


if __name__ == "__main__":
    main()
