"""One HTTP request against a real server process, and what each of its faults becomes."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Iterator
from email.utils import formatdate

import pytest

from datagen.core.errors import StoppedEarly, UsageError
from datagen.core.hashing import digest
from datagen.core.record import Message
from datagen.llm import problems
from datagen.llm.backend import Reply, Request
from datagen.llm.dialect import Dialect, Dialects, adapted, body
from datagen.llm.envelope import read_models, read_reply, retry_after
from datagen.llm.faults import MAX_RAW, Fault, Rejected
from datagen.llm.openai import OpenAIBackend
from tests.fakeserver import FakeServer, fake_server
from tests.llm.support import Pairs, question, run

ALWAYS = (1.0, math.inf)


@pytest.fixture(scope="module")
def server() -> Iterator[FakeServer]:
    with fake_server() as running:
        yield running


async def once(url: str, key: str = "", text: str = "x", model: str = "fake-model") -> Reply:
    backend = OpenAIBackend(url, key)
    try:
        return await backend.complete(question(text, model))
    finally:
        await backend.close()


def test_a_reply(server: FakeServer) -> None:
    reply = run(once(server.url))
    assert len(Pairs.model_validate_json(reply.text).pairs) == 2
    assert reply.key == question("x").key()
    assert (reply.finish, reply.attempts, reply.cached) == ("stop", 1, False)
    assert reply.prompt_tokens > 0
    assert reply.completion_tokens > 0


def test_a_trailing_slash_and_credentials_in_the_address(server: FakeServer) -> None:
    assert run(once(server.url.replace("//", "//user:secret@") + "/")).text


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("429", "http_429"),
        ("500", "http_500"),
        ("503", "http_503"),
        ("drop_before", "connection"),
        ("drop_after", "truncated"),
        ("truncated", "bad_envelope"),
        ("utf8", "invalid_utf8"),
    ],
)
def test_faults_that_may_be_tried_again(kind: str, reason: str) -> None:
    with fake_server(faults={kind: ALWAYS}) as bad, pytest.raises(Fault) as caught:
        run(once(bad.url))
    assert caught.value.reason == reason
    assert caught.value.retry_after is None
    assert caught.value.raw
    if kind == "utf8":
        assert r"\xff\xfe" in caught.value.raw


def test_retry_after_is_read() -> None:
    with fake_server(faults={"429_after": ALWAYS}, retry_after="7") as bad, pytest.raises(Fault) as caught:
        run(once(bad.url))
    assert (caught.value.reason, caught.value.retry_after) == ("http_429", 7.0)


@pytest.mark.parametrize(("kind", "finish"), [("refusal", "stop"), ("length", "length"), ("prose", "stop")])
def test_answers_that_are_no_use_are_still_answers(kind: str, finish: str) -> None:
    with fake_server(faults={kind: ALWAYS}) as bad:
        reply = run(once(bad.url))
    assert reply.finish == finish
    assert bool(reply.refusal) == (kind == "refusal")


def test_a_refused_request() -> None:
    with fake_server(faults={"400": ALWAYS}) as bad, pytest.raises(Rejected) as caught:
        run(once(bad.url))
    assert caught.value.status == 400
    assert "made fault" in caught.value.raw


def test_the_wrong_key_is_told_without_showing_it() -> None:
    with fake_server(key="right-key-123") as guarded:
        assert run(once(guarded.url, "right-key-123")).text
        for key in ("wrong-key-456", ""):
            with pytest.raises(UsageError) as caught:
                run(once(guarded.url, key))
            assert caught.value.exit_code == 2
            assert "OPENAI_API_KEY" in str(caught.value)
            assert "wrong-key" not in repr(caught.value)


def test_a_key_that_the_endpoint_echoes_is_taken_out() -> None:
    backend = OpenAIBackend("http://127.0.0.1:1/v1", "secret-key-789")
    assert backend._scrubbed(b"your key secret-key-789 is odd") == "your key [key] is odd"


def test_an_unknown_model_names_the_known_ones() -> None:
    with fake_server(models=["small", "large"]) as running, pytest.raises(UsageError) as caught:
        run(once(running.url, model="medium"))
    assert "'medium'" in caught.value.what
    assert "'small', 'large'" in caught.value.why


def test_a_wrong_path(server: FakeServer) -> None:
    with pytest.raises(UsageError, match="base-url"):
        run(once(server.url.replace("/v1", "/v7")))


@pytest.mark.parametrize(
    "url", ["", "localhost:8000", "ftp://x/v1", "http://", "http://a b/", "http://[::1/v1", "http://x:99999/"]
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(UsageError):
        OpenAIBackend(url)


@pytest.mark.parametrize("key", ["a b", "a\nb", "schlüssel"])
def test_keys_that_cannot_be_sent(key: str) -> None:
    with pytest.raises(UsageError) as caught:
        OpenAIBackend("http://127.0.0.1:1/v1", key)
    assert key not in str(caught.value)


def test_credentials_are_not_shown() -> None:
    assert problems.redacted("https://me:pw@host:8/v1/?k=v#f") == "https://host:8/v1"
    with pytest.raises(Fault) as caught:
        run(once("http://me:password@127.0.0.1:1/v1"))
    assert caught.value.reason == "connection"
    assert "password" not in caught.value.raw


def test_causes_are_told_plainly() -> None:
    async def cause(url: str) -> str:
        with pytest.raises(Fault) as caught:
            await once(url)
        assert caught.value.reason == "connection"
        return caught.value.raw

    async def main() -> None:
        async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(plain, "127.0.0.1", 0)
        assert "SSL" in await cause(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        server.close()
        assert await cause("http://127.0.0.1:1/v1") == "Connection refused"
        assert "no-such-host.invalid" in await cause("http://no-such-host.invalid/v1")

    run(main())


def test_forms_are_tried_until_one_is_taken(tmp_path_factory: pytest.TempPathFactory) -> None:
    journal = tmp_path_factory.mktemp("j") / "journal.jsonl"
    with fake_server(no_json_schema=True, no_json_object=True, new_names=True, journal=journal) as picky:

        async def main() -> OpenAIBackend:
            backend = OpenAIBackend(picky.url)
            request = question(params={"max_tokens": 10, "temperature": 0.5})
            await backend.complete(request)
            await backend.complete(request)
            await backend.close()
            return backend

        backend = run(main())
        expected = Dialect(schema_mode="prompt", long_name=True, dropped=("temperature",))
        assert backend.dialects["fake-model"] == expected
        assert [entry["form"] for entry in picky.journal()] == ["json_schema", "json_object", None, None, None, None]


def test_a_server_that_never_ends_its_reply_is_cut_off() -> None:
    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
            try:
                while True:
                    writer.write(b"x" * 1_000_000)
                    await writer.drain()
            except ConnectionError:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        with pytest.raises(Fault) as caught:
            await once(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        assert caught.value.reason == "too_large"
        assert len(caught.value.raw) == MAX_RAW
        server.close()

    run(main())


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (
            b"HTTP/1.1 307 Moved\r\nLocation: http://evil.test/?k=1\r\nContent-Length: 0\r\n\r\n",
            UsageError,
            "evil.test",
        ),
        (b"HTTP/1.1 402 Pay\r\nContent-Length: 2\r\n\r\n{}", StoppedEarly, "quota"),
        (
            b'HTTP/1.1 429 No\r\nContent-Length: 39\r\n\r\n{"error":{"code":"insufficient_quota"}}',
            StoppedEarly,
            "quota",
        ),
        (b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\n{}", UsageError, "OPENAI_API_KEY"),
        (b'HTTP/1.1 403 No\r\nContent-Length: 11\r\n\r\n{"flagged"}', Rejected, "403"),
        (b"HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\n{}", Rejected, "413"),
        (b"HTTP/1.1 204 None\r\n\r\n", Fault, "bad_envelope"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", Fault, "connection"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00", Fault, "utf8"),
    ],
)
def test_rarer_answers(answer: bytes, error: type[Exception], said: str) -> None:
    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        with pytest.raises(error) as caught:
            await once(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", "some-key-1")
        assert said in repr(caught.value)
        assert "some-key-1" not in repr(caught.value)
        server.close()

    run(main())


def test_proxies_are_for_other_machines(monkeypatch: pytest.MonkeyPatch, server: FakeServer) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert run(once(server.url)).text
    assert OpenAIBackend("http://example.test/v1")._proxy == "http://127.0.0.1:9"
    monkeypatch.setenv("no_proxy", "example.test")
    assert OpenAIBackend("http://example.test/v1")._proxy is None


def envelope(**message: object) -> bytes:
    return json.dumps({"choices": [{"message": message, "finish_reason": "stop"}], "usage": None}).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"choices": []}',
        b'{"choices": [{}]}',
        b'{"choices": [{"message": null}]}',
        b'{"error": {"message": "overloaded"}}',
        envelope(),
        envelope(content=3),
        envelope(content=[{"type": "text", "text": "x"}]),
        envelope(content="x", refusal=1),
        b'{"choices": [{"message": {"content": "\\ud800"}}]}',
        b"[" * 100_000,
        b'{"choices": [{"message": {"content": "x"}, "finish_reason": 1}]}',
    ],
)
def test_envelopes_that_are_none(data: bytes) -> None:
    with pytest.raises(Fault, match="bad_envelope"):
        read_reply("k", data)


def test_envelopes_with_little_in_them() -> None:
    assert read_reply("k", envelope(content=None)).text == ""
    assert read_reply("k", b'{"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": -1}}') == Reply(
        key="k", text="x", finish=""
    )
    assert read_reply("k", envelope(refusal="No.")).refusal == "No."


def test_models() -> None:
    assert read_models(b'{"data": [{"id": "b"}, {"id": "a"}]}') == ("b", "a")
    for data in (b"", b"{}", b'{"data": 1}', b'{"data": [{"id": 1}]}', b'{"data": ["x"]}', b'{"data": [{"id": ""}]}'):
        assert read_models(data) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *[("3", 3.0), ("0", 0.0), ("0.25", 0.25), ("99999999999", 99999999999.0)],
        *[(None, None), ("soon", None), ("-1", None), ("9" * 40, None), ("", None)],
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, 0.0) == seconds


def test_retry_after_as_a_date() -> None:
    now = math.floor(time.time())
    assert retry_after(formatdate(now + 30, usegmt=True), now) == 30.0
    assert retry_after(formatdate(now - 30, usegmt=True), now) == 0.0


def test_the_body_of_a_request() -> None:
    request = question(params={"max_tokens": 5, "seed": 1})
    sent = json.loads(body(request, Dialect()))
    assert sent["response_format"]["json_schema"]["schema"] == request.json_schema
    assert sent["response_format"]["json_schema"]["strict"] is True
    assert (sent["max_tokens"], sent["seed"], sent["model"]) == (5, 1, "fake-model")
    other = json.loads(body(request, Dialect(schema_mode="json_object", long_name=True, dropped=("seed",))))
    assert other["response_format"] == {"type": "json_object"}
    assert other["max_completion_tokens"] == 5
    assert not {"max_tokens", "seed"} & set(other)
    assert "response_format" not in json.loads(body(request, Dialect(schema_mode="prompt")))
    json.loads(body(question("\ud800"), Dialect()).decode("utf-8"))


def test_a_refusal_about_something_else_changes_no_form() -> None:
    request = question(params={"max_tokens": 5})
    assert adapted(Dialect(), request, "This model's context length is 4096 tokens.") is None
    assert adapted(Dialect(schema_mode="prompt"), request, "response_format") is None
    assert adapted(Dialect(), question(params={"n": 2}), "Invalid value for n in messages") is None


REFUSALS = [
    ("temperature", "Unsupported value: 'temperature' does not support 0.7 with this model."),
    ("seed", '{"detail":[{"type":"extra_forbidden","loc":["body","seed"],"msg":"Extra inputs are not permitted"}]}'),
    ("logprobs", "You are not allowed to request logprobs from this model"),
    ("logprobs", "Gaudi doesn't support logprobs. Please remove 'logprobs'/'top_logprobs' from your request."),
    ("logprobs", "Logprobs is not enabled for this model"),
    ("n", "Only one completion choice is allowed"),
    ("n", "n must be 1 when using greedy sampling, got 2."),
    ("n", "Unsupported parameter: 'n' is not supported with this model."),
]


@pytest.mark.parametrize(("name", "said"), REFUSALS)
def test_refusals_in_the_words_of_several_servers(name: str, said: str) -> None:
    params = {"temperature": 0.7, "seed": 1, "logprobs": True, "top_logprobs": 2, "n": 2, "max_tokens": 5}
    request = question(params=params)
    other = adapted(Dialect(), request, said)
    assert other is not None
    sent = json.loads(body(request, other))
    gone = {"logprobs", "top_logprobs"} if name == "logprobs" else {name}
    assert set(params) - set(sent) == gone
    assert other.schema_mode == "json_schema"
    assert adapted(other, request, said) != other  # never the same again


def test_what_requests_learn_apart_comes_together() -> None:
    known = Dialects()
    told: list[tuple[str, Dialect]] = []
    known.on_learned = lambda model, dialect: told.append((model, dialect))
    known["m"] = Dialect(probed=True)
    first = known["m"].model_copy(update={"weaker": (("qa", "json_object"),)})
    second = known["m"].model_copy(update={"weaker": (("judge", "prompt"), ("qa", "prompt")), "dropped": ("seed",)})
    known.learn("m", first)
    known.learn("m", second)
    known.learn("m", first)  # was under way all the while
    assert known["m"].weaker == (("judge", "prompt"), ("qa", "prompt"))
    assert known["m"].dropped == ("seed",)
    assert [model for model, _ in told] == ["m", "m"]


def test_tool_messages_in_the_documented_form() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    messages = (
        Message(role="user", content="Rain?"),
        Message(role="assistant", content="", tool_calls=(call,)),
        Message(role="tool", content="yes", tool_call_id="c1", name="weather"),
    )
    request = question().model_copy(update={"messages": messages})
    assert json.loads(body(request, Dialect()))["messages"] == [
        {"role": "user", "content": "Rain?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "yes", "tool_call_id": "c1", "name": "weather"},
    ]
    keys = {request.key()}
    for number, change in ((1, {"tool_calls": ()}), (2, {"tool_call_id": "c2"}), (2, {"name": ""})):
        other = list(messages)
        other[number] = other[number].model_copy(update=change)
        keys.add(request.model_copy(update={"messages": tuple(other)}).key())
    assert len(keys) == 4


def test_the_key_of_a_plain_request_stays_what_it_was() -> None:
    request = Request(model="m", messages=(Message(role="user", content="x"),), params={"seed": 1}, index=2)
    assert request.key() == digest(
        {"model": "m", "messages": [["user", "x"]], "params": {"seed": 1}, "schema": None, "index": 2}
    )


def test_choices_and_log_probabilities() -> None:
    choices = [{"message": {"content": t}, "finish_reason": f} for t, f in (("a", "stop"), (None, "length"))]
    choices[0]["logprobs"] = {
        "content": [
            {"token": "a", "logprob": -0.5, "top_logprobs": [{"token": "a", "logprob": -0.5}]},
            {"token": "b", "logprob": float("-inf"), "top_logprobs": None},
            {"token": "c", "logprob": float("nan")},
        ]
    }
    found = read_reply("k", json.dumps({"choices": choices}).encode())
    assert (found.text, found.choices, found.finishes) == ("a", ("a", ""), ("stop", "length"))
    assert [t.logprob for t in found.logprobs] == [-0.5, -9999.0, -9999.0]
    assert found.logprobs[0].top == (("a", -0.5),)
    for odd in ([], {}, {"content": None}, {"content": [{"token": 1, "logprob": 0}]}, {"tokens": ["a"]}):
        choices[0]["logprobs"] = odd
        assert read_reply("k", json.dumps({"choices": choices}).encode()).logprobs == ()


def test_an_error_that_comes_as_an_answer() -> None:
    broken = {"choices": [{"message": {"content": "half"}, "finish_reason": "error"}]}
    with pytest.raises(Fault, match="bad_envelope"):
        read_reply("k", json.dumps(broken).encode())
