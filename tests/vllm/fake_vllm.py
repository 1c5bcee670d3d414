"""Behaves like ``vllm serve`` from outside: the command line, the phases in its output, health, a child process.

``fake_vllm.py FOLDER serve MODEL --port N …``: FOLDER gets a file ``start-N`` for each start with its command line,
and is looked at for what to do:

- ``refuse``: end at once with that text; ``refuse-after``: the same, from the second start on.
- ``slow``: seconds until it answers; ``mute``: never answer.
- ``hang``: stop answering, health included; ``stuck``: the engine stands still, but health answers.
- ``squat``: the port is found taken by a program that answers everything; removed then.

The engine is a child in our session; if it dies, so do we, after answering 500 to what is in flight.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.fakeserver_replies import completion, content, draw

ROOM = Path(sys.argv[1])


class Handler(BaseHTTPRequestHandler):
    """Health, metrics, models and chat completions."""

    protocol_version = "HTTP/1.1"
    steps = 0
    engine: subprocess.Popen[bytes]

    def do_GET(self) -> None:
        """``/health``, ``/metrics`` and ``/v1/models``; the last alone wants the key."""
        self._wait("hang")
        if self.path == "/metrics":
            text = f'vllm:iteration_tokens_total_count{{engine="0",model_name="m"}} {float(Handler.steps)}\n'
            self._send(200, ("# TYPE vllm:iteration_tokens_total histogram\n" + text).encode())
        elif self.path == "/v1/models" and not self._knows_key():
            self._send(401, b'{"error": "Unauthorized"}')
        elif self.path == "/health" and Handler.engine.poll() is not None:
            self._send(503, b"")
        else:
            self._send(200, b"{}")

    def do_POST(self) -> None:
        """A chat completion."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self._knows_key():
            self._send(401, b'{"error": "Unauthorized"}')
            return
        payload = json.loads(body)
        with (ROOM / "asked").open("a") as file:
            file.write(f"{payload['model']}\n")
        self._wait("hang")
        self._wait("stuck")
        until = time.monotonic() + 0.05
        while time.monotonic() < until:
            time.sleep(0.01)
            Handler.steps += 1
        if Handler.engine.poll() is not None:
            self._send(500, b'{"error": {"message": "EngineCore encountered an issue.", "code": 500}}')
            return
        key = f"{draw(payload['messages']):x}"
        text = content(payload, key)
        self._send(200, json.dumps(completion(payload, key, [text], "stop", None)).encode())

    def _knows_key(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {os.environ['VLLM_API_KEY']}"

    def _wait(self, for_what: str) -> None:
        while (ROOM / for_what).exists():
            time.sleep(0.02)

    def _send(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Silence."""


class Server(ThreadingHTTPServer):
    """Takes many connections at once."""

    request_queue_size = 256


class Squatter(BaseHTTPRequestHandler):
    """Somebody else's server, which answers everything."""

    def do_GET(self) -> None:
        """200."""
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Silence."""


def squat(port: int) -> None:
    """Be somebody else on our port for a while, then find that it is taken."""
    (ROOM / "squat").unlink()
    threading.Thread(target=Server(("127.0.0.1", port), Squatter).serve_forever, daemon=True).start()
    time.sleep(1.5)
    sys.stderr.write("OSError: [Errno 98] Address already in use\n")
    sys.exit(1)


def main() -> None:
    """Serve."""
    starts = len(list(ROOM.glob("start-*")))
    (ROOM / f"start-{starts}").write_text(json.dumps(sys.argv[2:]))
    port = int(sys.argv[sys.argv.index("--port") + 1])
    for name in ("refuse", *(("refuse-after",) if starts else ())):
        if (ROOM / name).exists():
            sys.stderr.write((ROOM / name).read_text())
            sys.exit(1)
    if (ROOM / "squat").exists():
        squat(port)
    sys.stderr.write("INFO Starting to load model x...\nINFO Loading weights took 0.1 seconds\n")
    Handler.engine = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (ROOM / "pids").write_text(f"{os.getpid()} {Handler.engine.pid}")
    while (ROOM / "mute").exists():
        time.sleep(0.05)
    if (ROOM / "slow").exists():
        time.sleep(float((ROOM / "slow").read_text()))
    server = Server(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stderr.write("INFO Application startup complete.\n")
    Handler.engine.wait()
    sys.stderr.write("EngineDeadError: EngineCore encountered an issue.\n")
    time.sleep(0.3)
    os._exit(1)


if __name__ == "__main__":
    main()
