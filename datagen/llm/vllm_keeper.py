"""Keeps a server's processes from outliving whoever started it. Linux and macOS; imports almost nothing.

::

    python -I vllm_keeper.py LOG COMMAND...

The server runs in a session of its own. When standard input ends (whoever started us has gone, however), or the
server does, every process of that session is ended. A watcher that waits on a pipe does the same if we are killed.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time

GRACE_S = 5.0
LOOK_S = 0.2


def main() -> int:
    """Start, watch, end; see the module."""
    log, command = sys.argv[1], sys.argv[2:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started us; our input ends then
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    held, ours = os.pipe()
    told, tell = os.pipe()
    if os.fork() == 0:
        os.close(ours)
        os.close(tell)
        _watch(held, told)
    os.close(held)
    os.close(told)
    with open(log, "ab", buffering=0) as output:  # noqa: PTH123 - pathlib takes a while to import
        try:
            server = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        except OSError as error:
            output.write(f"{error}\n".encode())
            return 127
    os.write(tell, f"{server.pid}\n".encode())
    while server.poll() is None:
        ready, _, _ = select.select([sys.stdin], [], [], LOOK_S)
        if ready and not os.read(sys.stdin.fileno(), 4096):
            _end(server)
            break
    server.wait()
    kill_session(server.pid)
    return 0


def kill_session(session: int) -> None:
    """Kill every process of a session, also those that left its process group."""
    with contextlib.suppress(OSError):
        os.killpg(session, signal.SIGKILL)
    for pid in _members(session):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def _members(session: int) -> list[int]:
    found = []
    with contextlib.suppress(OSError):  # no /proc on macOS: the process group has to do
        for name in os.listdir("/proc"):  # noqa: PTH208
            if name.isdigit():
                with contextlib.suppress(OSError):
                    if os.getsid(int(name)) == session:
                        found.append(int(name))
    return found


def _end(server: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        os.killpg(server.pid, signal.SIGTERM)
    until = time.monotonic() + GRACE_S
    while server.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    kill_session(server.pid)


def _watch(held: int, told: int) -> None:
    """Wait until the keeper is gone; if it was killed before it could end the server, do it."""
    os.setsid()
    for handle in (0, 1, 2):
        os.dup2(os.open(os.devnull, os.O_RDWR), handle)
    while True:
        try:
            if not os.read(held, 1):
                break
        except InterruptedError:
            continue
    pid = os.read(told, 64).strip()
    if pid:
        kill_session(int(pid))
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
