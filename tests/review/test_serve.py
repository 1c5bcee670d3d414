"""Starting and ending the server."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from datagen.core.errors import UsageError
from datagen.review.serve import listen, serve
from tests.review.support import enter, serving, start


def test_ctrl_c_ends_it_cleanly(run: Path) -> None:
    server = start(run)
    enter(server, "Ana").json("GET", "/api/run")
    os.killpg(server.process.pid, signal.SIGINT)
    out, err = server.process.communicate(timeout=60)
    assert server.process.returncode == 0, err
    assert "Traceback" not in out + err
    assert "datagen report" in err


def test_it_listens_on_loopback_alone(run: Path) -> None:
    with serving(run) as server:
        mine = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
        for address in mine - {"127.0.0.1"}:
            if not str(address).startswith("127."):
                with pytest.raises(OSError), socket.create_connection((address, server.port), timeout=3):
                    pass


def test_a_port_that_is_taken_is_told() -> None:
    with listen(0) as held, pytest.raises(UsageError, match="port"):
        listen(held.getsockname()[1])


@pytest.mark.parametrize("name", ["<b>", "a" * 61, "\0"])
def test_a_bad_name_is_told(run: Path, name: str) -> None:
    with pytest.raises(UsageError, match="name"):
        serve(run, reviewer=name, tell=print, progress=print)


def test_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        serve(tmp_path, tell=print, progress=print)
