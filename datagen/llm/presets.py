"""What is known beforehand about the servers people use: address, key, habits. The probe has the last word."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType

from pydantic import Field

from datagen.core.errors import UsageError
from datagen.core.record import Record
from datagen.llm.dialect import Dialect


class Preset(Record):
    """One kind of server.

    Attributes:
        name: as in ``generator.provider``.
        title: for people.
        base_url: where it listens unless told otherwise.
        api_key_env: the environment variable that its own tools use for the key; "" where it has none.
        dialect: what a first request to it is written like; the probe confirms or corrects it.
        headers: HTTP headers, each sent only where the environment variable beside it is set.
        page: its page under ``docs/providers/``.
    """

    name: str
    title: str
    base_url: str
    api_key_env: str
    page: str
    dialect: Dialect = Dialect()
    headers: dict[str, str] = Field(default_factory=dict)

    def sent_headers(self) -> dict[str, str]:
        """The headers whose variables are set, without what could not stand in a header."""
        found = {name: os.environ.get(variable, "").strip() for name, variable in self.headers.items()}
        return {name: value for name, value in found.items() if value and value.isascii() and value.isprintable()}


_ALL = (
    # API reference, "Create chat completion": max_tokens is deprecated, and refused by reasoning models.
    Preset(
        name="openai",
        title="OpenAI",
        base_url="https://api.openai.com/v1",
        api_key_env="OPENAI_API_KEY",
        page="openai.md",
        dialect=Dialect(long_name=True),
    ),
    # `vllm serve --help`: port 8000; VLLM_API_KEY stands for --api-key.
    Preset(name="vllm", title="vLLM", base_url="http://127.0.0.1:8000/v1", api_key_env="VLLM_API_KEY", page="vllm.md"),
    # Ollama documentation, "OpenAI compatibility": a local server asks for no key; ollama.com takes this one.
    Preset(
        name="ollama",
        title="Ollama",
        base_url="http://127.0.0.1:11434/v1",
        api_key_env="OLLAMA_API_KEY",
        page="ollama.md",
    ),
    # llama.cpp, tools/server/README.md: port 8080; LLAMA_API_KEY stands for --api-key.
    Preset(
        name="llamacpp",
        title="llama.cpp server",
        base_url="http://127.0.0.1:8080/v1",
        api_key_env="LLAMA_API_KEY",
        page="llamacpp.md",
    ),
    # LM Studio developer documentation, "OpenAI compatible endpoints" and "Authentication".
    Preset(
        name="lmstudio",
        title="LM Studio",
        base_url="http://127.0.0.1:1234/v1",
        api_key_env="LM_API_TOKEN",
        page="lmstudio.md",
    ),
    # OpenRouter documentation, "API reference" and "App attribution".
    Preset(
        name="openrouter",
        title="OpenRouter",
        base_url="https://openrouter.ai/api/v1",
        api_key_env="OPENROUTER_API_KEY",
        page="openrouter.md",
        headers={"HTTP-Referer": "OPENROUTER_APP_URL", "X-Title": "OPENROUTER_APP_TITLE"},
    ),
    # Ray documentation, "Serving LLMs": Serve's HTTP proxy listens on 8000, and asks for no key.
    Preset(name="ray", title="Ray Serve", base_url="http://127.0.0.1:8000/v1", api_key_env="", page="ray-serve.md"),
)
PRESETS: Mapping[str, Preset] = MappingProxyType({p.name: p for p in _ALL})


def preset(name: str) -> Preset:
    """The preset of a provider.

    Raises:
        UsageError: there is none of that name.
    """
    found = PRESETS.get(name)
    if found is None:
        raise UsageError(
            f"There is no provider {name!r}.",
            f"Known are {', '.join(PRESETS)}.",
            "Correct --provider, or leave it out and give --base-url.",
        )
    return found
