"""How close the client comes to the ideal: our stack, a bare aiohttp loop and arithmetic, side by side.

::

    python -m benchmarks.client [--calls 1920] [--concurrency 64] [--latency-ms 200] [--rounds 5] [--json FILE]

The fake endpoint runs in a process of its own and answers after a fixed time, so the ideal span is
``ceil(calls / concurrency) * latency``. The bare loop sends the same bytes with the same number in
flight and reads the JSON, no more. Ours renders no prompt, but does all the rest: hashes the call,
looks into the log, limits, sends, checks the envelope, commits the reply, parses and validates it.
Rounds are interleaved; medians are shown. CPU is the client process's own, all threads.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
from pydantic import BaseModel

from datagen.core.record import Message
from datagen.llm import connect, loop, prompts
from datagen.llm.ask import ask
from datagen.llm.backend import Request
from datagen.llm.config import ClientConfig
from datagen.llm.connect import Endpoint, open_backend, resolve
from datagen.llm.dialect import Dialect, body
from tests.fakeserver import fake_server

PASSAGE = "Sentence number {n} of passage {i} says that the cache keeps {n} entries for {i} seconds. "


class Pair(BaseModel):
    """As the qa recipe's."""

    question: str
    answer: str
    evidence: list[str]


class Pairs(BaseModel):
    """As the qa recipe's."""

    pairs: list[Pair]


SCHEMA = Pairs.model_json_schema()


def requests(model: str, count: int, tag: str) -> list[Request]:
    """Distinct questions of about 1,800 characters, the size of a passage of 400 tokens."""
    made = []
    for i in range(count):
        passage = "".join(PASSAGE.format(n=n, i=f"{tag}-{i}") for n in range(18))
        text = f"<passage>\n{passage}\n</passage>\nWrite 3 question and answer pairs."
        messages = (
            Message(role="system", content="You write training data. Reply with JSON alone."),
            Message(role="user", content=text),
        )
        made.append(Request(model=model, messages=messages, params={"max_tokens": 1500}, json_schema=SCHEMA))
    return made


def measured(work: Callable[[], Any]) -> tuple[float, float]:
    """Wall and CPU seconds of this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def ours(url: str, questions: list[Request], concurrency: int, folder: str, tag: str) -> tuple[float, float]:
    """Our whole stack on a fresh call log."""
    endpoint = Endpoint(
        base_url=url,
        log_path=f"{folder}/{tag}.sqlite",
        client=ClientConfig(concurrency=concurrency),
        model=questions[0].model,
    )
    resolve(endpoint)
    backend = open_backend(endpoint)
    correct = prompts.load("repair.md.j2")

    async def one(request: Request) -> int:
        return len((await ask(backend, request, Pairs, correct)).value.pairs)

    found: list[int] = []
    result = measured(lambda: found.extend(loop.run(loop.gather_lazily(one, questions, concurrency))))
    assert len(found) == len(questions)
    assert min(found) == 3
    connect.close()
    return result


def bare(url: str, questions: list[Request], concurrency: int) -> tuple[float, float]:
    """The least that Python's fastest common client can do."""
    bodies = [body(request, Dialect()) for request in questions]
    found: list[str] = []

    async def main() -> None:
        connector = aiohttp.TCPConnector(limit=concurrency)
        headers = {"Content-Type": "application/json"}
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
            waiting = iter(bodies)

            async def work() -> None:
                for data in waiting:
                    async with session.post(f"{url}/chat/completions", data=data) as response:
                        found.append((await response.json())["choices"][0]["message"]["content"])

            await asyncio.gather(*(work() for _ in range(concurrency)))

    result = measured(lambda: _run(main()))
    assert len(found) == len(questions)
    return result


def _run(main: Coroutine[Any, Any, None]) -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)


def main() -> None:
    """Print the comparison, and what was aimed at."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=1920)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--latency-ms", type=float, default=200.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", default="", help="also write the figures to this file")
    options = parser.parse_args()
    ideal = math.ceil(options.calls / options.concurrency) * options.latency_ms / 1000
    rounds: dict[str, list[tuple[float, float]]] = {"bare": [], "ours": []}
    with tempfile.TemporaryDirectory() as folder, fake_server(latency_ms=options.latency_ms) as server:
        for number in range(options.rounds):
            order = ("bare", "ours") if number % 2 == 0 else ("ours", "bare")
            for name in order:
                questions = requests("fake-model", options.calls, f"{name}{number}")
                if name == "ours":
                    rounds[name].append(ours(server.url, questions, options.concurrency, folder, f"r{number}"))
                else:
                    rounds[name].append(bare(server.url, questions, options.concurrency))
    report(options, ideal, rounds)


def report(options: argparse.Namespace, ideal: float, rounds: dict[str, list[tuple[float, float]]]) -> None:
    """The table, and the figures as JSON where asked for."""
    span = {name: statistics.median(wall for wall, _ in found) for name, found in rounds.items()}
    cpu = {name: statistics.median(c for _, c in found) * 1000 / options.calls for name, found in rounds.items()}
    ratio = statistics.median(o[0] / b[0] for o, b in zip(rounds["ours"], rounds["bare"], strict=True))
    print(
        f"{options.calls} calls, {options.concurrency} in flight, {options.latency_ms:.0f} ms each, "
        f"median of {options.rounds} interleaved rounds, {os.cpu_count()} cores, Python {sys.version.split()[0]}"
    )
    print(f"{'':10}{'span s':>10}{'x ideal':>10}{'CPU s / 1,000 calls':>22}")
    print(f"{'ideal':10}{ideal:10.2f}{1:10.2f}")
    for name in ("bare", "ours"):
        print(f"{name:10}{span[name]:10.2f}{span[name] / ideal:10.3f}{cpu[name]:22.2f}")
    print(f"ours / bare span: {ratio:.3f} (aim: 1.15 at most); CPU {cpu['ours']:.2f} (aim: below 1.5)")
    if options.json:
        figures = {"ideal_s": ideal, "span_s": span, "cpu_s_per_1000": cpu, "ours_over_bare": ratio}
        Path(options.json).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
