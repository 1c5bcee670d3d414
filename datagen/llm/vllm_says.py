"""What a vLLM server says in its log: how far its start is, and why it failed. Wordings of vLLM 0.10 to 0.32."""

from __future__ import annotations

import re
from collections.abc import Sequence

MAX_WHY = 400  # characters

_PHASES = (
    ("Application startup complete", "ready"),
    ("Starting vLLM server on", "opening its address"),
    ("init engine (profile", "the engine is ready"),
    ("Capturing", "capturing graphs"),
    ("Compiling a graph", "compiling"),
    ("Using cache directory", "compiling"),
    ("KV cache", "setting up the key-value cache"),
    ("Loading weights took", "the weights are loaded"),
    ("Loading safetensors", "loading the weights"),
    ("Starting to load model", "loading the weights"),
    ("Initializing a V1 LLM engine", "starting the engine"),
    ("Resolved architecture", "reading the model's configuration"),
)
# Before each line of a process: (EngineCore pid=7) ERROR 11-21 07:00:20 [core.py:9]
_PREFIX = re.compile(r"^(?:\([\w -]+ pid=\d+\)\s*)?(?:(?P<level>[A-Z]+) \d\d-\d\d \d\d:\d\d:\d\d \[[^\]]*\]\s?)?")
_ERROR = re.compile(r"^(?:[\w.]+(?:Error|Exception)\b.*|.*\berror: .*)$")
_PORT = re.compile(r"address already in use|Errno 98|Errno 48", re.I)
# The most telling first: a failed start ends in errors that only say that another process failed.
_HINTS = (
    (_PORT, "Start the run again; another program has taken its port."),
    (
        re.compile(
            r"out of memory|OutOfMemory|No available memory|less than desired|free memory|larger than the available KV"
            r"|KV cache (?:memory|is needed)|not enough memory|VLLM_CPU_KVCACHE_SPACE|Cannot allocate memory",
            re.I,
        ),
        "Give it less with generator.vllm.args, as {max_model_len: 4096}, or take a smaller model; "
        "on a CPU, generator.vllm.env VLLM_CPU_KVCACHE_SPACE is the gigabytes of its cache.",
    ),
    (
        re.compile(
            r"unrecognized arguments|invalid choice|expected (?:one|at least one) argument|ambiguous option", re.I
        ),
        "Correct generator.vllm.args; `vllm serve --help=all` lists what it takes.",
    ),
    (
        re.compile(r"greater than the derived max_model_len|max_model_len", re.I),
        "Correct max_model_len in generator.vllm.args: the model's context is shorter.",
    ),
    (
        re.compile(r"lora", re.I),
        "Check generator.vllm.adapters: each is a folder with an adapter that was trained for this model.",
    ),
    (
        re.compile(
            r"is not a local folder|Repo ?id|Repository Not Found|RepositoryNotFound|LocalEntryNotFound"
            r"|couldn't connect|Invalid repository|No such file|does not appear to have|Unrecognized model|model_type"
            r"|config\.json|Cannot find any model weights|gated repo",
            re.I,
        ),
        "Check generator.model: a folder on this machine with a model, or a name that the model hub knows.",
    ),
    (re.compile(r"^Value error,"), "Correct generator.vllm.args: it refuses one of their values."),
    (
        re.compile(r"not supported|are not supported|CUDA driver|no kernel image|Failed to infer device", re.I),
        "The installed vLLM does not fit this machine or this model; see https://docs.vllm.ai for one that does.",
    ),
)


def phase(lines: Sequence[str]) -> str:
    """How far the start is, in words; "" where nothing tells."""
    for line in reversed(lines):
        if " WARNING " in line:
            continue
        for mark, words in _PHASES:
            if mark in line:
                return words
    return ""


def port_taken(lines: Sequence[str]) -> bool:
    """Did it fail because another program has its port?"""
    return any(_PORT.search(line) for line in _errors(lines))


def why(lines: Sequence[str]) -> tuple[str, str]:
    """The line that tells why a start failed, and what to do about it.

    Args:
        lines: of its log, oldest first; warnings and notices among them are passed over.
    """
    errors = _errors(lines)
    for pattern, fix in _HINTS:
        for line in reversed(errors):
            if pattern.search(line):
                return _short(line), fix
    plain = [line.strip() for line in lines if line.strip() and "leaked" not in line]
    last = (errors or plain or ["it said nothing"])[-1]
    return _short(last), "Read the rest of what it said in its log."


def _errors(lines: Sequence[str]) -> list[str]:
    """Lines that name an error, and those right below the name; without what stands before each."""
    found, below = [], False
    for line in lines:
        match = _PREFIX.match(line)
        assert match is not None  # it may match nothing
        level, text = match["level"], line[match.end() :].strip()
        if level in ("INFO", "WARNING", "DEBUG"):
            below = False
            continue
        named = bool(_ERROR.match(text))
        if named or (below and text):
            found.append(text)
        # A validation error says what is wrong on the line that follows.
        below = named and ("validation error" in text or text.endswith(":"))
    return found


def _short(line: str) -> str:
    return line if len(line) <= MAX_WHY else line[: MAX_WHY - 1] + "…"
