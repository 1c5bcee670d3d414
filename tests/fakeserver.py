"""A real HTTP server, in a process of its own, that answers like an OpenAI-compatible endpoint.

::

    python -m tests.fakeserver --port 0 --latency-ms 200 --fault 500=0.1:2 --fault hang=0.01 --journal FILE

It prints ``{"port": N}`` when it listens, and ends with its standard input, so that it never outlives
the test that started it. ``GET /stats`` gives counters; the journal has a line for every question.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import hashlib
import json
import math
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from tests.fakeserver_faults import Fault, Plan
from tests.fakeserver_replies import content, draw

ROOT = Path(__file__).resolve().parent.parent
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}


@dataclass
class FakeServer:
    """A running server, as the test that started it sees it."""

    process: subprocess.Popen[bytes]
    port: int
    journal_path: Path | None

    @property
    def url(self) -> str:
        """The base URL for a client."""
        return f"http://127.0.0.1:{self.port}/v1"

    def stats(self) -> dict[str, Any]:
        """Counters: ``requests``, ``questions``, ``models``, ``most_in_flight``, ``connections``, ``faults``."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/stats", timeout=10) as response:
            found: dict[str, Any] = json.load(response)
        return found

    def journal(self) -> list[dict[str, Any]]:
        """One entry a question, in the order of arrival: ``key``, ``time``, ``attempt``, ``fault``, ``schema``."""
        assert self.journal_path is not None
        return [json.loads(line) for line in self.journal_path.read_text().splitlines()]

    def stop(self) -> None:
        """End the process, as if the machine had gone."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


@contextlib.contextmanager
def fake_server(**options: Any) -> Iterator[FakeServer]:
    """Start a server for a test.

    Args:
        options: as on the command line with underscores: ``latency_ms``, ``sigma``, ``faults`` (a mapping
            of kind to rate, or to (rate, times)), ``key``, ``models`` (a list), ``no_json_schema``, ``journal``, …
    """
    command = [sys.executable, "-m", "tests.fakeserver"]
    for kind, value in options.pop("faults", {}).items():
        rate, times = value if isinstance(value, tuple) else (value, 1)
        command += ["--fault", f"{kind}={rate}:{'always' if times == math.inf else times}"]
    for name in options.pop("models", ()):
        command += ["--model", name]
    journal = options.get("journal")
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        command += [flag] if value is True else [flag, str(value)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    line = process.stdout.readline()
    server = FakeServer(process, json.loads(line)["port"] if line else 0, Path(journal) if journal else None)
    try:
        assert line, "the fake server did not start"
        yield server
    finally:
        server.stop()


class _Server:
    """What all connections share."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.models = options.model or ["fake-model"]
        self.plan = Plan(tuple(Fault.read(text) for text in options.fault), options.seed)
        self.counts: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.in_flight = 0
        self.most_in_flight = 0
        self.journal: BinaryIO | None = Path(options.journal).open("ab", buffering=0) if options.journal else None  # noqa: SIM115

    def latency(self, key: str) -> float:
        """Seconds until the answer: fixed, or log-normal around the given median, drawn by the key."""
        median = self.options.latency_ms / 1000
        if not self.options.sigma:
            return float(median)
        u1, u2 = ((draw(key, n) + 1) / 2**64 for n in (1, 2))
        normal = math.sqrt(-2 * math.log(min(u1, 1.0))) * math.cos(2 * math.pi * u2)
        return float(median * math.exp(self.options.sigma * normal))

    def note(self, entry: dict[str, Any]) -> None:
        """One write a line, so that lines of a killed process are whole."""
        if self.journal is not None:
            self.journal.write(json.dumps(entry).encode() + b"\n")


class _Connection(asyncio.Protocol):
    """HTTP/1.1, as little of it as one client needs, and cheap: the client is what is measured."""

    def __init__(self, server: _Server) -> None:
        self.server = server
        self.data = bytearray()
        self.transport: asyncio.Transport
        self.pending: asyncio.TimerHandle | None = None
        self.counted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.server.counts["connections"] += 1

    def connection_lost(self, error: Exception | None) -> None:
        if self.pending is not None:
            self.pending.cancel()
        self._done()

    def data_received(self, data: bytes) -> None:
        self.data += data
        end = self.data.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self.data[:end]).decode("latin-1")
        lines = head.split("\r\n")
        headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
        size = int(headers.get("content-length", "0"))
        if len(self.data) < end + 4 + size:
            return
        body = bytes(self.data[end + 4 : end + 4 + size])
        del self.data[: end + 4 + size]
        method, path, _ = lines[0].split(" ", 2)
        self._handle(method, path, headers, body)

    def _handle(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        server, options = self.server, self.server.options
        server.counts["requests"] += path != "/stats"
        if path == "/stats":
            known = {"requests": 0, "questions": 0, "models": 0, "connections": 0} | dict(server.counts)
            self._send(200, {**known, "most_in_flight": server.most_in_flight, "faults": dict(server.faults)})
        elif options.key and headers.get("authorization") != f"Bearer {options.key}":
            said = headers.get("authorization", "nothing")
            self._send(401, {"error": {"message": f"Incorrect API key provided: {said}", "code": "invalid_api_key"}})
        elif method == "GET" and path == "/v1/models":
            server.counts["models"] += 1
            if options.no_models:
                self._send(404, {"detail": "Not Found"})
            else:
                self._send(200, {"object": "list", "data": [{"id": m, "object": "model"} for m in server.models]})
        elif method == "POST" and path == "/v1/chat/completions":
            self._question(body)
        else:
            self._send(404, {"detail": "Not Found"})

    def _question(self, body: bytes) -> None:
        server = self.server
        server.counts["questions"] += 1
        self.counted = True
        server.in_flight += 1
        server.most_in_flight = max(server.most_in_flight, server.in_flight)
        key = hashlib.blake2b(body, digest_size=12).hexdigest()
        payload = json.loads(body)
        attempt, fault = server.plan.next(key)
        sent = payload.get("response_format") or {}
        server.note(
            {
                "key": key,
                "time": time.time(),
                "attempt": attempt,
                "fault": fault,
                "schema": (sent.get("json_schema") or {}).get("name"),
                "form": sent.get("type"),
                "model": payload.get("model"),
            }
        )
        if refusal := self._refused(payload):
            self._send(*refusal)
            return
        if fault is not None:
            server.faults[fault] += 1
        if fault == "hang":
            return
        delay = server.latency(key)
        answer = functools.partial(self._answer, payload, key, fault)
        if delay:
            self.pending = asyncio.get_running_loop().call_later(delay, answer)
        else:
            answer()

    def _refused(self, payload: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
        options, model = self.server.options, payload.get("model")
        kind = (payload.get("response_format") or {}).get("type")
        if model not in self.server.models:
            error = {"message": f"The model `{model}` does not exist.", "code": "model_not_found"}
            return 404, {"error": error}
        if (kind == "json_schema" and options.no_json_schema) or (kind == "json_object" and options.no_json_object):
            return 400, {"error": {"message": f"response_format of type {kind} is not supported", "code": None}}
        if "max_tokens" in payload and options.new_names:
            said = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
            return 400, {"error": {"message": said, "code": "unsupported_parameter"}}
        if "temperature" in payload and options.new_names:
            said = "Unsupported value: 'temperature' does not support 0 with this model."
            return 400, {"error": {"message": said, "code": "unsupported_value", "param": "temperature"}}
        return None

    def _answer(self, payload: dict[str, Any], key: str, fault: str | None) -> None:
        self.pending = None
        if fault in ("429", "429_after", "500", "503", "400"):
            status = int(fault[:3])
            extra = f"Retry-After: {self.server.options.retry_after}\r\n" if fault == "429_after" else ""
            self._send(status, {"error": {"message": f"made fault {fault}"}}, extra)
            return
        if fault == "drop_before":
            self.transport.abort()
            return
        data = json.dumps(self._completion(payload, key, fault), ensure_ascii=False).encode()
        if fault == "truncated":
            data = data[: len(data) // 2]
        elif fault == "utf8":
            data = data.replace(b'"stop"', b'"st\xff\xfeop"')
        if fault == "drop_after":
            self.transport.write(self._head(200, len(data)) + data[: len(data) // 2])
            self.transport.close()
            return
        self._write(200, data)

    def _completion(self, payload: dict[str, Any], key: str, fault: str | None) -> dict[str, Any]:
        text: str | None = content(payload, key)
        finish, refusal = "stop", None
        if fault == "refusal":
            text, refusal = None, "I can't help with that."
        elif fault == "apology":
            text = "I'm sorry, but I can't help with that."
        elif fault == "length" and text is not None:
            text, finish = text[: len(text) // 2], "length"
        elif fault == "prose":
            text = "Certainly, that is an interesting passage about many things."
        elif fault == "schema":
            text = '{"something": ["else"]}'
        message = {"role": "assistant", "content": text, "refusal": refusal}
        size = sum(len(str(m.get("content"))) for m in payload["messages"])
        usage = {"prompt_tokens": size // 4 + 1, "completion_tokens": len(text or "") // 4 + 1}
        return {
            "id": f"chatcmpl-{key}",
            "object": "chat.completion",
            "created": 0,
            "model": payload["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": finish}],
            "usage": {**usage, "total_tokens": sum(usage.values())},
        }

    def _send(self, status: int, value: dict[str, Any], extra: str = "") -> None:
        self._write(status, json.dumps(value).encode(), extra)

    def _write(self, status: int, data: bytes, extra: str = "") -> None:
        self._done()
        if not self.transport.is_closing():
            self.transport.write(self._head(status, len(data), extra) + data)

    def _head(self, status: int, size: int, extra: str = "") -> bytes:
        reason = _REASONS.get(status, "Error")
        return (
            f"HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n{extra}\r\n"
        ).encode()

    def _done(self) -> None:
        if self.counted:
            self.counted = False
            self.server.in_flight -= 1


async def _serve(options: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    shared = _Server(options)
    server = await loop.create_server(lambda: _Connection(shared), "127.0.0.1", options.port, backlog=1024)
    sys.stdout.write(json.dumps({"port": server.sockets[0].getsockname()[1]}) + "\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.buffer.read)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A fake OpenAI-compatible endpoint.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--model", action="append", default=[], help="a model it offers (repeatable)")
    parser.add_argument("--key", default="", help="the API key it wants")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="time to answer; the median with --sigma")
    parser.add_argument("--sigma", type=float, default=0.0, help="of a log-normal latency")
    parser.add_argument("--fault", action="append", default=[], help="kind=rate[:times|:always] (repeatable)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of faults")
    parser.add_argument("--retry-after", default="1", help="header of the fault 429_after")
    parser.add_argument("--journal", default="", help="file that gets a line for every question")
    parser.add_argument("--no-json-schema", action="store_true")
    parser.add_argument("--no-json-object", action="store_true")
    parser.add_argument("--no-models", action="store_true", help="/v1/models is 404")
    parser.add_argument("--new-names", action="store_true", help="refuses max_tokens and temperature")
    return parser.parse_args()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        try:
            import uvloop
        except ImportError:
            asyncio.run(_serve(_options()))
        else:
            uvloop.run(_serve(_options()))
