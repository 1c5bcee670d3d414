"""What judging costs apart from the model: our judge against a bare loop that asks the same questions.

::

    python -m benchmarks.judge [--samples 1000 10000] [--modes integer expected] [--concurrency 64] [--json FILE]

The fake endpoint answers at once, so that all time is the client's (and the server's, which runs in a process of its
own). The bare loop sends the same bodies in the same number at once with aiohttp and reads the JSON. Ours makes the
prompt of each sample, hashes the call, looks into the log, asks, commits the reply, validates it, finds the scores in
it (with ``expected`` also their tokens) and makes the scored sample. Each measurement has a process of its own, for
its memory; samples come in shards of 1,000. What counts is the CPU time of that process: the wall time is that of the
server.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.client import _run as run_loop
from benchmarks.client import _spread as spread
from curation.judge import Judge
from curation.judge_config import JudgeConfig
from datagen.core.record import Lineage, Message, Sample
from datagen.llm import connect
from datagen.llm.config import ClientConfig
from datagen.llm.connect import Endpoint, resolve
from datagen.llm.dialect import Dialect, body
from tests.fakeserver import fake_server

SHARD = 1_000
SENTENCE = "Sentence number {n} of passage {i} says that the cache keeps {n} entries for {i} seconds. "
SCRIPT = """
import json
REPLY = json.dumps({"justification": "The answer leaves out for how long entries are kept; nothing else is wrong.",
    "relevance": 4, "clarity": 5, "completeness": 3, "accuracy": 5, "faithfulness": 4})
def reply(payload, key):
    return REPLY if "judge of training data" in str(payload["messages"]) else None
"""


def samples(begin: int, end: int) -> list[Sample]:
    """Questions about passages of 1,500 characters."""
    made = []
    for i in range(begin, end):
        source = "".join(SENTENCE.format(n=n, i=i) for n in range(18))
        lineage = Lineage(path="a.md", sha256="0", chunk=f"c{i}", start=0, end=len(source), model="m")
        messages = (
            Message(role="user", content=f"How many entries does cache {i} keep?"),
            Message(role="assistant", content=f"It keeps {i % 18} entries, for {i} seconds."),
        )
        made.append(Sample(id=str(i), recipe="qa", messages=messages, source=source, lineage=lineage))
    return made


def measured(who: str, mode: Any, count: int, url: str, concurrency: int) -> dict[str, float]:
    """Wall and CPU seconds, and peak memory above that of the imports, in MB; called in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        client = ClientConfig(concurrency=concurrency)
        endpoint = Endpoint(base_url=url, model="fake-model", log_path=f"{folder}/calls.sqlite", client=client)
        resolve(endpoint)
        stage = Judge(JudgeConfig(score_mode=mode), endpoint)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        wall = cpu = 0.0
        for begin in range(0, count, SHARD):
            shard = samples(begin, min(begin + SHARD, count))
            bodies = [body(stage.request(sample), Dialect()) for sample in shard] if who == "bare" else []
            wall, cpu = wall - time.perf_counter(), cpu - time.process_time()
            if who == "bare":
                run_loop(_bare(url, bodies, concurrency))
            else:
                out = [r for r in stage.run(shard) if isinstance(r, Sample)]
                assert [s.judgements[0].mode for s in out] == [mode] * len(shard)
            wall, cpu = wall + time.perf_counter(), cpu + time.process_time()
        connect.close()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"wall_s": wall, "cpu_s": cpu, "rss_mb": (peak - before) / 1024}


async def _bare(url: str, bodies: list[bytes], concurrency: int) -> None:
    import aiohttp

    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency), headers=headers) as session:

        async def one(data: bytes) -> None:
            async with session.post(f"{url}/chat/completions", data=data) as response:
                assert (await response.json())["choices"][0]["message"]["content"]

        await spread(one, bodies, concurrency)


def _apart(*words: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.judge", "--worker", *words], check=True, capture_output=True, text=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--modes", nargs="+", default=["integer", "expected"])
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--worker", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        who, mode, count, url, concurrency = options.worker
        sys.stdout.write(json.dumps(measured(who, mode, int(count), url, int(concurrency))))
        return
    rows: list[dict[str, Any]] = []
    out = "{:>9} {:>8} {:>14} {:>14} {:>9} {:>14} {:>10} {:>10}\n"
    head = ("mode", "samples", "ours ms CPU", "bare ms CPU", "ratio", "overhead ms", "ours MB", "bare MB")
    sys.stdout.write(out.format(*head))
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "script.py"
        script.write_text(SCRIPT, encoding="utf-8")
        with fake_server(script=script) as server:
            for mode in options.modes:
                for count in options.samples:
                    told = (mode, str(count), server.url, str(options.concurrency))
                    ours, bare = _apart("ours", *told), _apart("bare", *told)
                    each, floor = (1000 * found["cpu_s"] / count for found in (ours, bare))
                    rows.append({"mode": mode, "samples": count, "ours": ours, "bare": bare})
                    figures = (f"{each:.2f}", f"{floor:.2f}", f"{each / floor:.2f}", f"{each - floor:.2f}")
                    memory = (f"{ours['rss_mb']:.0f}", f"{bare['rss_mb']:.0f}")
                    sys.stdout.write(out.format(mode, count, *figures, *memory))
                    sys.stdout.flush()
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
