"""Which models a run asks: found from the configuration and the environment, and looked at once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datagen.config import Config
from datagen.core.errors import UsageError
from datagen.llm import prices
from datagen.llm.presets import preset
from datagen.llm.vllm_server import Launch, available, has_gpu

OPENAI_URL = "https://api.openai.com/v1"
OPENAI_KEY = "OPENAI_API_KEY"


@dataclass(frozen=True)
class Models:
    """Who generates and who judges.

    Attributes:
        generator, judge, base: resolved endpoints (``base`` answers without the document), or None.
        panel: further judges.
        log: the call log, or None.
        facts: what the generator's endpoint turned out to be, or None.
    """

    generator: Any = None
    judge: Any = None
    base: Any = None
    panel: tuple[Any, ...] = ()
    log: Any = None
    facts: Any = None


def key_variable(config: Config) -> str:
    """The environment variable with the generator's key."""
    generator = config.generator
    if generator.api_key_env or not generator.provider:
        return generator.api_key_env or OPENAI_KEY
    return preset(generator.provider).api_key_env


def endpoint_url(config: Config) -> str:
    """The endpoint that would be used, or "" for none: the one named, else the provider's, else the environment's."""
    generator = config.generator
    if generator.base_url:
        return generator.base_url
    if generator.provider:
        return preset(generator.provider).base_url
    url = os.environ.get("OPENAI_BASE_URL", "")
    if not url and os.environ.get(key_variable(config)):
        url = OPENAI_URL
    return url


def starts_vllm(config: Config) -> bool:
    """Would a run start a vLLM of its own? ``auto`` does where no endpoint is known, a model is named, vLLM is
    installed and a GPU answers."""
    generator = config.generator
    if generator.backend == "auto" and generator.model and not endpoint_url(config):
        return available() is not None and has_gpu()
    return generator.backend == "vllm"


def uses_model(config: Config) -> bool:
    """Would a run ask a model?

    Raises:
        UsageError: ``generator.backend: openai``, or a model named, without an endpoint.
    """
    backend = config.generator.backend
    url = endpoint_url(config)
    if backend in ("openai", "batch") and not url:
        raise UsageError(
            f"generator.backend is {backend}, but no endpoint is known.",
            "Neither generator.base_url nor generator.provider nor OPENAI_BASE_URL nor a key is set.",
            "Give --base-url URL or --provider NAME, or leave generator.backend at auto.",
        )
    own = starts_vllm(config)
    if own:
        _check_vllm(config)
    named = config.generator.model or config.judge.model or config.judge.base_url
    if backend == "auto" and not url and not own and named:
        raise UsageError(
            f"{named!r} is named, but no endpoint is known.",
            "Neither generator.base_url nor OPENAI_BASE_URL nor a key is set, so no model could be asked.",
            "Give --base-url URL or set OPENAI_API_KEY; without a model, leave the name out.",
        )
    if config.generator.preference.share and not config.judge.enabled:
        raise UsageError(
            "Rejected replies are wanted, but the judge is off.",
            "generator.preference.share is above 0 and judge.enabled is false: nothing could check the pairs.",
            "Leave judge.enabled at true, or set generator.preference.share to 0.",
        )
    return own or backend in ("openai", "batch") or (backend == "auto" and bool(url))


def _check_vllm(config: Config) -> None:
    """Can the configuration mean a vLLM of our own?"""
    generator = config.generator
    if not generator.model:
        raise UsageError(
            "generator.backend is vllm, but no model is named.",
            "vLLM has to be told which model to serve.",
            "Name it with --model: a folder on this machine, or a name that the model hub knows.",
        )
    if generator.base_url:
        raise UsageError(
            f"generator.backend is vllm, but {generator.base_url!r} is named.",
            "datagen starts a server of its own at an address of its own.",
            "Leave the address out; or, for a vLLM that runs already, generator.backend and give --provider vllm.",
        )


def connect(config: Config, log_path: Path) -> Models:
    """Find the models of a run: which one, and what its endpoint can do.

    Raises:
        UsageError: unreachable endpoint, wrong key, unknown model, several models and none named.
    """
    from datagen.llm.budget import Limits
    from datagen.llm.connect import Endpoint, open_log, resolve

    _check_prices(config)
    log = open_log(str(log_path))

    def resolved(endpoint: Endpoint) -> tuple[Endpoint, Any]:
        """The endpoint with its model, and what was found out about it."""
        found = resolve(endpoint, log)
        return endpoint.model_copy(update={"model": found.model}), found

    own = starts_vllm(config)
    launch = Launch(config=config.generator.vllm, model=config.generator.model, log=str(log_path.with_name("vllm.log")))
    generator = Endpoint(
        base_url=f"vllm:{launch.model}" if own else endpoint_url(config),
        api_key_env="" if own else key_variable(config),
        vllm=launch if own else None,
        model=(config.generator.vllm.adapter if own else "") or config.generator.model,
        provider=config.generator.provider,
        batch=config.generator.backend == "batch",
        client=config.client,
        log_path=str(log_path),
        limits=Limits(usd=config.limits.max_usd, tokens=config.limits.max_tokens),
        prices=config.limits.prices,
    )
    generator, facts = resolved(generator)

    def other(base_url: str, model: str, api_key_env: str = "") -> Endpoint:
        update: dict[str, Any] = {"model": model or generator.model}
        if base_url:
            # Another host: the generator's key is not for it, unless the configuration names the variable.
            update = {
                "base_url": base_url,
                "model": model,
                "api_key_env": "",
                "provider": "",
                "batch": False,
                "vllm": None,
            }
        if api_key_env:
            update["api_key_env"] = api_key_env
        return resolved(generator.model_copy(update=update))[0]

    judge = None
    panel: tuple[Any, ...] = ()
    if config.judge.enabled:
        judge = other(config.judge.base_url, config.judge.model, config.judge.api_key_env)
        panel = tuple(
            other(
                one.base_url or config.judge.base_url,
                one.model,
                one.api_key_env or ("" if one.base_url else config.judge.api_key_env),
            )
            for one in config.judge.panel
        )
    preference = config.generator.preference
    base = None
    if preference.share and preference.ways.get("on_policy"):
        base = other(preference.base_url, preference.model)
    return Models(generator, judge, base, panel, log, facts)


def _check_prices(config: Config) -> None:
    """Where dollars are limited, every model that is named must have a price, before the first is asked."""
    from datagen.llm.budget import unpriced

    table = prices.load(config.limits.prices)
    preference = config.generator.preference
    named = [config.generator.model]
    named += [config.judge.model, *(one.model for one in config.judge.panel)] if config.judge.enabled else []
    named += [preference.model] if preference.share and preference.ways.get("on_policy") else []
    for model in named:
        if model and config.limits.max_usd and table.of(model) is None:
            raise unpriced(model)


def text(models: Models) -> str:
    """One line for people."""
    judges = [models.judge, *models.panel] if models.judge is not None else []
    judge = f"judge {', '.join(one.model for one in judges)}" if judges else "no judge"
    able = [name for name in ("logprobs", "n", "seed") if getattr(models.facts, name)]
    takes = ", ".join([models.facts.schema_mode, *able])
    return f"Generator {models.generator.model} ({takes}), {judge}."
