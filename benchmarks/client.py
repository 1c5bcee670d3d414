"""How close the client comes to the ideal: our stack, a bare aiohttp loop and the ``openai`` client, side by side.

::

    python -m benchmarks.client [--concurrency 64 256] [--sigma 0 0.5] [--latency-ms 200] [--rounds 3] [--json FILE]

The fake endpoint runs in a process of its own and answers after a fixed time, or after log-normal times around it.
All three send the same bodies in the same order with the same number in flight. The bare loop reads the JSON, no
more; the ``openai`` client, which is slow, gets fewer. Ours renders no prompt, but does all the rest: hashes the
call, looks into the log, limits, sends, checks the envelope, commits the reply, parses and validates it.
Rounds are interleaved; medians are shown, and the ratio is the median of the rounds'. CPU is the client process's
own, all threads.
"""

from __future__ import annotations

import argparse
import asyncio
import json
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
from datagen.llm.dialect import Dialect, body, payload
from tests.fakeserver import fake_server

SPAN_AIMS = (1.05, 1.10)  # up to 64 in flight, and beyond
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

            async def one(data: bytes) -> None:
                async with session.post(f"{url}/chat/completions", data=data) as response:
                    found.append((await response.json())["choices"][0]["message"]["content"])

            await _spread(one, bodies, concurrency)

    result = measured(lambda: _run(main()))
    assert len(found) == len(questions)
    return result


def official(url: str, questions: list[Request], concurrency: int) -> tuple[float, float]:
    """The same with the ``openai`` package and its own HTTP client (HTTP/1.1), without retries."""
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    payloads = [payload(request, Dialect()) for request in questions]
    found: list[str | None] = []

    async def main() -> None:
        transport = DefaultAsyncHttpxClient(http2=False)  # a thousand connections at most
        async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0, http_client=transport) as client:

            async def one(data: dict[str, Any]) -> None:
                reply = await client.chat.completions.create(**data)
                found.append(reply.choices[0].message.content)

            await _spread(one, payloads, concurrency)

    result = measured(lambda: _run(main()))
    assert len(found) == len(questions)
    return result


async def _spread(one: Callable[[Any], Coroutine[Any, Any, None]], items: list[Any], concurrency: int) -> None:
    waiting = iter(items)

    async def work() -> None:
        for item in waiting:
            await one(item)

    await asyncio.gather(*(work() for _ in range(concurrency)))


def _run(main: Coroutine[Any, Any, None]) -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)


def case(concurrency: int, sigma: float, options: argparse.Namespace) -> dict[str, Any]:
    """All three against a server of its own."""
    count = options.calls or (30 if concurrency <= 64 else 20) * concurrency
    few = max(4 * concurrency, 256)
    spans: dict[str, list[float]] = {"bare": [], "ours": [], "openai": []}
    cpus: dict[str, list[float]] = {"bare": [], "ours": [], "openai": []}
    with tempfile.TemporaryDirectory() as folder, fake_server(latency_ms=options.latency_ms, sigma=sigma) as server:
        for number in range(options.rounds):
            questions = requests("fake-model", count, str(number))
            work = {
                "bare": lambda q=questions: bare(server.url, q, concurrency),
                "ours": lambda q=questions, n=number: ours(server.url, q, concurrency, folder, f"r{n}"),
                "openai": lambda q=questions[:few]: official(server.url, q, concurrency),
            }
            order = list(work) if number % 2 == 0 else list(reversed(work))
            for name in order:
                if name == "openai" and options.without_openai:
                    continue
                span, cpu = work[name]()
                calls = few if name == "openai" else count
                spans[name].append(span * count / calls)
                cpus[name].append(cpu * 1000 / calls)
    median = {name: statistics.median(found) for name, found in spans.items() if found}
    cpu = {name: statistics.median(found) for name, found in cpus.items() if found}
    return {
        "concurrency": concurrency,
        "sigma": sigma,
        "calls": count,
        "span_s": median,
        "cpu_s_per_1000": cpu,
        "span_over_bare": _ratio(spans["ours"], spans["bare"]),
        "cpu_over_bare": _ratio(cpus["ours"], cpus["bare"]),
    }


def _ratio(some: list[float], others: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(some, others, strict=True))


def main() -> None:
    """Print the comparison, and what was aimed at."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--concurrency", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--sigma", type=float, nargs="+", default=[0.0, 0.5], help="of the log-normal; 0: fixed")
    parser.add_argument("--latency-ms", type=float, default=200.0, help="the median")
    parser.add_argument("--calls", type=int, default=0, help="a round; 0: 30 times what is in flight, 20 from 65 on")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--without-openai", action="store_true")
    parser.add_argument("--json", default="", help="also write the figures to this file")
    options = parser.parse_args()
    print(
        f"{options.latency_ms:.0f} ms, medians of {options.rounds} interleaved rounds, {os.cpu_count()} cores, "
        f"Python {sys.version.split()[0]}"
    )
    print(f"{'in flight':>10}{'sigma':>7}{'calls':>7}  {'':8}{'span s':>8}{'CPU s / 1,000':>15}")
    found = []
    for concurrency in options.concurrency:
        for sigma in options.sigma:
            figures = case(concurrency, sigma, options)
            found.append(figures)
            report(figures)
    if options.json:
        Path(options.json).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def report(figures: dict[str, Any]) -> None:
    """One case: a line each, and the ratios beside what was aimed at."""
    head = f"{figures['concurrency']:10}{figures['sigma']:7}{figures['calls']:7}"
    for name, span in figures["span_s"].items():
        print(f"{head}  {name:8}{span:8.2f}{figures['cpu_s_per_1000'][name]:15.2f}")
        head = " " * 24
    aim = SPAN_AIMS[figures["concurrency"] > 64]
    print(
        f"{'':26}ours / bare: span {figures['span_over_bare']:.3f} (aim: {aim}), "
        f"CPU {figures['cpu_over_bare']:.2f} (aim: 2)",
        flush=True,
    )


if __name__ == "__main__":
    main()
