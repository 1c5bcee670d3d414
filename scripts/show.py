"""Print the first pairs of a run's export: ``python scripts/show.py RUN [N]``."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> None:
    """Print N pairs, one of each document first."""
    run, count = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3
    rows = [json.loads(line) for line in (run / "export" / "sft.train.jsonl").open(encoding="utf-8")]
    step = max(1, len(rows) // max(1, count))
    for row in rows[::step][:count]:
        question, answer = row["messages"][-2]["content"], row["messages"][-1]["content"]
        sys.stdout.write(f"  Q {question}\n  A {answer}\n\n")


main()
