"""What an endpoint sees of a whole run: when the first request comes, and how well its prefix cache is used.

::

    python -m benchmarks.endpoint [--docs FOLDER] [--blocks 1000] [--slots 32]

``datagen run`` on the project's own documentation, three recipes, judged. The fake endpoint has a prefix cache like
vLLM's (blocks of 64 characters, the least recently used dropped first) that is too small for all prompts, so many
places, and some faults. The achievable hit rate is that of a cache without bounds and any order.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fakeserver import ROOT, FakeServer, fake_server

RECIPES = "generator.recipes={qa: 1, instruct: 0.5, conversation: 0.5}"
FAULTS = {"500": 0.02, "drop_after": 0.02, "429": 0.01}


def run(server: FakeServer, docs: str, out: str, *more: str) -> float:
    """Do a run; the time when it was started."""
    command = [sys.executable, "-m", "datagen", "run", "--source", docs, "--out", out, "--base-url", server.url]
    began = time.time()
    done = subprocess.run([*command, *more], capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr)
    return began


def first_request(docs: str, rounds: int) -> float:
    """Seconds from the start of the process to the first question, the median; caches of files are warm."""
    found = []
    for _ in range(rounds + 1):
        with tempfile.TemporaryDirectory() as folder, fake_server(journal=f"{folder}/journal") as server:
            source = Path(folder, "docs")
            source.mkdir()
            (source / "page.md").write_text((Path(docs) / "quickstart.md").read_text("utf-8"), "utf-8")
            began = run(server, str(source), f"{folder}/run")
            found.append(server.journal()[0]["time"] - began)
    return statistics.median(found[1:])


def hits(docs: str, blocks: int, slots: int) -> tuple[float, float, int]:
    """Share of prompt blocks found in the cache, the share that was possible, and the number of questions."""
    with (
        tempfile.TemporaryDirectory() as folder,
        fake_server(latency_ms=50, sigma=0.5, prefix_cache=blocks, slots=slots, faults=FAULTS) as server,
    ):
        run(server, docs, f"{folder}/run", "--set", RECIPES)
        stats = server.stats()
    seen = stats["prefix"]
    return seen["hits"] / seen["total"], seen["best"] / seen["total"], stats["questions"]


def main() -> None:
    """Print the figures, and what was aimed at."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--docs", default=str(ROOT / "docs"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--blocks", type=int, default=1000)
    parser.add_argument("--slots", type=int, default=32)
    options = parser.parse_args()
    print(f"first request after {first_request(options.docs, options.rounds):.2f} s (aim: 1)", flush=True)
    found, best, questions = hits(options.docs, options.blocks, options.slots)
    print(
        f"{questions} questions: {found:.1%} of the prompts' blocks were in the cache of {options.blocks}, "
        f"{best:.1%} was possible: {found / best:.1%} of it (aim: 95 %)"
    )


if __name__ == "__main__":
    main()
