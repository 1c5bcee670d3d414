"""The reader process: ``python -m datagen.sources.child PARENT MEMORY_MB MODULE``.

Requests come on standard input and answers go to standard output, each a line of JSON and then as many
bytes as the line says. Before the first request the process locks itself (:mod:`datagen.sources.sandbox`).
It ends at end of input, after running out of memory, and when a file made it large.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import IO, Any

from datagen.sources.parsed import ChatOptions, Options, Parsed, Unreadable
from datagen.sources.sandbox import die_with_parent, lock

_GRACE = 5.0  # seconds after the time limit at which the process ends by itself, if nobody was left to end it
_LARGE = 250_000_000  # bytes of resident memory after which a fresh process is better


def main() -> None:
    """Lock, then answer until there is nothing more to answer."""
    parent, memory_mb, module = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)  # these go to the whole group; the parent decides what ends
    die_with_parent(parent)
    requests, answers = _channels()
    reader = importlib.import_module(module)
    resident = _prepare()
    lock(memory_mb)
    while line := requests.readline():
        head = json.loads(line)
        data = requests.read(head["size"])
        if len(data) != head["size"]:
            return
        signal.setitimer(signal.ITIMER_REAL, head["timeout_s"] + _GRACE)  # SIGALRM's default ends even C code
        answer, body = _read(reader, head, data)
        del data
        signal.setitimer(signal.ITIMER_REAL, 0)
        answer["last"] = answer.get("reason") == "out_of_memory" or resident() > _LARGE
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.write(body)
        answers.flush()
        if answer["last"]:
            return


def _read(reader: Any, head: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    chat = head["chat"]
    options = Options(
        max_text=head["max_text"],
        text_fields=tuple(head["text_fields"]),
        chat=ChatOptions(chat["me"], tuple(chat["drop"]), chat["fields"]) if chat else None,
    )
    try:
        parsed: Parsed = reader.read(head["kind"], data, options)
        body = parsed.text.encode()
        answer = {
            "format": parsed.format,
            "pages": parsed.pages,
            "title": parsed.title,
            "turns": parsed.turns,
            "notes": parsed.notes,
            "size": len(body),
        }
        return answer, body
    except Unreadable as error:
        return {"reason": error.reason, "evidence": error.evidence}, b""
    except MemoryError:
        pass  # leave the handler first: its traceback holds what filled the memory
    return {"reason": "out_of_memory", "evidence": "Reading it took more memory than sources.memory_mb allows."}, b""


def _channels() -> tuple[IO[bytes], IO[bytes]]:
    """Take standard input and output for the protocol and leave libraries that print an empty one."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
    return requests, answers


def _prepare() -> Callable[[], int]:
    """Do what needs files outside before the process is locked.

    Returns:
        A function that tells the resident memory: now (Linux) or at its highest (elsewhere), bytes.
    """
    import mimetypes
    import resource

    mimetypes.init(files=[])
    if sys.platform.startswith("linux"):
        statm, page = os.open("/proc/self/statm", os.O_RDONLY), resource.getpagesize()
        return lambda: int(os.pread(statm, 100, 0).split()[1]) * page
    unit = 1 if sys.platform == "darwin" else 1024
    return lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    main()
