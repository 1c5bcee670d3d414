"""Starts and ends the server of the review page, on loopback alone."""

from __future__ import annotations

import contextlib
import errno
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path

from datagen.core.errors import UsageError
from datagen.review.desk import Desk
from datagen.review.queue import Order
from datagen.review.security import NAMES as HOSTS
from datagen.review.security import Gate
from datagen.review.store import NAMES, clean_name

PORT = 8377
"""Taken where it is free and none was asked for, so that a page that is open finds a server that was started again."""
_TURN_S = 0.001
"""Seconds of a thread's turn: a request that takes long leaves room for short ones."""


def listen(port: int | None) -> socket.socket:
    """A listening socket on loopback.

    Args:
        port: wanted; 0: any; None: :data:`PORT`, or any where that is taken.

    Raises:
        UsageError: the port is taken or not allowed.
    """
    tried = PORT if port is None else port
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((HOSTS[0], tried))
        bound.listen(64)
    except OSError as error:
        bound.close()
        if port is None and error.errno == errno.EADDRINUSE:
            return listen(0)
        raise UsageError(
            f"Could not listen on port {tried}.", f"The system says: {error.strerror}.", "Name another with --port."
        ) from error
    return bound


def serve(
    folder: Path,
    *,
    port: int | None = None,
    reviewer: str = "",
    order: Order = "uncertain",
    blind: bool = False,
    browser: bool = True,
    tell: Callable[[str], None],
    progress: Callable[[str], None],
) -> None:
    """Serve the page until the process is interrupted.

    Args:
        reviewer: who comes in with the first link; "": the page asks.
        browser: open one.
        tell: called once with the link.
        progress: called with what happens before that.

    Raises:
        DatagenError: no finished run, a port that is taken, or a missing library.
    """
    try:
        import uvicorn

        from datagen.review.server import make_app
    except ImportError as error:
        raise UsageError(
            "The review page needs two libraries that are not installed.",
            f"{error.name} is missing.",
            "Install them with `pip install 'datagen[review]'`.",
        ) from error
    if reviewer and not clean_name(reviewer):
        raise UsageError("This is no name for a reviewer.", NAMES + ".", "Give another one with --as.")
    desk = Desk(folder, progress)
    sys.setswitchinterval(_TURN_S)
    try:
        with contextlib.closing(listen(port)) as bound:
            gate = Gate(bound.getsockname()[1])
            app = make_app(desk, gate, order=order, blind=blind)
            config = uvicorn.Config(
                app, log_level="error", access_log=False, server_header=False, lifespan="off", proxy_headers=False,
                timeout_graceful_shutdown=2,
            )  # fmt: skip
            link = gate.link(clean_name(reviewer))
            tell(link)
            if browser:
                threading.Thread(target=webbrowser.open, args=(link,), daemon=True).start()
            uvicorn.Server(config).run([bound])
    finally:
        desk.close()
