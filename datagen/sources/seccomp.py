"""Seccomp (Linux): a process gives up the system calls that start processes, open sockets or touch others.

Source: the kernel's ``Documentation/userspace-api/seccomp_filter.rst``; numbers from
``asm/unistd_64.h`` (x86-64) and ``asm-generic/unistd.h`` (AArch64).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

_NUMBERS = {
    "x86_64": {
        "audit": 0xC000003E,
        "refused": (
            *(41, 42, 43, 44, 46, 49, 50, 53, 288, 307),  # socket, connect, accept, send*, bind, listen, socketpair …
            *(57, 58, 59, 322),  # fork, vfork, execve, execveat
            *(62, 129, 200, 297),  # kill, rt_sigqueueinfo, tkill, rt_tgsigqueueinfo
            *(101, 310, 311, 321, 298, 425, 426, 427, 165, 272, 304),  # ptrace, other processes' memory, bpf …
        ),
        "tgkill": 234,
        "clone": 56,
        "clone3": 435,
    },
    "aarch64": {
        "audit": 0xC00000B7,
        "refused": (
            *(198, 199, 200, 201, 202, 203, 206, 211, 242, 269),
            *(221, 281),
            *(129, 130, 138, 240),
            *(117, 270, 271, 280, 241, 425, 426, 427, 40, 97, 265),
        ),
        "tgkill": 131,
        "clone": 220,
        "clone3": 435,
    },
}
_CLONE_THREAD = 0x10000
_X32 = 0x40000000  # x86-64 numbers with this bit reach the same calls by another table
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER = 38, 22, 2


def program(machine: str, process: int) -> bytes:
    """The filter in classic BPF for ``machine`` (``x86_64`` or ``aarch64``), 8 bytes an instruction.

    Another architecture's calls kill the process, refused calls give EPERM, clone3 gives ENOSYS (the C library
    then uses clone, whose flags a filter can see), clone is for threads only, and signals (abort) are for
    ``process`` itself.
    """
    numbers = _NUMBERS[machine]
    refused = numbers["refused"]
    assert isinstance(refused, tuple)
    out = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, numbers["audit"]), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0)]
    if machine == "x86_64":
        out += [(_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _KILL)]
    for number in refused:
        out += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERRNO | errno.EPERM)]
    out += [(_EQUAL, 0, 1, numbers["clone3"]), (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]
    out += [(_EQUAL, 0, 4, numbers["tgkill"]), (_LOAD, 0, 0, 16), (_EQUAL, 0, 1, process)]
    out += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _ERRNO | errno.EPERM)]
    out += [(_EQUAL, 0, 3, numbers["clone"]), (_LOAD, 0, 0, 16), (_ANY_BIT, 1, 0, _CLONE_THREAD)]
    out += [(_RETURN, 0, 0, _ERRNO | errno.EPERM), (_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in out)


def restrict() -> bool:
    """Put the filter on this process and its threads to come; False where there is none for this machine.

    Raises:
        OSError: the kernel has seccomp and refused: the process must not go on unlocked.
    """
    machine = platform.machine()
    if not sys.platform.startswith("linux") or machine not in _NUMBERS or sys.maxsize < 2**32:
        return False
    code = ctypes.create_string_buffer(program(machine, os.getpid()))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))

    argument = Program((len(code) - 1) // 8, ctypes.cast(code, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0:
        return False
    if libc.prctl(_PR_SET_SECCOMP, _FILTER, ctypes.byref(argument), 0, 0) < 0:
        number = ctypes.get_errno()
        if number == errno.EINVAL:  # a kernel built without it
            return False
        raise OSError(number, "seccomp was refused")
    return True
