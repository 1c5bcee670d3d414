"""Keeps a server's processes from outliving whoever started it. Linux and macOS; imports almost nothing.

::

    python -I vllm_keeper.py LOG LOG_BYTES COMMAND...

The server runs in a session of its own. When standard input ends, when whoever started us is gone, or when the
server ends, every process of that session is ended. A watcher that waits on a pipe does the same if we are killed.
What the server says goes to LOG; one larger than LOG_BYTES is put aside as LOG.1, so that two of them are the most.
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


class Log:
    """A file that is put aside when it is full; what cannot be written (disk full) is lost.

    Args:
        path: of the file; ``os.devnull`` keeps nothing.
        most: bytes of a file.
    """

    def __init__(self, path: str, most: int) -> None:
        self._path, self._most = path, most
        self._open()

    def write(self, data: bytes) -> None:
        """Add to it."""
        with contextlib.suppress(OSError):
            if self._size and self._size + len(data) > self._most:
                os.close(self._file)
                os.replace(self._path, self._path + ".1")  # noqa: PTH105 - pathlib takes a while to import
                self._open()
            os.write(self._file, data)
            self._size += len(data)

    def _open(self) -> None:
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._size = os.fstat(self._file).st_size


def main() -> int:
    """Start, watch, end; see the module."""
    parent = os.getppid()
    log, command = Log(sys.argv[1], int(sys.argv[2])), sys.argv[3:]
    # Ctrl-C is for whoever started us; our input ends then. Functions, as a server would inherit SIG_IGN.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    held, ours = os.pipe()
    told, tell = os.pipe()
    if os.fork() == 0:
        os.close(ours)
        os.close(tell)
        _watch(held, told)
    os.close(held)
    os.close(told)

    def say_who() -> None:
        """Told by the server itself before it becomes one, so that there is no moment in which nobody knows."""
        os.write(tell, f"{os.getpid()}\n".encode())

    output, said = os.pipe()
    try:
        server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
            preexec_fn=say_who,  # there is one thread
        )
    except (OSError, subprocess.SubprocessError) as error:
        log.write(f"{error}\n".encode())
        return 127
    os.close(said)
    os.set_blocking(output, False)
    wanted = True
    while wanted and server.poll() is None:
        ready, _, _ = select.select([0, output], [], [], LOOK_S)
        if output in ready and not _pass_on(output, log):
            time.sleep(LOOK_S)  # its end: the server closed it, and lives
        wanted = os.getppid() == parent and (0 not in ready or bool(os.read(0, 4096)))
    if server.poll() is None:
        _end(server, output, log)
    kill_session(server.pid)
    _pass_on(output, log)
    return 0


def kill_session(session: int) -> None:
    """Kill every process of a session, also those that left its process group; returns when they are gone."""
    until = time.monotonic() + GRACE_S
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            os.killpg(session, signal.SIGKILL)
        members = _members(session)
        for pid in members:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if not members:
            return
        time.sleep(0.02)


def _members(session: int) -> list[int]:
    found = []
    with contextlib.suppress(OSError):  # no /proc on macOS: the process group has to do
        for name in os.listdir("/proc"):  # noqa: PTH208
            if name.isdigit():
                with contextlib.suppress(OSError, ValueError, IndexError):
                    # proc_pid_stat(5): after the name in brackets come state, parent, group, session.
                    with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                        state, _, _, its = file.read().rpartition(b")")[2].split()[:4]
                    if int(its) == session and state not in (b"Z", b"X"):
                        found.append(int(name))
    return found


def _pass_on(output: int, log: Log) -> bool:
    """Write to the log what there is; False at the end."""
    with contextlib.suppress(BlockingIOError):
        while data := os.read(output, 65_536):
            log.write(data)
        return False
    return True


def _end(server: subprocess.Popen[bytes], output: int, log: Log) -> None:
    with contextlib.suppress(OSError):
        os.killpg(server.pid, signal.SIGTERM)
    until = time.monotonic() + GRACE_S
    while server.poll() is None and time.monotonic() < until:
        _pass_on(output, log)
        time.sleep(0.05)
    with contextlib.suppress(OSError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def _watch(held: int, told: int) -> None:
    """Wait until the keeper is gone; if it was killed before it could end the server, do it."""
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for handle in (0, 1, 2):
        os.dup2(null, handle)
    os.read(held, 1)  # its end is that of the keeper
    pid = os.read(told, 64).split()
    if pid:
        kill_session(int(pid[0]))
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
