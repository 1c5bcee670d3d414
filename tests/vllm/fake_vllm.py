"""Behaves like ``vllm serve`` from outside: the command line, the phases in its output, health, a child process.

``fake_vllm.py FOLDER serve MODEL --port N …``: FOLDER gets a file ``start-N`` for each start with its command line,
and is looked at for what to do: ``refuse`` (end at once with that text), ``slow`` (seconds until it answers),
``hang`` (stop answering, health included), ``mute`` (never answer). The engine is a child; if it dies, so do we.
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
    """Health and chat completions."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """``/health``."""
        self._hang()
        self._send(200, {})

    def do_POST(self) -> None:
        """A chat completion."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Authorization") != f"Bearer {os.environ['VLLM_API_KEY']}":
            self._send(401, {"error": {"message": "Unauthorized"}})
            return
        self._hang()
        payload = json.loads(body)
        with (ROOM / "asked").open("a") as file:
            file.write(f"{payload['model']}\n")
        time.sleep(0.05)
        key = f"{draw(payload['messages']):x}"
        text = content(payload, key)
        self._send(200, completion(payload, key, [text], "stop", None))

    def _hang(self) -> None:
        while (ROOM / "hang").exists():
            time.sleep(0.05)

    def _send(self, status: int, value: dict[str, Any]) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Silence."""


def main() -> None:
    """Serve."""
    starts = len(list(ROOM.glob("start-*")))
    (ROOM / f"start-{starts}").write_text(json.dumps(sys.argv[2:]))
    if (ROOM / "refuse").exists():
        sys.stderr.write((ROOM / "refuse").read_text())
        sys.exit(1)
    sys.stderr.write("INFO Starting to load model x...\nINFO Loading weights took 0.1 seconds\n")
    engine = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=False)
    (ROOM / "pids").write_text(f"{os.getpid()} {engine.pid}")
    while (ROOM / "mute").exists():
        time.sleep(0.05)
    if (ROOM / "slow").exists():
        time.sleep(float((ROOM / "slow").read_text()))
    port = int(sys.argv[sys.argv.index("--port") + 1])
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stderr.write("INFO Application startup complete.\n")
    engine.wait()
    sys.stderr.write("EngineDeadError: EngineCore encountered an issue.\n")
    os._exit(1)


if __name__ == "__main__":
    main()
