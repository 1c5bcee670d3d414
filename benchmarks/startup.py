"""How long ``datagen --help`` takes, beside a bare interpreter and an interpreter that imports typer.

    python -m benchmarks.startup

Prints medians of 11 interleaved runs. Target: under 0.3 s.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import typer": ["-c", "import typer"],
    "datagen --help": ["-m", "datagen", "--help"],
    "datagen run --help": ["-m", "datagen", "run", "--help"],
}


def main() -> None:
    """Print the table."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(11):
        for name, args in COMMANDS.items():
            begun = time.perf_counter()
            subprocess.run([sys.executable, *args], stdout=subprocess.DEVNULL, check=True)
            times[name].append(time.perf_counter() - begun)
    floor = statistics.median(times["import typer"])
    for name, found in times.items():
        median = statistics.median(found)
        print(f"{name:<20} {median * 1000:6.0f} ms  {median / floor:5.2f} x import typer")


if __name__ == "__main__":
    main()
