"""What a report costs at 1,000, 10,000 and 100,000 samples: time and memory to build it, its size, and how long
Chromium takes to open it and to answer in it, where there is one.

Beside it, in the same process, the floor: the same samples written as plain JSON lines.

Usage: ``python -m benchmarks.report [SAMPLES …]``. Each size runs in a process of its own, so that its peak memory is
its own. The records are made up (tests/output/made.py) while they are read, which is not counted. To two
thirds of the samples random letters are added, which pack worse than any language.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SIZES = (1_000, 10_000, 100_000)
MOST_BYTES, MOST_OPEN_S = 25_000_000, 2.0
_READY = "document.documentElement.dataset.ready === 'true'"


def peak_mb() -> float:
    """Peak resident memory of this process, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def records(n: int) -> Iterator[Any]:
    """A made-up run of about ``n`` samples, with texts that hardly pack."""
    from datagen.core.record import Sample
    from tests.output import made

    rng = random.Random(n)
    for record in made.run(n, model=True):
        if isinstance(record, Sample) and rng.random() < 2 / 3:
            noise = " ".join(f"{rng.getrandbits(40):x}" for _ in range(24))
            record = record.model_copy(update={"source": f"{record.source} {noise}", "justification": noise})
        yield record


class Clocked:
    """Records, and the seconds that making them took."""

    def __init__(self, n: int) -> None:
        self._records = records(n)
        self.seconds = 0.0

    def __iter__(self) -> Clocked:
        return self

    def __next__(self) -> Any:
        start = time.perf_counter()
        try:
            return next(self._records)
        finally:
            self.seconds += time.perf_counter() - start


def floor(n: int, path: Path) -> float:
    """Seconds to write the samples as JSON lines."""
    from datagen.core.record import Sample

    made = Clocked(n)
    start = time.perf_counter()
    with path.open("w", encoding="utf-8") as file:
        for record in made:
            if isinstance(record, Sample):
                file.write(record.model_dump_json() + "\n")
    return time.perf_counter() - start - made.seconds


def measure(n: int) -> dict[str, float]:
    """One size, in this process."""
    from datagen.core.record import Sample
    from datagen.output.export import write_exports
    from datagen.output.report import write_report
    from tests.output import made

    out: dict[str, float] = {"samples": n, "base_mb": peak_mb()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        out["floor_s"] = floor(n, folder / "floor.jsonl")
        write_exports((r for r in records(n) if isinstance(r, Sample)), {"messages": folder / "export"})
        out["export_mb"] = peak_mb()
        read = Clocked(n)
        start = time.perf_counter()
        data = made.build(read, made.facts(True))
        out["gather_s"] = time.perf_counter() - start - read.seconds
        start = time.perf_counter()
        write_report(data, folder, {"export": folder / "export"})
        out["write_s"] = time.perf_counter() - start
        out["times_floor"] = (out["gather_s"] + out["write_s"]) / out["floor_s"]
        out["peak_mb"] = peak_mb()
        out["html_mb"] = (folder / "report.html").stat().st_size / 1e6
        out["json_mb"] = (folder / "report.json").stat().st_size / 1e6
        out |= opened(folder / "report.html")
    return out


def opened(path: Path) -> dict[str, float]:
    """Seconds until the page can be used, until a row of the export is found, and until a whole search is done."""
    from tests.output import browser

    if not browser.find():
        return {}
    with browser.page() as page:
        start = time.perf_counter()
        page.open(path)
        look = f"{_READY} ? done(performance.now()) : setTimeout(look, 5)"
        wait = f"new Promise(done => {{ const look = () => {look}; look(); }})"
        ready = page.js(wait) / 1e3
        wall = time.perf_counter() - start
        row, search = (
            page.js(
                f"""new Promise(done => {{ const t = performance.now(), f = document.forms.filters.elements;
                    f.file.selectedIndex = 0; f.row.value = {row!r}; f.text.value = {text!r};
                    f.text.dispatchEvent(new Event('input', {{bubbles: true}}));
                    const look = () => /{until}/.test(document.getElementById('found').textContent)
                        ? done(performance.now() - t) : setTimeout(look, 5);
                    look(); }})"""
            )
            / 1e3
            for row, text, until in (("417", "", "[Rr]ow 417"), ("", "rate limiter", "match"))
        )
    return {"open_s": min(ready, wall), "row_s": row, "search_s": search}


def main() -> None:
    """Print one line a size."""
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(int(sys.argv[2]))))
        return
    rows: list[dict[str, float]] = []
    for n in [int(a) for a in sys.argv[1:]] or SIZES:
        command = [sys.executable, "-m", "benchmarks.report", "--one", str(n)]
        rows.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        if len(rows) == 1:
            print("  ".join(f"{name:>11}" for name in rows[0]))
        print(
            "  ".join(f"{v:>11,.2f}" if name != "samples" else f"{v:>11,}" for name, v in rows[-1].items()), flush=True
        )
    print(f"bounds: html_mb under {MOST_BYTES / 1e6:g}, open_s under {MOST_OPEN_S:g}")


if __name__ == "__main__":
    main()
