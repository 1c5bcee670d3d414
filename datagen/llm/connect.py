"""From a configured endpoint to a backend that is ready to be asked."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from datagen.core.record import Record
from datagen.core.section import Section
from datagen.llm import loop, prices, problems, prompts
from datagen.llm.backend import Backend, CallFailed, Reply, Request
from datagen.llm.batch import BatchBackend
from datagen.llm.batch_store import BatchStore, waiting
from datagen.llm.budget import CANARY, Budget, Budgeted, BudgetedBackend, Limits, unpriced
from datagen.llm.cached import Cached, CallLog
from datagen.llm.config import ClientConfig
from datagen.llm.dialect import Dialect, SchemaMode
from datagen.llm.faults import Fault
from datagen.llm.limited import Limited
from datagen.llm.transports import ModelTransport, open_batches, open_transport
from datagen.llm.vllm_server import Launch

FIRST_LOOK_S = 3.0
LOOKS = 3
THINKING_TOKENS = 4_000
# How OpenAI says that a reasoning model had not begun to answer when its tokens were spent (HTTP 400).
_THOUGHT_TOO_LONG = "model output limit was reached"
# A question that asks for much is put once more in plain form after these.
_MAYBE_THE_FORM = frozenset({"http_400", "http_403", "http_422", "http_500", "http_501"})
PROBE = "probe.md.j2"
_PROBE_SCHEMA = {
    "type": "object",
    "properties": {"ready": {"type": "boolean"}},
    "required": ["ready"],
    "additionalProperties": False,
}


class Endpoint(Section):
    """Where a model is, and where its replies are kept. Pickles; holds no key.

    Attributes:
        base_url: as in ``http://127.0.0.1:8000/v1``.
        api_key_env: environment variable with the key; unset or empty sends none.
        model: "" until resolved.
        provider: name of a preset (:mod:`datagen.llm.presets`), or "".
        batch: questions go through the Batch API, all but the first.
        vllm: a server of our own that answers there; None for one that somebody else runs.
        client: how it is driven.
        log_path: the call log; "" keeps replies in memory only.
        limits: what may be spent, with all endpoints of the same log together.
        prices: the user's file of prices; "" for the shipped table alone.
    """

    base_url: str
    api_key_env: str = "OPENAI_API_KEY"
    model: str = ""
    provider: str = ""
    batch: bool = False
    vllm: Launch | None = None
    client: ClientConfig = ClientConfig()
    log_path: str = ""
    limits: Limits = Limits()
    prices: str = ""

    @property
    def in_flight(self) -> int:
        """Requests that may wait for their answers at once. A batch is worth sending when it is full."""
        return self.client.batch.requests if self.batch else self.client.concurrency


class Facts(Record):
    """What an endpoint turned out to be.

    Attributes:
        model: the model to ask.
        schema_mode: how it takes a schema (the backend applies it; here for the report).
        logprobs: does it give log-probabilities where ``params["logprobs"]`` asks for them?
        n: does it give several replies where ``params["n"]`` asks for them?
        seed: does it take a seed? Whether it obeys it, one question cannot tell.
    """

    model: str
    schema_mode: SchemaMode
    logprobs: bool = False
    n: bool = False
    seed: bool = False


class _Driver(Limited):
    """A limit with its HTTP transport at hand."""

    def __init__(self, transport: ModelTransport, client: ClientConfig) -> None:
        super().__init__(transport, client, canary=_canary)
        self.http = transport

    async def ask_now(self, request: Request) -> Reply:
        """An answer without delay."""
        return await self.complete(request)


class _BatchDriver(BatchBackend):
    """Batches, with the HTTP transport of the same endpoint at hand for what cannot wait."""

    def __init__(self, transport: ModelTransport, endpoint: Endpoint, log: CallLog) -> None:
        store = BatchStore(log, f"{problems.redacted(endpoint.base_url)} {endpoint.api_key_env}")
        api = open_batches(endpoint)
        super().__init__(endpoint.base_url, api, log, store, transport.dialects, endpoint.client)
        self.http = transport
        self._now = Limited(transport, endpoint.client)

    async def ask_now(self, request: Request) -> Reply:
        """An answer without delay, and without the discount."""
        return await self._now.complete(request)

    async def close(self) -> None:
        """Close both."""
        await super().close()
        await self.http.close()


_Driving = _Driver | _BatchDriver
# What tells drivers apart: address, key, how it is driven, what may be spent; and for batches the log, which
# says what is under way.
_Place = tuple[str, str, str, ClientConfig, str, Limits]


class _Shared:
    """What one process has open: logs by path, drivers by address, backends by both."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.logs: dict[str, CallLog] = {}
        self.drivers: dict[_Place, _Driving] = {}
        self.backends: dict[tuple[_Place, str], Cached] = {}
        self.budgets: dict[tuple[str, Limits], Budget] = {}

    def budget(self, endpoint: Endpoint, log: CallLog) -> Budget | None:
        """The budget of a log, or None where nothing is limited."""
        if endpoint.limits == Limits():
            return None
        key = (endpoint.log_path, endpoint.limits)
        if key not in self.budgets:
            self.budgets[key] = Budget(log, endpoint.limits, prices.load(endpoint.prices).of)
        return self.budgets[key]


_guard = threading.RLock()
_shared = _Shared()


def open_backend(endpoint: Endpoint) -> Backend:
    """The process's backend for an endpoint: call log, limit and connections are shared by all threads.

    A backend that stopped (endpoint gone, wrong key) is replaced by a fresh one. To be awaited
    through :func:`datagen.llm.loop.run`.

    Raises:
        UsageError: address, key or log cannot be used.
    """
    with _guard:
        _, backend = _open(endpoint)
        return backend


def open_log(path: str) -> CallLog:
    """The process's call log at ``path``; "" is one kept in memory. Closed by :func:`close`."""
    with _guard:
        shared = _current()
        log = shared.logs.get(path)
        if log is None:
            log = shared.logs[path] = CallLog(path)
            loop.on_close(_close_all)
        return log


def under_way(log_path: str) -> str:
    """What to tell somebody whose run ends while batches are under way; "" where none are.

    Raises:
        UsageError: there is no such log.
    """
    with CallLog(log_path, read_only=True) as log:
        batches, requests = waiting(log)
    return problems.batches_go_on(batches, requests) if batches else ""


def close() -> None:
    """Cancel what is under way, then close every connection and log of the process, and end its loop.

    What is asked afterwards opens them anew.
    """
    loop.close()  # cancels first: a reply that came after its log was closed would be lost
    with _guard:
        nothing_open = not _current().logs and not _current().drivers
    if not nothing_open:  # opened, but never asked: there was no loop to close them
        loop.run(_close_all())
        loop.close()


def resolve(endpoint: Endpoint, log: CallLog | None = None) -> Facts:
    """Find out which model to ask and what it can do, before a run starts.

    The answers are notes in the call log, so that the same endpoint is asked once: for its models,
    and one small question that is logged like any other.

    Args:
        endpoint: its ``model`` may be "".
        log: where the notes are; None takes the endpoint's own log.

    Raises:
        UsageError: nothing answers, the key is wrong, the model is unknown, or several are offered; or dollars
            are limited and the model has no price, which is said before anything is asked.
        StoppedEarly: it answers with errors alone, or the budget is reached.
    """
    return loop.run(_resolve(endpoint, log or open_log(endpoint.log_path)))


def list_models(endpoint: Endpoint) -> tuple[str, ...]:
    """The models an endpoint offers, in its order; () where it answers but does not say.

    Raises:
        UsageError: nothing answers within a few seconds, or the key is wrong.
    """
    with _guard:
        driver, _ = _open(endpoint)
    return loop.run(_first_look(driver.http)) or ()


async def _resolve(endpoint: Endpoint, log: CallLog) -> Facts:
    with _guard:
        driver, _ = _open(endpoint)
    transport = driver.http
    url = problems.redacted(endpoint.base_url)
    model = endpoint.model or log.note(f"model {url}") or ""
    known = log.note(f"dialect {url} {model}") if model else None
    if model:
        _check_price(endpoint, model)
    if known is not None:
        dialect = Dialect.model_validate_json(known)
        transport.dialects[model] = dialect
        return _facts(model, dialect)
    offered = await _first_look(transport)
    if endpoint.vllm is not None and model not in (offered or ()):  # known before it is started, which takes minutes
        raise problems.unknown_model(endpoint.base_url, model, offered or ())
    if not model:
        if offered is None or len(offered) != 1:
            raise problems.choose_model(endpoint.base_url, offered or ())
        model = offered[0]
        _check_price(endpoint, model)
    request, reply = await _first_question(driver, model)
    log.put(request, reply)
    dialect = _learned(transport.dialects.of(model), request, reply)
    transport.dialects[model] = dialect
    log.set_note(f"dialect {url} {model}", dialect.model_dump_json())
    if not endpoint.model:
        log.set_note(f"model {url}", model)
    return _facts(model, dialect)


async def _first_question(driver: _Driving, model: str) -> tuple[Request, Reply]:
    """The probe and its answer: with everything that may be asked for, else in the plainest form."""
    # A temperature of 0 would leave nothing to choose from: some servers refuse n with it.
    much = {"n": 2, "logprobs": True, "top_logprobs": 1}
    forms = [_probe(model, much), _probe(model)]
    while True:
        request = forms.pop(0)
        try:
            return request, await driver.ask_now(request)
        except CallFailed as error:
            if error.reason not in _MAYBE_THE_FORM or not forms:
                raise problems.no_probe(driver.http.base_url, model, error.reason, error.raw) from None
            if _THOUGHT_TOO_LONG in error.raw and request.params.get("max_tokens", THINKING_TOKENS) < THINKING_TOKENS:
                forms = [_probe(model, {**more, "max_tokens": THINKING_TOKENS}) for more in (much, {})]


def _learned(dialect: Dialect, request: Request, reply: Reply) -> Dialect:
    """What the answer to the probe says beyond its form."""
    without = {
        "n": "n" not in request.params or len(reply.choices) < 2,
        "logprobs": "logprobs" not in request.params or not reply.logprobs,
    }
    names = [name for name in ("n", "logprobs") if without[name] and dialect.takes(name)]
    if "logprobs" in names:
        names.append("top_logprobs")
    return dialect.model_copy(update={"ignored": tuple(names), "probed": True})


def _facts(model: str, dialect: Dialect) -> Facts:
    return Facts(
        model=model,
        schema_mode=dialect.schema_mode,
        logprobs=dialect.probed and dialect.takes("logprobs"),
        n=dialect.probed and dialect.takes("n"),
        seed=dialect.takes("seed"),
    )


def _probe(model: str, more: Mapping[str, Any] = MappingProxyType({})) -> Request:
    prompt = prompts.load(PROBE)
    return Request(
        model=model,
        messages=prompt.render(),
        params={**prompt.parameters, **more},
        json_schema=_PROBE_SCHEMA,
        schema_name="probe",
        purpose="probe",
    )


def _canary(model: str) -> Request:
    return _probe(model).model_copy(update={"purpose": CANARY})


def _check_price(endpoint: Endpoint, model: str) -> None:
    if endpoint.limits.usd and prices.load(endpoint.prices).of(model) is None:
        raise unpriced(model)


async def _first_look(transport: ModelTransport) -> tuple[str, ...] | None:
    """The endpoint's models; quick to say that nothing is there."""
    for look in range(1, LOOKS + 1):
        try:
            return await transport.models(FIRST_LOOK_S)
        except Fault as error:
            fault = error
        if look == LOOKS or (fault.reason == "timeout" and look > 1):
            break
        await asyncio.sleep(0.2 * look)
    if fault.reason.startswith("http_"):
        return None  # something is there; the question itself will show what
    detail = "It takes longer than 3 seconds to answer" if fault.reason == "timeout" else fault.raw.strip()[:200]
    raise problems.unreachable(transport.base_url, detail or "The connection breaks off")


def _open(endpoint: Endpoint) -> tuple[_Driving, Cached]:
    shared = _current()
    log = open_log(endpoint.log_path)
    batches = f"batches {endpoint.log_path}" if endpoint.batch else ""
    place = (endpoint.base_url, endpoint.api_key_env, endpoint.provider, endpoint.client, batches, endpoint.limits)
    driver = shared.drivers.get(place)
    if driver is None or driver.stopped is not None:
        budget = shared.budget(endpoint, log)
        http: ModelTransport = open_transport(endpoint)
        if budget is not None:
            http = Budgeted(http, budget)
        if driver is not None:
            loop.on_close(driver.close)
        driver = _BatchDriver(http, endpoint, log) if endpoint.batch else _Driver(http, endpoint.client)
        shared.drivers[place] = driver
        for old in [key for key in shared.backends if key[0] == place]:
            del shared.backends[old]
    backend = shared.backends.get((place, endpoint.log_path))
    if backend is None:
        budget = shared.budget(endpoint, log)
        asked = BudgetedBackend(driver, budget) if budget is not None and endpoint.batch else driver
        backend = shared.backends[(place, endpoint.log_path)] = Cached(asked, log, driver.stop)
    name = f"dialect {problems.redacted(endpoint.base_url)}"
    driver.http.dialects.on_learned = lambda model, dialect: log.set_note(f"{name} {model}", dialect.model_dump_json())
    if endpoint.model and endpoint.model not in driver.http.dialects:
        known = log.note(f"{name} {endpoint.model}")
        if known is not None:
            driver.http.dialects[endpoint.model] = Dialect.model_validate_json(known)
    return driver, backend


def _current() -> _Shared:
    global _shared
    if _shared.process != os.getpid():  # connections and logs are not to be shared with a parent
        _shared = _Shared()
    return _shared


async def _close_all() -> None:
    global _shared
    with _guard:
        old, _shared = _current(), _Shared()
    for driver in old.drivers.values():
        await driver.close()
    for log in old.logs.values():
        log.close()
