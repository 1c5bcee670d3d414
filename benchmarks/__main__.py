"""``python -m benchmarks``: every benchmark that needs nothing but this checkout, one after another."""

from __future__ import annotations

import subprocess
import sys

BENCHMARKS = (
    ["benchmarks.startup"],
    ["benchmarks.client"],
    ["benchmarks.rate"],
    ["benchmarks.faults"],
    ["benchmarks.memory"],
    ["benchmarks.endpoint"],
    ["benchmarks.growth", "1000", "10000"],
    ["benchmarks.report"],
)


def main() -> None:
    """Run them; one that fails does not stop the others."""
    failed = []
    for command in BENCHMARKS:
        print(f"\n== python -m {' '.join(command)}", flush=True)
        if subprocess.run([sys.executable, "-m", *command], check=False).returncode:
            failed.append(command[0])
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
