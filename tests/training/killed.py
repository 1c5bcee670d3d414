"""Trains, is killed at random moments, and goes on: run by test_kill.py in a process of its own.

One process loads the libraries; its children train, so that ten kills do not cost ten times the loading.
Prints a JSON object: the adapters' checksums undisturbed and disturbed, and where each kill struck.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import warnings
from pathlib import Path
from typing import Any

warnings.simplefilter("ignore")

from tests.training import exports  # noqa: E402
from training import base, checkpoints, dpo, metrics, sft, stage  # noqa: E402, F401 - loaded before the first fork
from training.config import DpoConfig, SftConfig  # noqa: E402
from training.train import train  # noqa: E402


def child(export: Path, out: Path, config: Any) -> int:
    """Train in a child process; returns its number."""
    number = os.fork()
    if number:
        return number
    try:
        log = (out.parent / f"{out.name}.log").open("a", encoding="utf-8", buffering=1)

        def say(line: str) -> None:
            log.write(line + "\n")

        train(export, out, config, say=say)
    except BaseException as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def finished(number: int) -> bool:
    """Whether a child has ended, as it should."""
    done, status = os.waitpid(number, os.WNOHANG)
    if done and status:
        raise SystemExit(f"a child ended with {status}")
    return bool(done)


def kill_at(number: int, out: Path, lines: int, wait: float) -> str | None:
    """Kill a child once it has logged ``lines`` lines and ``wait`` seconds have passed; where it was, or None."""
    while len(metrics.read(out / metrics.FILE)) < lines:
        if finished(number):
            return None
        time.sleep(0.002)
    time.sleep(wait)
    if finished(number):
        return None
    os.kill(number, signal.SIGKILL)
    os.waitpid(number, 0)
    last = metrics.read(out / metrics.FILE)[-1]
    return f"{last['stage']} {last['step']}"


def sums(out: Path) -> list[str]:
    """Checksums of both adapters."""
    return [checkpoints.adapter_sha256(out / "adapters" / name) for name in ("sft", "dpo")]


def main(folder: Path, kills: int, seed: int) -> None:
    """Undisturbed first, then with ``kills`` kills spread over both stages."""
    draw = random.Random(seed)
    exports.base(folder / "base")
    source = exports.export(folder / "export")
    config = exports.config(
        folder / "base",
        sft=SftConfig(epochs=2, batch=2, accumulation=2, learning_rate=5e-3, save_every=2, evaluate_every=3, neftune=5),
        dpo=DpoConfig(epochs=2, batch=2, accumulation=2, learning_rate=1e-3, save_every=2, evaluate_every=3),
    )
    number = child(source, folder / "plain", config)
    os.waitpid(number, 0)
    whole = len(metrics.read(folder / "plain" / metrics.FILE))
    struck: list[str] = []
    out = folder / "killed"
    for turn in range(kills):
        number = child(source, out, config)
        lines = 1 + (whole - 2) * turn // kills + draw.randrange(2)
        where = kill_at(number, out, lines, draw.random() * 0.25)
        if where is None:
            break
        struck.append(where)
    else:
        number = child(source, out, config)
        _, status = os.waitpid(number, 0)
        if status:
            raise SystemExit(f"the last child ended with {status}")
    sys.stdout.write(json.dumps({"plain": sums(folder / "plain"), "killed": sums(out), "struck": struck}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
