"""Whether the client's memory grows with the number of calls.

::

    python -m benchmarks.memory [CALLS …]

Each size runs in a process of its own, with a call log on disk, 64 in flight, small replies that come at once. The
questions are made one by one, so that what is measured is the client's alone.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from benchmarks.client import Pairs, requests
from datagen.llm import connect, loop, prompts
from datagen.llm.ask import ask
from datagen.llm.backend import Request
from datagen.llm.config import ClientConfig
from datagen.llm.connect import Endpoint, open_backend, resolve
from tests.fakeserver import fake_server


def drive(url: str, calls: int) -> float:
    """Peak resident memory of this process after so many calls, in MiB."""

    def questions() -> Iterator[Request]:
        for first in range(0, calls, 100):
            yield from requests("fake-model", min(100, calls - first), f"m{first}")

    with tempfile.TemporaryDirectory() as folder:
        endpoint = Endpoint(
            base_url=url, log_path=f"{folder}/log.sqlite", client=ClientConfig(concurrency=64), model="fake-model"
        )
        resolve(endpoint)
        backend = open_backend(endpoint)
        correct = prompts.load("repair.md.j2")

        async def one(request: Request) -> None:
            await ask(backend, request, Pairs, correct)

        loop.run(loop.gather_lazily(one, questions(), 64))
        connect.close()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print the peaks, and what was aimed at."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("calls", type=int, nargs="*", default=[1000, 10_000, 50_000])
    parser.add_argument("--one", nargs=2, metavar=("URL", "CALLS"), help="only that, in this process")
    options = parser.parse_args()
    if options.one:
        print(drive(options.one[0], int(options.one[1])))
        return
    peaks = []
    for calls in options.calls:
        with fake_server() as server:
            command = [sys.executable, "-m", "benchmarks.memory", "--one", server.url, str(calls)]
            peaks.append(float(subprocess.check_output(command)))
        print(f"{calls:7,} calls: {peaks[-1]:6.1f} MiB at most", flush=True)
    print(f"from {options.calls[0]:,} to {options.calls[-1]:,}: {peaks[-1] / peaks[0]:.2f} x (aim: flat)")


if __name__ == "__main__":
    main()
