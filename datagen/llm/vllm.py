"""A transport that starts and minds a local vLLM: lazily, again when it died, and gone when we are."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from datagen.core.errors import StoppedEarly, UsageError
from datagen.core.progress import say
from datagen.llm.backend import Reply, Request
from datagen.llm.dialect import Dialects
from datagen.llm.faults import Fault
from datagen.llm.vllm_pulse import Pulse
from datagen.llm.vllm_server import Launch, Server

LOOK_EVERY_S = 5.0
LOOK_S = 5.0
AGAIN_S = 2.0
"""Before a start that follows a failed one: a GPU gives the memory of a process back a moment after its end."""
# After these an engine may be dead; anything else is an answer.
_SUSPECT = frozenset({"connection", "truncated", "timeout", "bad_envelope", "http_500", "http_502", "http_503"})


class VllmTransport:
    """Looks like any transport; below is a server of our own.

    It is started at the first question, so that a run which finds every reply in the call log starts none.
    When it dies or hangs, requests in flight get a fault that is no attempt of theirs, and are sent again
    when it has been started again.

    Args:
        launch: what is started.
        connections: connections at most.

    Attributes:
        base_url: ``vllm:MODEL``: the address changes with each start, so notes go by the model.
    """

    def __init__(self, launch: Launch, connections: int) -> None:
        self.launch = launch
        self.base_url = f"vllm:{launch.model}"
        self.dialects = Dialects()
        self.told: Callable[..., None] | None = None
        self._connections = connections
        self._server: Server | None = None
        self._http: Any = None
        self._starts = 0
        self._in_flight = 0
        self._lock = asyncio.Lock()
        self._watch: asyncio.Task[None] | None = None

    async def complete(self, request: Request) -> Reply:
        """Ask once.

        Raises:
            Fault: another attempt may succeed; ``free`` where the server has to be started first.
            Rejected, DatagenError: as :class:`~datagen.llm.openai.OpenAIBackend`.
        """
        server, http = self._server, self._http
        if server is None or http is None or not server.running:
            raise Fault("engine", "the server does not run", free=True, sent=False)
        self._in_flight += 1
        try:
            reply: Reply = await http.complete(request)
            return reply
        except Fault as fault:
            if fault.reason in _SUSPECT and not await self._well(server):
                raise Fault("engine", fault.raw, free=True) from None
            raise
        finally:
            self._in_flight -= 1

    async def ready(self) -> None:
        """Return when the server answers, starting it where it has to be.

        Raises:
            UsageError: the first start fails.
            StoppedEarly: it has been started too often.
        """
        async with self._lock:
            said = "It died again and again while it was asked."
            while self._server is None or self._http is None or not self._server.running:
                await self._end()
                if self._starts > self.launch.config.restarts:
                    raise StoppedEarly(
                        f"vLLM with {self.launch.model} has died, and generator.vllm.restarts allows no further start.",
                        said,
                        f"See {self.launch.log or 'its log'}; when it is mended, the same command continues.",
                    )
                if self._starts:
                    say(f"vLLM has died; starting it again ({self._starts} of {self.launch.config.restarts}).")
                self._starts += 1
                try:
                    await self._start()
                except UsageError as error:
                    if self._starts == 1:
                        raise
                    said = error.why
                    await asyncio.sleep(AGAIN_S)

    async def _start(self) -> None:
        server = Server(self.launch, say)
        await server.start()
        from datagen.llm.openai import OpenAIBackend  # aiohttp takes 0.2 s to import

        self._http = OpenAIBackend(server.url, server.key, "", self._connections)
        self._http.dialects = self.dialects
        self._http.told = self.told
        self._server = server
        self._watch = asyncio.create_task(self._mind(server))

    async def models(self, limit_s: float) -> tuple[str, ...] | None:
        """The adapters and the model; nothing is started to say so."""
        return self.launch.served

    async def alive(self, limit_s: float) -> bool:
        """Does it answer? One that does not run is no reason to give up: it is started again."""
        server = self._server
        return server is None or not server.running or await server.healthy(limit_s)

    async def close(self) -> None:
        """End the server."""
        await self._end()

    async def _well(self, server: Server) -> bool:
        """Does the server still answer? If not it is ended, for all who wait for it."""
        if server is self._server and server.running and await server.healthy(LOOK_S):
            await asyncio.sleep(0.2)  # an engine that has just died is noticed a moment later
            if server.running and await server.healthy(LOOK_S):
                return True
        async with self._lock:
            if server is self._server:
                await self._end()
        return False

    async def _mind(self, server: Server) -> None:
        """End a server that hangs: what is in flight then fails, and it is started again."""
        pulse = Pulse()
        while server.running:
            await asyncio.sleep(LOOK_EVERY_S)
            waiting = self._in_flight > 0
            healthy = waiting and await server.healthy(LOOK_S)
            steps = await server.steps(LOOK_S) if healthy else None
            why = pulse.look(waiting=waiting and self._in_flight > 0, healthy=healthy, steps=steps)
            if why and server.running:
                say(f"vLLM {why}.")
                await asyncio.to_thread(server.stop)

    async def _end(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()
        http, self._http = self._http, None
        server, self._server = self._server, None
        if server is not None:
            await asyncio.to_thread(server.close)
        if http is not None:
            with contextlib.suppress(Exception):
                await http.close()
