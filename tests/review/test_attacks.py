"""What a hostile or unlucky world does to the server: it answers in one sentence, loses nothing and goes on."""

from __future__ import annotations

import base64
import json
import os
import resource
import socket
import threading
import uuid
from pathlib import Path
from typing import Any

import pytest

from datagen.core.errors import DatagenError
from datagen.review.store import Log, State, read
from tests.review.support import Client, enter, serving
from tests.runs import datagen


def act() -> str:
    return str(uuid.uuid4())


def decide(n: int, decision: str = "accepted", **more: Any) -> dict[str, Any]:
    return {"n": n, "act": act(), "decision": decision, **more}


def test_there_are_no_websockets(run: Path) -> None:
    with serving(run) as server:
        client = enter(server, "Ana")
        upgrade = {
            "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        }  # fmt: skip
        for path in ("/", "/api/run", "/ws"):
            for inside in (client, Client(server.port)):
                status, _, _ = inside.ask("GET", path, **upgrade)
                assert status != 101
        assert client.json("GET", "/api/progress")["seq"] == 0


def test_bodies_that_lie_or_are_too_large(run: Path) -> None:
    with serving(run) as server:
        client = enter(server, "Ana")
        assert client.ask("POST", "/api/decide", raw=b"x" * 4_000_001)[0] == 413
        assert client.ask("POST", "/api/decide", raw=b"[" * 3_900_000)[0] in (400, 422)
        assert client.ask("POST", "/api/decide", raw=b'{"n":' + b"9" * 3_900_000 + b"}")[0] in (400, 422)
        many = b'{"n":0,"act":"12345678","decision":"accepted","scores":{' + b",".join(
            b'"%d":5' % i for i in range(300_000)
        )
        assert client.ask("POST", "/api/decide", raw=many + b"}}")[0] == 422
        texts = {"contents": ["x"] * 100_000}
        assert client.ask("POST", "/api/decide", decide(0, "edited", edit=texts))[0] == 422
        assert client.ask("GET", "/api/samples?" + "&".join(["n=0"] * 21))[0] == 422
        assert client.ask("GET", "/api/samples?n=" + "9" * 5_000)[0] == 422
        for chunked in (b"5\r\nhello\r\n0\r\n\r\n", b"ffffffff\r\n"):
            status, _, _ = client.ask(
                "POST", "/api/decide", raw=chunked, Content_Length=None, Transfer_Encoding="chunked"
            )
            assert status == 411
        # One that promises more than it sends holds nobody up.
        slow = socket.create_connection(("127.0.0.1", server.port))
        host = f"127.0.0.1:{server.port}"
        heads = f"Host: {host}\r\nCookie: {client.cookie}\r\nOrigin: http://{host}\r\nContent-Type: application/json"
        slow.sendall(f"POST /api/decide HTTP/1.1\r\n{heads}\r\nContent-Length: 999\r\n\r\n{{".encode())
        assert client.json("GET", "/api/progress")["seq"] == 0
        slow.close()
        assert client.json("POST", "/api/decide", decide(0))["seq"] == 1
    assert len(read(run)) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/static/../server.py", "/static/..%2f..%2fstore.py", "/static/%2e%2e/%2e%2e/store.py", "/../../etc/passwd",
        "//etc/passwd", "/static//etc/passwd", "/calibration/../decisions.sqlite", "/calibration%2f..%2fratings.jsonl",
        "/static/main.js%00.html", "/review/decisions.sqlite", "/static/\\..\\server.py",
    ],
)  # fmt: skip
def test_no_path_leads_out(server_client: Client, path: str) -> None:
    status, _, body = server_client.ask("GET", path.replace("\\", "%5c"))
    assert status == 404
    assert b"def " not in body
    assert b"root:" not in body


@pytest.fixture(scope="module")
def server_client(made_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    import shutil

    run = Path(shutil.copytree(made_run, tmp_path_factory.mktemp("paths") / "run"))
    with serving(run) as server:
        yield enter(server, "Ana")


def test_a_cookie_of_before_a_restart_opens_nothing(run: Path) -> None:
    with serving(run) as server:
        before = enter(server, "Ana")
        port = server.port
        before.json("POST", "/api/decide", decide(0))
    with serving(run, "--port", str(port)) as again:
        assert again.port == port
        for method, path in (("GET", "/api/run"), ("POST", "/api/decide"), ("POST", "/api/calibrate"), ("GET", "/")):
            assert before.ask(method, path, {} if method == "POST" else None)[0] == 401
        assert enter(again, "Ana").json("GET", "/api/progress")["people"] == {"Ana": {"accepted": 1}}


def test_twenty_at_once_on_one_sample_and_none_is_lost(run: Path) -> None:
    with serving(run) as server:
        ana = enter(server, "Ana")
        clients = []
        for i in range(20):
            link = ana.json("POST", "/api/invite", {})["link"]
            client = Client(server.port)
            client.cookie = client.ask("GET", "/?" + link.partition("?")[2])[1]["set-cookie"].split(";")[0]
            client.json("POST", "/api/name", {"name": "Ana" if i % 2 else f"Ben {i}"})
            clients.append(client)
        answers: list[tuple[int, bytes]] = []

        def edit(i: int, client: Client) -> None:
            texts = [m["text"] for m in client.json("GET", "/api/samples?n=0")["samples"][0]["messages"]]
            body = decide(0, "edited", edit={"contents": [*texts[:-1], f"edit {i}"]}, seen=0)
            status, _, data = client.ask("POST", "/api/decide", body)
            answers.append((status, data))

        threads = [threading.Thread(target=edit, args=pair) for pair in enumerate(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lines = read(run)
    accepted = sum(status == 200 for status, _ in answers)
    # Of those who are one person, the first is taken and the others are told; each of the others stands.
    assert accepted == len(lines) == 11
    assert sorted(status for status, _ in answers) == [200] * 11 + [409] * 9
    assert all(json.loads(data)["sample"]["mine"]["decision"] == "edited" for status, data in answers if status == 409)
    assert {line.reviewer for line in lines} == {"Ana", *(f"Ben {i}" for i in range(0, 20, 2))}


def test_a_full_disk_is_told_and_what_stands_stays(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for i in range(50):
        log.append("Ana", [(f"s{i}", State("accepted"))], f"before-{i}")
    size = sum(path.stat().st_size for path in log.path.parent.iterdir())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    stored = 0
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20_000, hard))
        for big in (1, 1_000):
            with pytest.raises(DatagenError) as caught:
                for i in range(2_000):
                    log.append("Ana", [(f"x{big}-{i}-{j}", State("accepted", note="n" * 200)) for j in range(big)],
                               f"in-{big}-{i}")  # fmt: skip
                    stored += big
            assert caught.value.fix
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(log.since(0)) == 50 + stored, "what was told to be on the disk is, and nothing else"
    log.append("Ana", [("after", State("rejected"))], "after")  # and it goes on once there is room
    log.close()
    assert [line.sample for line in read(tmp_path)][-1] == "after"


def test_the_server_goes_on_after_a_full_disk(run: Path) -> None:
    with serving(run) as server:
        client = enter(server, "Ana")
        assert client.json("POST", "/api/decide", decide(0))["seq"] == 1
        pid = server.process.pid
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, hard))
        body = decide(1)
        status, _, told = client.ask("POST", "/api/decide", body)
        assert status == 500
        assert "log of decisions" in json.loads(told)["error"]
        assert len(client.json("GET", "/api/samples?n=1")["samples"]) == 1
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard))
        assert client.json("POST", "/api/decide", body)["seq"] == 2  # as the page sends it again
        assert client.json("POST", "/api/ratings", {})["rows"] == 2
    assert [line.state.decision for line in read(run)] == ["accepted", "accepted"]
    assert datagen("report", run).returncode == 0
