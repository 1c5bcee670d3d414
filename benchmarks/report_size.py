"""What a report and an export cost at 1,000, 10,000 and 100,000 samples: time, memory, file size, and how long
the page takes to open in Chromium where there is one.

Usage: ``python -m benchmarks.report_size [SAMPLES …]``. Each size runs in a process of its own, so that its peak
memory is its own. The records are made up (tests/output/made.py), and making them is timed apart.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIZES = (1_000, 10_000, 100_000)


def peak_mb() -> float:
    """Peak resident memory of this process, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(n: int) -> dict[str, float]:
    """One size, in this process."""
    from datagen.core.record import Sample
    from datagen.output.export import write_exports
    from datagen.output.report import write_report
    from tests.output import browser, made

    start = time.perf_counter()
    for _ in made.run(n, model=True):
        pass
    making = time.perf_counter() - start
    out: dict[str, float] = {"samples": n, "base_mb": peak_mb()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = time.perf_counter()
        data = made.build(made.run(n, model=True), made.facts(True))
        out["gather_s"] = time.perf_counter() - start - making
        start = time.perf_counter()
        write_report(data, folder)
        out["write_s"] = time.perf_counter() - start
        out["report_mb"] = peak_mb()
        out["html_kb"] = (folder / "report.html").stat().st_size / 1e3
        out["json_kb"] = (folder / "report.json").stat().st_size / 1e3
        for format in ("messages", "parquet"):
            start = time.perf_counter()
            samples = (r for r in made.run(n, model=True) if isinstance(r, Sample))
            write_exports(samples, folder / format, format, card_facts=data)
            out[f"{format}_s"] = time.perf_counter() - start - making
            out[f"{format}_mb"] = peak_mb()
        if browser.find():
            with browser.page() as page:
                page.open(folder / "report.html")
                timing = "(t => t.loadEventEnd - t.startTime)(performance.getEntriesByType('navigation')[0])"
                out["open_s"] = page.js(timing) / 1e3
    return out


def main() -> None:
    """Print one line a size."""
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(int(sys.argv[2]))))
        return
    rows = []
    for n in [int(a) for a in sys.argv[1:]] or SIZES:
        command = [sys.executable, "-m", "benchmarks.report_size", "--one", str(n)]
        rows.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        if len(rows) == 1:
            print("  ".join(f"{name:>12}" for name in rows[0]))
        print(
            "  ".join(f"{value:>12,.2f}" if name != "samples" else f"{value:>12,}" for name, value in rows[-1].items())
        )


if __name__ == "__main__":
    main()
