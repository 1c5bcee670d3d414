"""Runs to review, and the real server in a process of its own."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datagen.core.record import Sample
from datagen.engine.store import Store
from tests.runs import ROOT, environment

PATIENCE_S = 60.0


def with_samples(run: Path, to: Path, samples: Sequence[Sample]) -> Path:
    """A copy of a run folder that holds these samples after its last stage."""
    shutil.copytree(run, to)
    state = json.loads((to / "shards.json").read_text())
    last = state["nodes"][-1]
    last["shards"] = []
    for i in range(0, len(samples), 1000):
        name = f"{i:08x}"
        Store(to).write(last["folder"], name, samples[i : i + 1000])
        last["shards"].append(name)
    (to / "shards.json").write_text(json.dumps(state))
    return to


@dataclass
class Server:
    """A server that runs, and the link it printed."""

    process: subprocess.Popen[str]
    link: str
    port: int

    @property
    def token(self) -> str:
        """Of the link."""
        return self.link.partition("token=")[2]

    def kill(self) -> None:
        """``kill -9``."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


def start(run: Path, *args: str, port: int = 0) -> Server:
    """Start ``datagen review`` and wait for its link."""
    process = subprocess.Popen(
        [sys.executable, "-m", "datagen", "review", str(run), "--no-browser", "--port", str(port), *args],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], PATIENCE_S)
    found = re.search(r"http://127\.0\.0\.1:(\d+)/\?token=\S+", process.stdout.readline() if ready else "")
    if not found:
        process.kill()
        raise RuntimeError(process.communicate()[1])
    return Server(process, found[0], int(found[1]))


@contextlib.contextmanager
def serving(run: Path, *args: str) -> Iterator[Server]:
    """A server for the length of the block."""
    server = start(run, *args)
    try:
        yield server
    finally:
        server.kill()


@dataclass
class Client:
    """A client of its own, which sends exactly the headers it is told."""

    port: int
    cookie: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def ask(
        self, method: str, path: str, body: Any = None, raw: bytes | None = None, **headers: str | None
    ) -> tuple[int, dict[str, str], bytes]:
        """One request: status, headers, body. A header given as None is not sent."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        sent: dict[str, str | None] = {"Host": f"127.0.0.1:{self.port}", "Cookie": self.cookie or None}
        if method == "POST":
            sent |= {
                "Origin": f"http://127.0.0.1:{self.port}",
                "Content-Type": "application/json",
                "Content-Length": str(len(data or b"")),
            }
        sent |= {name.replace("_", "-"): value for name, value in {**self.headers, **headers}.items()}
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in sent.items():
                if value is not None:
                    connection.putheader(name, value)
            connection.endheaders(data)
            reply = connection.getresponse()
            return reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read()
        finally:
            connection.close()

    def json(self, method: str, path: str, body: Any = None) -> Any:
        """The answer of a request that must succeed."""
        status, _, data = self.ask(method, path, body)
        assert status == 200, (status, data)
        return json.loads(data)


def enter(server: Server, name: str = "") -> Client:
    """A client that came in by the server's link, and said who it is."""
    client = Client(server.port)
    status, headers, _ = client.ask("GET", f"/?token={server.token}")
    assert status == 200
    client.cookie = headers["set-cookie"].split(";")[0]
    if name:
        client.json("POST", "/api/name", {"name": name})
    return client
