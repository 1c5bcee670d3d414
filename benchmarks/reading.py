"""How fast documents are read: ours against markitdown, on the same files, one process each.

Ours goes the whole way, through the locked reader process with its checks; markitdown converts in a
plain process of its own. Both are warm (one pass that is not counted), then passes alternate, and each
file counts with the median of its passes. Files that either cannot read are left out of the comparison.
reStructuredText is shown and not counted: markitdown copies such files as they are, ours are parsed.

Set up and run, from the project's root::

    python -m venv markitdown-env
    markitdown-env/bin/pip install 'markitdown[all]'
    python -m benchmarks.reading DOCUMENTS --markitdown markitdown-env/bin/python

Target: 5 times as fast overall.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from datagen.core.record import SourceFile
from datagen.sources.config import SourcesConfig, SplitConfig
from datagen.sources.discover import discover
from datagen.sources.parsed import Options, Unreadable
from datagen.sources.pool import Pool

_PARSED_BY_ONE = frozenset(["rst", "markdown", "text", "code"])  # markitdown has no reader for these: it copies

# Runs in markitdown's own environment: a path a line in, seconds (or null) and characters a line out.
_THEIRS = """
import json, sys, time
from markitdown import MarkItDown
converter = MarkItDown()
for path in sys.stdin:
    begun = time.perf_counter()
    try:
        text = converter.convert(path.rstrip("\\n")).text_content
        answer = [time.perf_counter() - begun, len(text)] if text.strip() else [None, 0]
    except Exception:
        answer = [None, 0]
    print(json.dumps(answer), flush=True)
"""

Read = Callable[[SourceFile], "tuple[float | None, int]"]


def ours(pool: Pool) -> Read:
    """Seconds (None where it cannot be read) and characters of one file, by our readers."""

    def read(file: SourceFile) -> tuple[float | None, int]:
        begun = time.perf_counter()
        try:
            data = Path(file.location).read_bytes()
            text = pool.read(file.kind, data, Options(), 120).text
        except Unreadable:
            return None, 0
        return time.perf_counter() - begun, len(text)

    return read


def theirs(to: IO[str], out: IO[str]) -> Read:
    """The same by markitdown."""

    def read(file: SourceFile) -> tuple[float | None, int]:
        to.write(file.location + "\n")
        to.flush()
        seconds, length = json.loads(out.readline())
        return seconds, length

    return read


def compare(files: list[SourceFile], readers: list[Read], passes: int) -> dict[str, list[float]]:
    """Median seconds of each reader for each file that both can read."""
    times: dict[str, list[list[float]]] = {}
    for turn in range(passes + 1):
        order = list(enumerate(readers))
        for which, read in order if turn % 2 else order[::-1]:
            for file in files:
                seconds, _ = read(file)
                times.setdefault(file.path, [[] for _ in readers])
                if turn and seconds is not None:
                    times[file.path][which].append(seconds)
    full = {path: each for path, each in times.items() if all(len(t) == passes for t in each)}
    return {path: [statistics.median(t) for t in each] for path, each in full.items()}


def show(files: list[SourceFile], medians: dict[str, list[float]]) -> float:
    """Print the table; returns how many times faster ours is over all counted files."""
    kinds: dict[str, list[float]] = {}
    counts: dict[str, int] = {}
    for file in files:
        if file.path in medians:
            total = kinds.setdefault(file.kind, [0.0, 0.0])
            counts[file.kind] = counts.get(file.kind, 0) + 1
            for i, seconds in enumerate(medians[file.path]):
                total[i] += seconds
    print(f"{'kind':<10} {'files':>5} {'ours, ms':>10} {'markitdown, ms':>15} {'ratio':>8}")
    for kind, (a, b) in sorted(kinds.items()):
        note = "   not counted: copied, not parsed" if kind in _PARSED_BY_ONE else ""
        print(f"{kind:<10} {counts[kind]:>5} {a * 1000:>10.1f} {b * 1000:>15.1f} {b / a:>7.1f}x{note}")
    ratio = 0.0
    for label, left_out in (("all", frozenset[str]()), ("counted", _PARSED_BY_ONE)):
        times = [each for kind, each in kinds.items() if kind not in left_out]
        a, b = (sum(each[i] for each in times) for i in (0, 1))
        ratio = b / a if a else 0.0
        print(f"{label:<10} {'':>5} {a * 1000:>10.1f} {b * 1000:>15.1f} {ratio:>7.1f}x")
    return ratio


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Reading speed against markitdown.")
    parser.add_argument("source", help="a folder of documents")
    parser.add_argument("--markitdown", required=True, help="the Python of an environment that has markitdown[all]")
    parser.add_argument("--passes", type=int, default=5, help="passes that count")
    options = parser.parse_args()
    files = discover(SourcesConfig(paths=(options.source,)), SplitConfig(), 0).files
    pool = Pool(1, 1500)
    command = [options.markitdown, "-c", _THEIRS]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        medians = compare(files, [ours(pool), theirs(process.stdin, process.stdout)], options.passes)
        process.stdin.close()
    pool.close()
    left_out = len(files) - len(medians)
    show(files, medians)
    print(f"{len(medians)} files, {left_out} that one of the two cannot read left out")


if __name__ == "__main__":
    main()
