"""A stand-in for the readers that does what a reader taken over by a file would try; runs in the child process."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable

from datagen.sources.parsed import Options, Parsed, Unreadable

_LIBC = ctypes.CDLL(None, use_errno=True)  # taken before the lock, to go past Python's audit hook


def _raw_open() -> str:
    descriptor = _LIBC.open(b"/etc/passwd", os.O_RDONLY)
    return f"refused {ctypes.get_errno()}" if descriptor < 0 else "opened"


def _raw_socket() -> str:
    descriptor = _LIBC.socket(socket.AF_INET, socket.SOCK_STREAM, 0)
    return f"refused {ctypes.get_errno()}" if descriptor < 0 else "connected"


def _raw_fork() -> str:
    pid = _LIBC.fork()
    if pid == 0:
        os._exit(0)
    return f"refused {ctypes.get_errno()}" if pid < 0 else "forked"


def _raw_kill() -> str:
    return "refused" if _LIBC.kill(os.getppid(), 0) < 0 else "sent"


def _hang() -> str:
    while True:
        time.sleep(1)


def _crash() -> str:
    ctypes.string_at(0)
    return "survived"


def _bomb() -> str:
    held = []
    while True:
        held.append(bytearray(50_000_000))


def _print() -> str:
    print("this is not the protocol", flush=True)  # noqa: T201
    sys.stderr.write("nor is this")
    os.write(1, b"nor this\n")
    return "printed"


def _write() -> str:
    with open("/tmp/datagen-hostile", "w") as file:  # noqa: PTH123
        file.write("x")
    return "written"


def _import() -> str:
    import lxml.etree
    import openpyxl
    import pypdfium2

    return f"{lxml.etree.__name__} {openpyxl.__name__} {pypdfium2.__name__}"


_ACTIONS: dict[str, Callable[[], str]] = {
    "open": lambda: open("/etc/passwd").read(),  # noqa: PTH123, SIM115
    "list": lambda: str(os.listdir("/")),  # noqa: PTH208
    "home": lambda: open(os.path.expanduser("~/.bashrc")).read(),  # noqa: PTH123, PTH111, SIM115
    "write": _write,
    "socket": lambda: str(socket.socket()),
    "subprocess": lambda: str(subprocess.run(["true"], check=True)),
    "system": lambda: str(os.system("true")),
    "fork": lambda: str(os.fork()),
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "kill": lambda: str(os.kill(os.getppid(), 0)),
    "raw-open": _raw_open,
    "raw-socket": _raw_socket,
    "raw-fork": _raw_fork,
    "raw-kill": _raw_kill,
    "hang": _hang,
    "crash": _crash,
    "abort": lambda: str(os.abort()),
    "exit": lambda: str(os._exit(3)),
    "bomb": _bomb,
    "print": _print,
    "import": _import,
    "environment": lambda: " ".join(sorted(os.environ)),
    "pid": lambda: str(os.getpid()),
}


def read(kind: str, data: bytes, options: Options) -> Parsed:
    """Do what ``kind`` names; what is refused is said in the text."""
    try:
        return Parsed(_ACTIONS[kind]() if kind in _ACTIONS else data.decode(), "text")
    except PermissionError as error:
        return Parsed(f"refused: {error}", "text")
    except UnicodeDecodeError as error:
        raise Unreadable("binary", "not text") from error
