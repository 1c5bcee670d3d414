"""What `datagen train` costs beside a bare TRL script on the same rows, the same model and the same steps.

    python -m benchmarks.training_overhead [EXPORT] [--steps 60] [--rounds 3]

Two programs, each in a process of its own and in turn, on a CPU with one thread: the processor time until the first
step is done (with starting, loading and, in ours, reading, planning and counting of memory), the processor time of a
step when all runs steadily (with logging, metrics and checkpoints), and that of everything. Least of the rounds, as
other work on the machine only adds. Target: a step within 1.03 x. Without EXPORT the rows are made up.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.bare_trl import STEADY


def made_up(folder: Path) -> Path:
    """120 rows of equal length, so that the order in which they are drawn costs neither program anything."""
    words = "the run keeps every record that a later stage drops and says why it went where it stood".split()
    rows = []
    for number in range(120):
        reply = " ".join(words[(number * 7 + k * 5) % len(words)] for k in range(70))
        talk = [{"role": "user", "content": f"What about {number}?"}, {"role": "assistant", "content": reply}]
        rows.append({"id": str(number), "messages": talk})
    (folder / "sft.train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def ours(export: Path, base: Path, out: Path, steps: int) -> None:
    """Train as the command does, and print the times as the bare script does."""
    from transformers import TrainerCallback

    from training.config import DpoConfig, SftConfig, TrainConfig
    from training.train import train

    class Clock(TrainerCallback):
        first = steady = last = 0.0

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            now = time.process_time()
            if state.global_step == 1:
                self.first = now
            if state.global_step == STEADY:
                self.steady = now
            self.last = now

    clock = Clock()
    sft = SftConfig(max_steps=steps, batch=2, accumulation=2, learning_rate=1e-4, warmup=0.0)
    config = TrainConfig(base=str(base), sft=sft, dpo=DpoConfig(enabled=False))
    train(export, out, config, say=lambda _: None, callbacks=[clock])
    print(json.dumps({"first": clock.first, "steady": clock.last - clock.steady, "all": time.process_time()}))


def measured(command: list[str]) -> dict[str, float]:
    """The times a program prints, and the seconds it took by the clock on the wall."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return {**found, "wall": time.perf_counter() - begun}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("export", nargs="?", type=Path)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ours", nargs=3, metavar=("EXPORT", "BASE", "OUT"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.ours:
        ours(*(Path(path) for path in given.ours), steps=given.steps)
        return
    from training.rows import read_sft
    from training.tiny import make

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        export = given.export or made_up(folder)
        rows = read_sft(export)
        texts = [message["content"] for row in rows.train for message in row.messages]
        base = make(folder / "base", texts, hidden=256, layers=4)
        file = folder / "rows.jsonl"
        file.write_text(
            "".join(json.dumps({"messages": list(row.messages)}) + "\n" for row in rows.train), encoding="utf-8"
        )
        found: dict[str, list[dict[str, float]]] = {"bare TRL": [], "datagen train": []}
        for turn in range(given.rounds):
            bare = ["-m", "benchmarks.bare_trl", str(file), str(base), str(folder / f"bare{turn}"), str(given.steps)]
            own = ["-m", "benchmarks.training_overhead", "--steps", str(given.steps), "--ours", str(export), str(base)]
            found["bare TRL"].append(measured(bare))
            found["datagen train"].append(measured([*own, str(folder / f"ours{turn}")]))
    report(found, given.steps)


def report(found: dict[str, list[dict[str, float]]], steps: int) -> None:
    """Print the least of each figure, and the ratios."""
    least = {name: {key: min(one[key] for one in times) for key in times[0]} for name, times in found.items()}
    each = steps - STEADY
    print(f"{'':<15}{'first step':>12}{'a step':>12}{'all':>10}{'by the clock':>15}")
    for name, one in least.items():
        print(
            f"{name:<15}{one['first']:>10.2f} s{one['steady'] / each * 1000:>9.1f} ms{one['all']:>8.2f} s"
            f"{one['wall']:>13.2f} s"
        )
    own, bare = least["datagen train"], least["bare TRL"]
    ratios = {key: own[key] / bare[key] for key in ("first", "steady", "all", "wall")}
    print("ratio".ljust(15) + "".join(f"{ratios[key]:>{wide}.3f} x" for key, wide in _WIDTHS))


_WIDTHS = (("first", 10), ("steady", 10), ("all", 8), ("wall", 13))

if __name__ == "__main__":
    main()
