"""Locks the process it is called in: what reads hostile files may compute, and nothing else.

Four layers, each of which works without the others: resource limits, Landlock (files and TCP, by the
kernel), seccomp (no new processes, no sockets, by the kernel) and an audit hook (all of that again
within Python, also where the kernel has neither).
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

from datagen.sources import landlock, seccomp

# Audit events (docs.python.org/3/library/audit_events.html) by what is before their first dot, and single ones.
_NETWORK = "socket urllib ftplib http smtplib imaplib poplib nntplib telnetlib webbrowser"
_WINDOWS = "winreg msvcrt"
_REFUSED_FAMILIES = frozenset(f"{_NETWORK} {_WINDOWS} subprocess pty shutil tempfile syslog".split())
_OF_OS = (
    "chflags chmod chown exec fork forkpty kill killpg link lockf mkdir posix_spawn remove removexattr "
    "rename rmdir setxattr spawn startfile symlink system truncate utime"
)
_REFUSED = frozenset([*(f"os.{name}" for name in _OF_OS.split()), "signal.pthread_kill", "fcntl.flock", "fcntl.lockf"])
_PATH_EVENTS = frozenset({"open", "os.listdir", "os.scandir", "ctypes.dlopen"})
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def lock(memory_mb: int) -> None:
    """Give up, for good, everything a reader of untrusted bytes does not need.

    Afterwards the process may read the Python installation and the system's shared libraries (readers
    import lazily), and open nothing else; it has no sockets, starts no processes, writes no file, and has
    ``memory_mb`` megabytes of address space.

    Raises:
        OSError: a lock that this system has could not be put on.
    """
    _limits(memory_mb)
    folders = readable_folders()
    landlock.restrict([*folders, *_SYSTEM_FILES])
    seccomp.restrict()
    sys.addaudithook(guard(folders))


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when the thread that started it ends (Linux); leave at once if it has."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(0)


def _limits(memory_mb: int) -> None:
    import resource

    def limit(what: int, value: int) -> None:
        _, hard = resource.getrlimit(what)
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(what, (value, value))

    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_FSIZE, 0)
    limit(resource.RLIMIT_NOFILE, 64)
    if sys.platform != "darwin":  # macOS has the name and refuses the call
        limit(resource.RLIMIT_AS, memory_mb * 1_000_000)


_SYSTEM_FILES = ("/etc/ld.so.cache", "/dev/null", "/dev/urandom")
_SYSTEM_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/System/Library", "/nix/store")


def readable_folders() -> tuple[str, ...]:
    """Folders that importing may need: the standard library, installed packages, this package, shared libraries."""
    import datagen

    package = Path(datagen.__file__).resolve().parent
    paths = sysconfig.get_paths()
    found = {str(package), *(paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib"))}
    # Elsewhere on sys.path, but not a working tree that happens to hold this package.
    found |= {entry for entry in sys.path if entry and Path(entry).resolve() != package.parent}
    found |= {str(Path(prefix) / "lib") for prefix in (sys.prefix, sys.base_prefix)}
    found |= set(_SYSTEM_LIBRARIES)
    return tuple(sorted({os.path.realpath(f) for f in found if os.path.isabs(f)}))  # noqa: PTH117


def guard(folders: tuple[str, ...]) -> Callable[[str, tuple[Any, ...]], None]:
    """An audit hook that raises PermissionError for all that :func:`lock` forbids."""
    prefixes = tuple(folder.rstrip("/") + "/" for folder in folders)
    files = frozenset(_SYSTEM_FILES) | frozenset(folders)
    known: dict[str, bool] = {}  # event → refused; looked up for every event, so it must be quick

    def allowed(path: Any) -> bool:
        if path is None or isinstance(path, int):
            return True
        real = os.path.realpath(os.fsdecode(path))
        return real in files or real.startswith(prefixes)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _PATH_EVENTS:
            writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES
            if writes or not allowed(arguments[0]):
                raise PermissionError(f"a reader may not use {event}")
            return
        refused = known.get(event)
        if refused is None:
            refused = event in _REFUSED or event.partition(".")[0] in _REFUSED_FAMILIES
            known[event] = refused
        if refused:
            raise PermissionError(f"a reader may not use {event}")

    return hook
