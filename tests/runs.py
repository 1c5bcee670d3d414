"""Helpers to run the real command line in a process of its own, and to look at what it left."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
WORDS = (
    "valve pump tank filter sensor motor relay cable panel switch gauge boiler duct fan seal rotor gear belt lamp fuse "
    "bracket hinge nozzle piston spring clutch axle blade socket probe meter timer buffer latch lever shaft cover"
).split()


def environment(**extra: str) -> dict[str, str]:
    """The environment of a test run: this source tree, and no endpoint that the machine happens to name."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("OPENAI_")}
    return {**kept, "PYTHONPATH": str(ROOT), "COLUMNS": "200", **extra}


def start(*args: str | Path, cwd: Path | None = None, **env: str) -> subprocess.Popen[str]:
    """Start ``datagen`` as the leader of its own process group."""
    return subprocess.Popen(
        [sys.executable, "-m", "datagen", *map(str, args)],
        cwd=cwd or ROOT,
        env=environment(**env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def datagen(
    *args: str | Path, cwd: Path | None = None, timeout: float = 240, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run ``datagen`` to its end."""
    process = start(*args, cwd=cwd, **env)
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        kill(process)
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def kill(process: subprocess.Popen[str]) -> None:
    """``kill -9`` of the whole process tree."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def write_corpus(folder: Path, documents: int, seed: int = 0, sections: int = 4) -> Path:
    """Markdown files with made-up facts, no two alike."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(documents):
        (folder / f"doc-{i:04d}.md").write_text(document(i, seed, sections), encoding="utf-8")
    return folder


def document(i: int, seed: int = 0, sections: int = 4) -> str:
    """One made-up manual page."""
    rng = random.Random(f"{seed}/{i}")
    lines = [f"# Manual of unit {i}"]
    for s in range(sections):
        lines += ["", f"## {rng.choice(WORDS).title()} {i}-{s}", ""]
        part = f"{rng.choice(WORDS)} {rng.choice(WORDS)} {i}{chr(97 + s % 26)}"
        lines.append(
            f"**{part.title()}**: A device that moves {rng.randint(2, 999)} litres an hour to the {rng.choice(WORDS)}."
        )
        lines.append("")
        for _ in range(14):
            a, b, c = (rng.choice(WORDS) for _ in range(3))
            lines.append(
                f"The {a} of the {b} holds {rng.randint(2, 99999)} units; its {c} turns {rng.randint(2, 9999)} times."
            )
    return "\n".join(lines) + "\n"


def export_bytes(run: Path) -> dict[str, bytes]:
    """Everything that must be the same for the same work."""
    files = [*sorted((run / "export").iterdir()), run / "ledger.json", run / "report.json", run / "failed.jsonl"]
    return {f.relative_to(run).as_posix(): f.read_bytes() for f in files}


def all_bytes(run: Path) -> dict[str, bytes]:
    """Every file of a run folder."""
    return {p.relative_to(run).as_posix(): p.read_bytes() for p in sorted(run.rglob("*")) if p.is_file()}


def ledger(run: Path) -> dict[str, Any]:
    """The ledger, after checking that it adds up."""
    found: dict[str, Any] = json.loads((run / "ledger.json").read_text())
    assert found["requested"] == found["kept"] + sum(found["rejected"].values()) + sum(found["failed"].values())
    return found


def rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def logged_calls(run: Path) -> int:
    """Replies in the call log of a run that may have been killed."""
    path = run / "calls.sqlite"
    if not path.is_file():
        return 0
    db = sqlite3.connect(path)
    try:
        return int(db.execute("SELECT count(*) FROM calls").fetchone()[0])
    except sqlite3.OperationalError:
        return 0  # killed before the table was made
    finally:
        db.close()
