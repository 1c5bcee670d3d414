"""Presets for the servers people use: what each is, and that its page says the same."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from datagen.core.errors import UsageError
from datagen.generate.config import GeneratorConfig
from datagen.llm import connect
from datagen.llm.connect import Endpoint
from datagen.llm.presets import PRESETS, preset
from datagen.llm.transports import open_transport
from tests.fakebatch import fake_batches
from tests.llm.support import question, run

PAGES = Path(__file__).parents[2] / "docs" / "providers"


def test_the_configuration_knows_the_same_names() -> None:
    field = GeneratorConfig.model_fields["provider"].annotation
    assert set(field.__args__) - {""} == set(PRESETS)  # type: ignore[union-attr]


def test_an_unknown_one_names_the_known() -> None:
    with pytest.raises(UsageError, match="openrouter"):
        preset("olama")


@pytest.mark.parametrize("name", PRESETS)
def test_its_page_says_what_the_preset_says(name: str) -> None:
    kind = PRESETS[name]
    text = (PAGES / kind.page).read_text(encoding="utf-8")
    assert kind.base_url in text
    assert f"--provider {name}" in text
    if kind.api_key_env:
        assert kind.api_key_env in text
    assert f"({kind.page})" in (PAGES / "README.md").read_text(encoding="utf-8")
    for variable in kind.headers.values():
        assert variable in text


@pytest.mark.parametrize("name", PRESETS)
def test_its_address_is_one(name: str) -> None:
    parts = urlsplit(PRESETS[name].base_url)
    assert parts.path.endswith("/v1")
    # A key must not travel in the clear to another machine.
    assert parts.scheme == "https" or parts.hostname == "127.0.0.1"
    assert re.fullmatch(r"[A-Z_]*", PRESETS[name].api_key_env)


def test_attribution_is_sent_where_it_is_wanted_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENROUTER_APP_URL", raising=False)
    monkeypatch.delenv("OPENROUTER_APP_TITLE", raising=False)
    assert preset("openrouter").sent_headers() == {}
    monkeypatch.setenv("OPENROUTER_APP_URL", "https://example.test\r\nX-Evil: 1")
    monkeypatch.setenv("OPENROUTER_APP_TITLE", "My app")
    assert preset("openrouter").sent_headers() == {"X-Title": "My app"}
    assert preset("openai").sent_headers() == {}
    with fake_batches() as server:

        async def main() -> None:
            transport = open_transport(Endpoint(base_url=server.url, provider="openrouter"))
            await transport.complete(question())
            await transport.close()

        run(main())
        assert server.stats()["headers"][-1]["x-title"] == "My app"


def test_a_first_request_is_written_as_the_preset_says() -> None:
    with fake_batches(refuses="max_tokens") as server:
        facts = connect.resolve(Endpoint(base_url=server.url, provider="openai", api_key_env=""))
        connect.close()
        assert facts.n
        (asked,) = server.stats()["chats"]
        assert asked["max_completion_tokens"] == 64
