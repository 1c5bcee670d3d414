"""Who is let in, and what the server answers to attacks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.review.support import Client, Server, enter, serving


@pytest.fixture(scope="module")
def server(made_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    import shutil

    run = Path(shutil.copytree(made_run, tmp_path_factory.mktemp("secure") / "run"))
    with serving(run) as started:
        yield started


@pytest.fixture(scope="module")
def client(server: Server) -> Client:
    return enter(server, "Ana")


def test_a_token_works_once_and_another_never(server: Server, client: Client) -> None:
    for token in (server.token, "x" * 43, "", "%00", "ü" * 8):
        status, headers, _ = Client(server.port).ask(
            "GET", f"/?token={token.encode().hex() if not token.isascii() else token}"
        )
        assert status == 401
        assert "set-cookie" not in headers
    link = client.json("POST", "/api/invite", {})["link"]
    second = Client(server.port)
    assert second.ask("GET", "/?" + link.partition("?")[2])[0] == 200
    assert second.ask("GET", "/?" + link.partition("?")[2])[0] == 401


def test_the_cookie_is_for_this_page_alone(server: Server, client: Client) -> None:
    link = client.json("POST", "/api/invite", {})["link"]
    _, headers, _ = Client(server.port).ask("GET", "/?" + link.partition("?")[2])
    assert "HttpOnly" in headers["set-cookie"]
    assert "SameSite=Strict" in headers["set-cookie"]


@pytest.mark.parametrize("path", ["/", "/static/main.js", "/api/run", "/api/samples?n=0", "/docs", "/openapi.json"])
def test_nothing_is_told_without_a_session(server: Server, path: str) -> None:
    name = f"datagen_review_{server.port}"
    for cookie in ("", f"{name}=", f"{name}=guess", "\x7f=;;;", f"{name}=" + "a" * 5000):
        assert Client(server.port, cookie).ask("GET", path)[0] == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example", "[::1]", "", None]
)
def test_another_host_is_refused(server: Server, client: Client, host: str | None) -> None:
    status, _, body = client.ask("GET", "/api/run", Host=host)
    assert status in (400, 421)
    assert b"total" not in body


def test_localhost_is_this_host_too(server: Server, client: Client) -> None:
    assert client.ask("GET", "/api/run", Host=f"localhost:{server.port}")[0] == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1", "https://127.0.0.1:1", ""])
def test_another_origin_is_refused(client: Client, origin: str) -> None:
    assert client.ask("POST", "/api/invite", {}, Origin=origin)[0] == 403
    assert client.ask("GET", "/api/run", Origin=origin)[0] == 403


def test_a_change_needs_an_origin_and_json(client: Client) -> None:
    assert client.ask("POST", "/api/invite", {}, Origin=None)[0] == 403
    for kind in (None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert client.ask("POST", "/api/invite", {}, Content_Type=kind)[0] == 415
    for site in ("cross-site", "same-site"):
        assert client.ask("GET", "/api/run", Sec_Fetch_Site=site)[0] == 403
    assert client.ask("POST", "/api/invite", {}, Content_Length="99999999999")[0] == 413
    assert client.ask("PUT", "/api/invite", None)[0] == 405
    assert client.ask("GET", "/api/invite")[0] in (404, 405)


def test_every_answer_carries_the_policy(client: Client, server: Server) -> None:
    for path in ("/", "/static/main.js", "/api/run", "/nothing", "/static/..%2fserver.py", "/static/%00"):
        _, headers, _ = client.ask("GET", path)
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'")
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
    assert Client(server.port).ask("GET", "/")[1]["content-security-policy"] == policy


@pytest.mark.parametrize(
    "name", ["..%2fserver.py", "..", "%2e%2e/server.py", "index.html/..", "none.js", "../server.py"]
)
def test_only_the_pages_own_files_are_given(client: Client, name: str) -> None:
    status, _, body = client.ask("GET", f"/static/{name}")
    assert status == 404
    assert b"def " not in body


BAD = [
    b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 50_000, b'{"n": 1e400}', b'{"n": -1}',
    b'{"n": 0, "act": "12345678", "decision": "deleted"}',
    b'{"n": 0, "act": "../../etc", "decision": "accepted"}',
    b'{"n": 99999999999999999999999, "act": "12345678", "decision": "accepted"}',
    b'{"n": 9999999, "act": "12345678", "decision": "accepted"}',
    b'{"n": 0, "act": "12345678", "decision": "accepted", "scores": {"clarity": 6}}',
    b'{"n": 0, "act": "12345678", "decision": "accepted", "scores": {"\\ud800": 5}}',
    b'{"n": 0, "act": "12345678", "decision": "edited"}',
    b'{"n": 0, "act": "12345678", "decision": "edited", "edit": {"contents": []}}',
    b'{"n": 0, "act": "12345678", "decision": "edited", "edit": {"contents": ["a", "  "]}}',
    b'{"n": 0, "act": "12345678", "decision": "accepted", "more": 1}',
]  # fmt: skip


@pytest.mark.parametrize("path", ["/api/decide", "/api/undo", "/api/bulk", "/api/queue", "/api/name"])
def test_no_request_breaks_it(client: Client, path: str) -> None:
    for raw in BAD:
        status, _, body = client.ask("POST", path, raw=raw)
        assert 400 <= status < 500, (raw[:60], status)
        assert json.loads(body)["error"]
    assert client.json("GET", "/api/progress")["seq"] == 0  # and nothing was written


def test_a_name_must_be_one(client: Client, server: Server) -> None:
    link = client.json("POST", "/api/invite", {})["link"]
    nobody = Client(server.port)
    nobody.cookie = nobody.ask("GET", "/?" + link.partition("?")[2])[1]["set-cookie"].split(";")[0]
    ask = {"n": 0, "act": "12345678", "decision": "accepted"}
    assert nobody.ask("POST", "/api/decide", ask)[0] == 428
    assert client.ask("POST", "/api/decide", {**ask, "reviewer": "Ben"})[0] == 428
    for name in ("", "  ", "<b>", "a" * 61, "\ud800", "a\0"):
        assert nobody.ask("POST", "/api/name", {"name": name})[0] == 422
    assert nobody.json("POST", "/api/name", {"name": " Zoë  B. "}) == {"reviewer": "Zoë B."}
