"""A real HTTP server, in a process of its own, with files, batches and chat completions, and their faults.

::

    python -m tests.fakebatch --validate 2 --work 3 --expire 1 --fail 0.2 --hold FILE

It prints ``{"port": N}`` when it listens, and ends with its standard input. ``GET /stats`` says what it was asked.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.fakeserver_replies import completion, content, draw

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class FakeBatches:
    """A running server, as the test that started it sees it."""

    process: subprocess.Popen[bytes]
    port: int

    @property
    def url(self) -> str:
        """The base URL for a client."""
        return f"http://127.0.0.1:{self.port}/v1"

    def stats(self) -> dict[str, Any]:
        """``uploads``, ``creates``, ``lists``, ``questions``; ``batches`` (id, status, keys, forms);
        ``answered``: how often each key was answered, which is what one pays for; ``chats``: bodies of
        questions, and their ``headers``."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/stats", timeout=10) as response:
            found: dict[str, Any] = json.load(response)
        return found

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


@contextlib.contextmanager
def fake_batches(**options: Any) -> Iterator[FakeBatches]:
    """Start a server for a test; options as on the command line with underscores."""
    command = [sys.executable, "-m", "tests.fakebatch"]
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        command += [flag] if value is True else [flag, str(value)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    line = process.stdout.readline()
    server = FakeBatches(process, json.loads(line)["port"] if line else 0)
    try:
        assert line, "the fake server did not start"
        yield server
    finally:
        server.stop()


@dataclass
class _Batch:
    id: str
    metadata: dict[str, str]
    lines: list[dict[str, Any]]
    created: int
    number: int
    size: int
    looks: int = 0
    status: str = "validating"
    output: str = ""
    errors: str = ""
    failed: int = 0
    completed: int = 0
    problems: list[dict[str, Any]] = field(default_factory=list)


class _World:
    """What all requests share."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.lock = threading.Lock()
        self.files: dict[str, bytes] = {}
        self.batches: list[_Batch] = []
        self.counts: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.chats: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []

    def keep(self, data: bytes) -> str:
        name = f"file-{len(self.files)}"
        self.files[name] = data
        return name

    def create(self, wanted: dict[str, Any]) -> _Batch:
        data = self.files[wanted["input_file_id"]]
        lines = [json.loads(line) for line in data.split(b"\n") if line]
        number = len(self.batches)
        metadata = wanted.get("metadata") or {}
        batch = _Batch(f"batch_{number}", metadata, lines, int(time.time()), number, len(data))
        self.batches.append(batch)
        return batch

    def advance(self, batch: _Batch) -> None:
        """A look at a batch lets it go on a step."""
        options = self.options
        if batch.status not in ("validating", "in_progress"):
            return
        batch.looks += 1
        if batch.looks <= options.validate:
            return
        if batch.status == "validating":
            batch.problems = self.problems(batch)
            batch.status = "failed" if batch.problems else "in_progress"
        elif options.hold and not Path(options.hold).exists():
            batch.completed = min(1, len(batch.lines))
        elif batch.looks <= options.validate + options.work:
            batch.completed = len(batch.lines) // 2
        else:
            self.end(batch)

    def problems(self, batch: _Batch) -> list[dict[str, Any]]:
        options = self.options
        models = {line["body"]["model"] for line in batch.lines}
        keys = [line["custom_id"] for line in batch.lines]
        if len(models) > 1:
            return [{"code": "mismatched_model", "message": "One model a file.", "line": 1}]
        if len(set(keys)) < len(keys):
            return [{"code": "duplicate_custom_id", "message": "Each custom_id once.", "line": 1}]
        if len(keys) > options.max_requests or batch.size > options.max_bytes:
            return [{"code": "too_large", "message": "The file is too large.", "line": None}]
        if sum(len(b.lines) for b in self.batches if b.status == "in_progress") + len(keys) > options.enqueued:
            return [{"code": "token_limit_exceeded", "message": "Enqueued token limit reached.", "line": None}]
        if "unknown" in models:
            return [{"code": "model_not_found", "message": "The model does not exist.", "line": 1}]
        return []

    def end(self, batch: _Batch) -> None:
        """Results and errors, in no order, as the documentation says."""
        options = self.options
        expired = batch.number < options.expire
        cancelled = batch.number < options.cancel
        answers, errors = [], []
        for line in sorted(batch.lines, key=lambda line: hashlib.sha256(line["custom_id"].encode()).digest()):
            key = line["custom_id"]
            if (expired or cancelled) and draw(key, "done") % 2:
                if expired:
                    error = {"code": "batch_expired", "message": "This request could not be executed."}
                    errors.append({"id": f"r-{key}", "custom_id": key, "response": None, "error": error})
                continue
            status, body = self.answer(line["body"], key)
            self.answered.update([key] if status == 200 else [])
            response = {"status_code": status, "request_id": f"q-{key}", "body": body}
            entry = {"id": f"r-{key}", "custom_id": key, "response": response, "error": None}
            (answers if status == 200 else errors).append(entry)
        batch.completed, batch.failed = len(answers), len(errors)
        batch.output = self.keep(_jsonl(answers)) if answers else ""
        batch.errors = self.keep(_jsonl(errors)) if errors else ""
        batch.status = "expired" if expired else "cancelled" if cancelled else "completed"

    def answer(self, body: dict[str, Any], key: str) -> tuple[int, dict[str, Any]]:
        options = self.options
        form = body.get("response_format") or {}
        name = (form.get("json_schema") or {}).get("name")
        if form.get("type") == "json_schema" and name == options.refuses_schema:
            return 400, {"error": {"message": f"Invalid schema for response_format '{name}'."}}
        chance = draw(key, "fail") / 2**64
        asked = self.counts[f"asked {key}"]
        self.counts[f"asked {key}"] += 1
        if chance < options.fail and asked < options.fail_times:
            return 500, {"error": {"message": "The server had an error."}}
        if chance > 1 - options.refuse:
            return 400, {"error": {"message": "This request is not to be answered."}}
        return 200, self.chat(body, key)

    def chat(self, body: dict[str, Any], key: str) -> dict[str, Any]:
        count = 1 if self.options.ignores_n else int(body.get("n") or 1)
        texts = [content(body, f"{key}/{index}" if index else key) for index in range(count)]
        wanted = int(body.get("top_logprobs") or 0) if body.get("logprobs") else None
        return completion(body, key, texts, "stop", None if self.options.ignores_logprobs else wanted)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    world: _World

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        parts = path.strip("/").split("/")
        with self.world.lock:
            self._get(path, parts, dict(p.split("=", 1) for p in query.split("&") if "=" in p))

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or self._chunks()
        with self.world.lock:
            lingers = self._post(self.path, data)
        if lingers:
            time.sleep(60)

    def _get(self, path: str, parts: list[str], query: dict[str, str]) -> None:
        world = self.world
        if path == "/stats":
            shown = [
                {
                    "id": b.id,
                    "status": b.status,
                    "metadata": b.metadata,
                    "keys": [line["custom_id"] for line in b.lines],
                }
                | {"forms": sorted({str((line["body"].get("response_format") or {}).get("type")) for line in b.lines})}
                for b in world.batches
            ]
            counts = {k: n for k, n in world.counts.items() if not k.startswith("asked")}
            self._send(
                200,
                {**counts, "batches": shown, "answered": world.answered, "chats": world.chats}
                | {"headers": world.headers},
            )
        elif path == "/v1/models":
            self._send(200, {"object": "list", "data": [{"id": "fake-model", "object": "model"}]})
        elif parts[:2] == ["v1", "files"] and parts[-1] == "content":
            world.counts["downloads"] += 1
            data = world.files[parts[2]]
            # A file that breaks off at the end of a line shows by nothing but its number of lines.
            if world.counts["downloads"] <= world.options.break_downloads:
                data = b"".join(data.splitlines(keepends=True)[:-1])
            self._send(200, data)
        elif path == "/v1/batches":
            world.counts["lists"] += 1
            known = list(reversed(world.batches))
            start = next((n + 1 for n, b in enumerate(known) if b.id == query.get("after")), 0)
            page = known[start : start + min(int(query.get("limit", 20)), 2)]
            more = start + len(page) < len(known)
            self._send(200, {"object": "list", "data": [_shown(b) for b in page], "has_more": more})
        else:
            found = next((b for b in world.batches if b.id == parts[-1]), None)
            if found is None:
                self._send(404, {"error": {"message": "No such batch."}})
                return
            world.advance(found)
            self._send(200, _shown(found))

    def _post(self, path: str, data: bytes) -> bool:
        """Answer; True where no answer is to come."""
        world, options = self.world, self.world.options
        if path == "/v1/files":
            world.counts["uploads"] += 1
            if world.counts["uploads"] <= options.upload_429:
                self._send(
                    429, {"error": {"message": "Slow down.", "code": "rate_limit_exceeded"}}, {"Retry-After": "0"}
                )
                return False
            name = world.keep(self._file(data))
            self._send(
                200, {"id": name, "object": "file", "purpose": "batch", "bytes": 1, "created_at": 0, "filename": "f"}
            )
        elif path == "/v1/batches":
            world.counts["creates"] += 1
            batch = world.create(json.loads(data))
            if world.counts["creates"] <= options.drop_creates:
                self.close_connection = True  # it was created, and nobody is told
                return False
            if options.die_file and not Path(options.die_file).exists():
                Path(options.die_file).touch()
                return True
            self._send(200, _shown(batch))
        elif path == "/v1/chat/completions":
            body = json.loads(data)
            world.chats.append(body)
            world.headers.append({name.lower(): value for name, value in self.headers.items()})
            for name in options.refuses.split(","):
                if name and name in body:
                    error = {"message": f"You are not allowed to request '{name}' from this model.", "param": None}
                    self._send(403 if name == "logprobs" else 400, {"error": error})
                    return False
            name = ((body.get("response_format") or {}).get("json_schema") or {}).get("name")
            if name is not None and name == options.refuses_schema:
                self._send(400, {"error": {"message": f"Invalid schema for response_format '{name}'."}})
                return False
            if options.thinks and body.get("max_completion_tokens", body.get("max_tokens", 9999)) < 1000:
                said = "Could not finish the message because max_tokens or model output limit was reached."
                self._send(400, {"error": {"message": said}})
                return False
            if options.cryptic and body.get("n", 1) > 1:
                self._send(400, {"error": {"message": "Bad request."}})
                return False
            self._send(200, world.chat(body, hashlib.sha256(data).hexdigest()))
        else:
            self._send(404, {"error": {"message": "Not found."}})
        return False

    def _file(self, data: bytes) -> bytes:
        """The file in a multipart form (RFC 7578)."""
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        form = BytesParser().parsebytes(head + data)
        part = next(p for p in form.get_payload() if p.get_filename())  # type: ignore[union-attr]
        found = part.get_payload(decode=True)  # type: ignore[union-attr]
        assert isinstance(found, bytes)
        return found

    def _chunks(self) -> bytes:
        """A body in chunks (RFC 9112)."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return b""
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _send(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(data)


def _jsonl(entries: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(entry, ensure_ascii=False).encode() + b"\n" for entry in entries)


def _shown(batch: _Batch) -> dict[str, Any]:
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": "/v1/chat/completions",
        "errors": {"object": "list", "data": batch.problems} if batch.problems else None,
        "input_file_id": "file",
        "completion_window": "24h",
        "status": batch.status,
        "output_file_id": batch.output or None,
        "error_file_id": batch.errors or None,
        "created_at": batch.created,
        "request_counts": {"total": len(batch.lines), "completed": batch.completed, "failed": batch.failed},
        "metadata": batch.metadata,
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A fake Batch API.")
    add = parser.add_argument
    add("--validate", type=int, default=0, help="looks for which a batch stays validating")
    add("--work", type=int, default=1, help="looks for which it stays in progress")
    add("--hold", default="", help="batches do not end before this file exists")
    add("--expire", type=int, default=0, help="so many batches expire half done")
    add("--cancel", type=int, default=0, help="so many batches are cancelled half done")
    add("--fail", type=float, default=0.0, help="share of requests that get HTTP 500")
    add("--fail-times", type=int, default=1, help="how often each of them does")
    add("--refuse", type=float, default=0.0, help="share of requests that always get HTTP 400")
    add("--refuses-schema", default="", help="name of a schema that is refused as json_schema")
    add("--upload-429", type=int, default=0, help="uploads that get HTTP 429 first")
    add("--drop-creates", type=int, default=0, help="batches that are created without an answer")
    add("--die-file", default="", help="touched when a batch was created, before it is said")
    add("--break-downloads", type=int, default=0, help="downloads that lack their last line")
    add("--max-requests", type=int, default=50_000)
    add("--max-bytes", type=int, default=200_000_000)
    add("--enqueued", type=int, default=1_000_000, help="requests in progress at most")
    add("--refuses", default="", help="parameters that chat completions refuse, by comma")
    add("--cryptic", action="store_true", help="chat completions with n get a 400 that says nothing")
    add("--thinks", action="store_true", help="chat completions with few tokens end before they begin")
    add("--ignores-n", action="store_true")
    add("--ignores-logprobs", action="store_true")
    return parser.parse_args()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is what the tests are about; what else goes wrong is shown."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def _serve() -> None:
    _Handler.world = _World(_options())
    server = _Server(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(json.dumps({"port": server.server_port}) + "\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        _serve()
