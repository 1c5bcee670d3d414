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
from tests.fakeserver_limits import PrefixCache, Rate, Slots
from tests.fakeserver_replies import Script, completion, content, draw, load_script, rendered

ROOT = Path(__file__).resolve().parent.parent
_BEFORE_WORK = ("429", "429_after", "500", "503", "400", "drop_before", "hang")
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
        """Counters: ``requests``, ``questions``, ``models``, ``most_in_flight``, ``connections``, ``faults``,
        ``limited`` (429 for the rate), ``served`` (200), ``prefix`` (``hits``, ``total``, ``best``), ``billed``
        (model → tokens read, tokens written: of all replies that were made, whether they arrived or not)."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/stats", timeout=10) as response:
            found: dict[str, Any] = json.load(response)
        return found

    def journal(self) -> list[dict[str, Any]]:
        """One entry a question, in the order of arrival: ``key``, ``time``, ``attempt``, ``fault``, ``schema``,
        ``limited`` (answered with 429 for the rate: no attempt)."""
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
            of kind to rate, or to (rate, times)), ``key``, ``models`` (a list), ``no_json_schema``, ``journal``,
            ``rate``, ``slots``, ``prefix_cache``, ``bad_rate``, ``script``, …
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
        self.billed: dict[str, list[int]] = {}
        self.in_flight = 0
        self.most_in_flight = 0
        self.rate: Rate | None = None
        if options.rate:
            burst = options.burst or (options.rate if options.rate_kind == "window" else options.rate / 10)
            self.rate = Rate(options.rate, max(1, round(burst)), options.rate_kind)
        tpm = options.tokens_per_minute
        self.tokens = Rate(tpm / 60, tpm, "bucket") if tpm else None
        self.slots = Slots(options.slots) if options.slots else None
        self.prefix = PrefixCache(options.prefix_cache) if options.prefix_cache else None
        self.script: Script | None = load_script(options.script) if options.script else None
        self.journal: BinaryIO | None = Path(options.journal).open("ab", buffering=0) if options.journal else None  # noqa: SIM115

    def latency(self, key: str) -> float:
        """Seconds until the answer: fixed, or log-normal around the given median, drawn by the key."""
        median = self.options.latency_ms / 1000
        if not self.options.sigma:
            return float(median)
        u1, u2 = ((draw(key, n) + 1) / 2**64 for n in (1, 2))
        normal = math.sqrt(-2 * math.log(min(u1, 1.0))) * math.cos(2 * math.pi * u2)
        return float(median * math.exp(self.options.sigma * normal))

    def limited(self, payload: dict[str, Any]) -> float:
        """Seconds until this request would be within the limits; 0 where it is."""
        now = time.monotonic()
        wait = self.rate.take(now) if self.rate else 0.0
        if wait or self.tokens is None:
            return wait
        return self.tokens.take(now, len(rendered(payload)) // 4 + int(payload.get("max_tokens") or 0))

    def headers(self, wait: float = 0.0) -> str:
        """What the endpoint says of its limits (OpenAI, "Rate limits in headers")."""
        lines = []
        if wait and self.options.retry_after == "exact":
            lines.append(f"retry-after-ms: {math.ceil(wait * 1000)}")
        elif wait and self.options.retry_after != "none":
            lines.append(f"Retry-After: {self.options.retry_after}")
        if self.options.rate_headers:
            for name, rate in (("requests", self.rate), ("tokens", self.tokens)):
                if rate is not None:
                    lines.append(f"x-ratelimit-limit-{name}: {rate.burst}")
                    lines.append(f"x-ratelimit-remaining-{name}: {rate.left()}")
                    lines.append(f"x-ratelimit-reset-{name}: {rate.reset():.3f}s")
        return "".join(f"{line}\r\n" for line in lines)

    def stats(self) -> dict[str, Any]:
        """As :meth:`FakeServer.stats`."""
        known = dict.fromkeys(("requests", "questions", "models", "connections", "limited", "served"), 0)
        found: dict[str, Any] = {**known, **self.counts}
        found |= {"most_in_flight": self.most_in_flight, "faults": dict(self.faults), "billed": self.billed}
        if self.prefix is not None:
            found["prefix"] = {"hits": self.prefix.hits, "total": self.prefix.total, "best": self.prefix.best}
        return found

    def bill(self, model: str, usage: dict[str, Any]) -> None:
        """Count the tokens of a reply that was made."""
        known = self.billed.setdefault(model, [0, 0])
        known[0] += usage.get("prompt_tokens", 0)
        known[1] += usage.get("completion_tokens", 0)

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
        self.placed = False

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
            self._send(200, server.stats())
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
        wait = server.limited(payload)
        attempt, fault = (0, None) if wait else server.plan.next(key)
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
                "limited": bool(wait),
            }
        )
        if wait:
            server.counts["limited"] += 1
            error = {"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}
            self._send(429, {"error": error}, server.headers(wait))
            return
        if refusal := self._refused(payload):
            self._send(*refusal)
            return
        if fault is not None:
            server.faults[fault] += 1
        if fault == "hang":
            return
        if server.slots is None or fault in _BEFORE_WORK:
            self._serve(payload, key, fault)
        else:
            self.placed = True
            server.slots.enter(self, functools.partial(self._serve, payload, key, fault))

    def _serve(self, payload: dict[str, Any], key: str, fault: str | None) -> None:
        if self.server.prefix is not None and fault not in _BEFORE_WORK:
            self.server.prefix.see(rendered(payload))
        delay = self.server.latency(key)
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
        for name, used in (("n", payload.get("n", 1) > 1), ("logprobs", payload.get("logprobs"))):
            supported = getattr(options, name)
            if used and not supported:
                said = f"Unsupported parameter: '{name}' is not supported with this model."
                return 400, {"error": {"message": said, "code": "unsupported_parameter", "param": name}}
        return None

    def _answer(self, payload: dict[str, Any], key: str, fault: str | None) -> None:
        self.pending = None
        if fault in ("429", "429_after", "500", "503", "400"):
            status = int(fault[:3])
            extra = f"Retry-After: {self.server.options.retry_after}\r\n" if fault == "429_after" else ""
            self._send(status, {"error": {"message": f"made fault {fault}"}}, extra)
            return
        made = self._completion(payload, key, fault)
        self.server.bill(payload["model"], made.get("usage") or {})
        if fault == "drop_before":
            self.transport.abort()
            return
        data = json.dumps(made, ensure_ascii=False).encode()
        if fault == "truncated":
            data = data[: len(data) // 2]
        elif fault == "utf8":
            data = data.replace(b'"stop"', b'"st\xff\xfeop"')
        if fault == "drop_after":
            self.transport.write(self._head(200, len(data)) + data[: len(data) // 2])
            self.transport.close()
            return
        self.server.counts["served"] += 1
        self._write(200, data, self.server.headers())

    def _completion(self, payload: dict[str, Any], key: str, fault: str | None) -> dict[str, Any]:
        options = self.server.options
        count = int(payload.get("n") or 1)
        texts: list[str] = []
        for index in range(count):
            own = f"{key}/{index}" if index else key
            said = self.server.script(payload, own) if self.server.script else None
            if isinstance(said, dict) and "choices" in said:
                return said
            if isinstance(said, dict):
                said = json.dumps(said, ensure_ascii=False)
            if said is None:
                said = content(payload, own, bad=draw(own, "bad", options.seed) / 2**64 < options.bad_rate)
            texts.append(said)
        finish = "stop"
        if fault == "apology":
            texts = ["I'm sorry, but I can't help with that."] * count
        elif fault == "length":
            texts, finish = [text[: len(text) // 2] for text in texts], "length"
        elif fault == "prose":
            texts = ["Certainly, that is an interesting passage about many things."] * count
        elif fault == "schema":
            texts = ['{"something": ["else"]}'] * count
        wanted = int(payload.get("top_logprobs") or 0) if payload.get("logprobs") else None
        made = completion(payload, key, texts, finish, wanted)
        if fault == "refusal":
            for choice in made["choices"]:
                choice["message"] |= {"content": None, "refusal": "I can't help with that."}
        return made

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
        if self.placed and self.server.slots is not None:
            self.placed = False
            self.server.slots.leave(self)


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
    parser.add_argument(
        "--retry-after",
        default="1",
        help="header of the fault 429_after and of --rate: seconds, none, or exact (in ms)",
    )
    parser.add_argument("--rate", type=float, default=0.0, help="requests a second allowed, 429 beyond")
    parser.add_argument("--burst", type=int, default=0, help="of --rate; a tenth of it, or all of it for a window")
    parser.add_argument("--rate-kind", choices=("bucket", "window"), default="bucket")
    parser.add_argument("--tokens-per-minute", type=int, default=0, help="tokens allowed, 429 beyond")
    parser.add_argument("--rate-headers", action="store_true", help="sends x-ratelimit-* headers")
    parser.add_argument("--slots", type=int, default=0, help="requests served at once, the others queue")
    parser.add_argument("--prefix-cache", type=int, default=0, help="blocks of 64 characters it holds")
    parser.add_argument("--bad-rate", type=float, default=0.0, help="share of replies whose quotes are made up")
    parser.add_argument("--script", default="", help="Python file with reply(payload, key) -> dict | str | None")
    parser.add_argument("--logprobs", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--n", action=argparse.BooleanOptionalAction, default=True, help="several choices a request")
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
