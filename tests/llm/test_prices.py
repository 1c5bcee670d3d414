"""The table of prices: what is in it, what a user may correct, and that the unknown is never free."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml

from datagen.core.errors import UsageError
from datagen.llm import prices


def test_every_shipped_price_is_dated_and_sourced() -> None:
    table = yaml.safe_load(prices.SHIPPED.read_text())
    assert set(table["sources"]) == {"openai", "anthropic"}
    for name, price in prices.load().by_model.items():
        assert date(2026, 1, 1) <= date.fromisoformat(price.as_of) <= date.today(), name
        assert 0 < price.input < price.output, name
        assert price.batch == 0.5, name


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("gpt-4o-mini", True),
        ("gpt-4o-mini-2024-07-18", True),
        ("claude-haiku-4-5-20251001", True),
        ("gpt-4o-mini-audio", False),
        ("openai/gpt-4o-mini", False),
        ("GPT-4o-mini", False),
        ("", False),
    ],
)
def test_a_name_stands_for_its_dated_versions_and_nothing_else(name: str, known: bool) -> None:
    assert (prices.load().of(name) is not None) == known


def test_a_dated_version_may_have_a_price_of_its_own(tmp_path: Path) -> None:
    own = tmp_path / "prices.yaml"
    own.write_text("models: {gpt-4o-2024-05-13: {input: 5, output: 15}}")
    table = prices.load(str(own))
    dated, plain = table.of("gpt-4o-2024-05-13"), table.of("gpt-4o-2024-08-06")
    assert dated is not None
    assert (dated.input, dated.as_of) == (5, "")
    assert plain == prices.load().of("gpt-4o")


def test_the_users_file_corrects_adds_and_is_read_anew(tmp_path: Path) -> None:
    own = tmp_path / "prices.yaml"
    own.write_text("as_of: 2026-11-01\nmodels: {mine: {free: true}, gpt-4o: {input: 1, output: 2}}")
    table = prices.load(str(own))
    mine, theirs = table.of("mine"), table.of("gpt-4o")
    assert mine is not None
    assert theirs is not None
    assert mine.free
    assert mine.cost(10**9, 10**9) == 0
    assert theirs.as_of == "2026-11-01"
    assert theirs.cost(1_000_000, 1_000_000) == theirs.cost(1_000_000, 1_000_000, batch=True) == 3
    own.write_text("models: {mine: {input: 1, output: 1}}")
    changed = prices.load(str(own)).of("mine")
    assert changed is not None
    assert not changed.free


def test_a_batch_costs_its_share() -> None:
    price = prices.Price(input=2, output=8, batch=0.5)
    assert price.cost(1_000_000, 500_000) == 6
    assert price.cost(1_000_000, 500_000, batch=True) == 3


@pytest.mark.parametrize(
    "text",
    [
        "models: {m: {input: 1}}",  # what does the output cost?
        "models: {m: {}}",
        "models: {m: {input: -1, output: 1}}",
        "models: {m: {input: .nan, output: 1}}",
        "models: {m: {input: .inf, output: 1}}",
        "models: {m: {input: 1, output: 1, batch: 2}}",
        "models: {m: {input: 1, output: 1, free: true}}",
        "models: {m: {inptu: 1, output: 1}}",
        "models: [m]",
        "no: table",
        "- just a list",
        "",
        "models: {m: {input: 1",
        "!!python/object/apply:os.system [true]",
        "as_of: soon\nmodels: {}",
        "a: &a [*a]",
        "x" * (prices.MAX_BYTES + 1),
        "\x00",
    ],
)
def test_a_file_that_is_no_table_is_refused_in_one_sentence(tmp_path: Path, text: str) -> None:
    own = tmp_path / "prices.yaml"
    own.write_text(text)
    with pytest.raises(UsageError, match="price table") as caught:
        prices.load(str(own))
    assert "\n" not in caught.value.why
    assert "docs/cost.md" in caught.value.fix


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="price table"):
        prices.load(str(tmp_path / "none.yaml"))
    with pytest.raises(UsageError, match="price table"):
        prices.load(str(tmp_path))
