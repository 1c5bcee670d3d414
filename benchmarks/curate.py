"""How fast `datagen curate` is, step by step, and how time and memory grow with the rows.

    python -m benchmarks.curate [10000 100000] [--only STEP]... [--rows FILE] [--limit SECONDS]

Makes instruction rows and takes them through each step alone, through the steps that are done where none is named
(`default`), and through reading and writing alone (`floor`: a process that loads each line with `json` and writes the
line again). Prints rows a second, CPU milliseconds a row, and the peak of memory: the sum of VmHWM over the
processes that live at one time, so that what they share counts more than once. `growth` is the last size against the
first: seconds a row, and memory.
`semantic` is measured at 5,000 rows alone. With `--rows FILE` that file is read and nothing made.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.instruction_rows import write
from tests.runs import environment

STEPS = ("rules", "pii", "malicious", "toxicity", "dedupe", "semantic", "decontaminate", "select")
FLOOR, DEFAULT = "floor", "default"
SEMANTIC_ROWS = 5_000
AGAINST_ROWS = 1_000
_POLL_S = 0.1
_READ_AND_WRITE = """
import json, sys
with open(sys.argv[1], "rb") as read, open(sys.argv[2], "wb") as written:
    for line in read:
        json.loads(line)
        written.write(line)
"""


@dataclass(frozen=True)
class Figures:
    """What one command took.

    Attributes:
        rows: how many it was given.
        seconds, cpu: wall and CPU seconds of the command with its children.
        peak: MB.
        kept: rows that were kept.
        done: it ended in time.
    """

    rows: int
    seconds: float
    cpu: float
    peak: float
    kept: int
    done: bool = True


def children(pid: int) -> list[int]:
    """A process and those that it started, as far as they live."""
    out, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        out.append(one)
        try:
            for task in Path(f"/proc/{one}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return out


def held(pid: int) -> float:
    """The most memory, in MB, that a process has held so far; 0 where it has ended."""
    try:
        return float(Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
    except (OSError, IndexError):
        return 0.0


def timed(command: Sequence[str | Path], rows: int, out: Path, limit: float) -> Figures:
    """Run a command to its end, or to the limit in seconds."""
    begun = time.monotonic()
    before = os.times()
    process = subprocess.Popen(
        list(map(str, command)),
        env=environment(OMP_NUM_THREADS="1"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    peak, done = 0.0, True
    while process.poll() is None:
        peak = max(peak, sum(map(held, children(process.pid))))
        if time.monotonic() - begun > limit:
            done = False
            os.killpg(process.pid, 9)
            break
        time.sleep(_POLL_S)
    _, said = process.communicate()
    seconds, after = time.monotonic() - begun, os.times()
    if done and process.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{said.decode()}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    kept = json.loads((out / "report.json").read_text())["kept"] if done and out.is_dir() else 0
    return Figures(rows, seconds, cpu, peak, kept, done)


def measured(step: str, source: Path, rows: int, folder: Path, limit: float) -> Figures:
    """One step on one file."""
    out = folder / f"{step}-{rows}"
    if step == FLOOR:
        return timed([sys.executable, "-c", _READ_AND_WRITE, source, out], rows, out, limit)
    command: list[str | Path] = [sys.executable, "-m", "datagen", "curate", source, "--out", out]
    if step != DEFAULT:
        command += ["--only", step]
    if step == "decontaminate":
        command += ["--against", write(folder / "against.jsonl", AGAINST_ROWS, seed=1)]
    if step == "select":
        command += ["--target", str(rows // 2)]
    return timed(command, rows, out, limit)


def count(path: Path) -> int:
    """Lines of a file."""
    with path.open("rb") as file:
        return sum(1 for _ in file)


def shown(step: str, figures: Sequence[Figures]) -> str:
    """A line of the table."""
    parts = [f"{step:<13}"]
    for found in figures:
        if found.done:
            told = f"{found.rows / found.seconds:>9,.0f} {found.cpu * 1000 / found.rows:>8.3f}"
        else:
            told = f"{'not done':>9} {'-':>8}"
        parts.append(f"{found.rows:>9,} {told} {found.peak:>7,.0f} {found.kept:>9,}")
    if len(figures) > 1 and all(found.done for found in figures):
        first, last = figures[0], figures[-1]
        each = (last.seconds / last.rows) / (first.seconds / first.rows)
        parts.append(f"{each:>6.2f}x {last.peak / first.peak:>6.2f}x")
    return " |".join(parts)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("sizes", nargs="*", type=int)
    parser.add_argument("--only", action="append", choices=(FLOOR, *STEPS, DEFAULT))
    parser.add_argument("--rows", type=Path)
    parser.add_argument("--limit", type=float, default=900)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.rows.parent if options.rows else None) as name:
        folder = Path(name)
        if options.rows:
            files = [(options.rows, count(options.rows))]
        else:
            sizes = options.sizes or [10_000, 100_000]
            files = [(write(folder / f"{size}.jsonl", size), size) for size in sizes]
        head = f"{'rows':>9} {'rows/s':>9} {'ms CPU':>8} {'MB':>7} {'kept':>9}"
        print(" |".join([f"{'step':<13}", *[head] * len(files), " time/row memory"]))
        for step in options.only or (FLOOR, *STEPS, DEFAULT):
            given = files
            if step == "semantic" and not options.rows:
                given = [(write(folder / "semantic.jsonl", SEMANTIC_ROWS), SEMANTIC_ROWS)]
            print(shown(step, [measured(step, path, rows, folder, options.limit) for path, rows in given]), flush=True)


if __name__ == "__main__":
    main()
