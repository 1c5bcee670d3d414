"""docs/training.md names every setting with its default, every option of the command and every file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from pydantic import BaseModel

from training.config import TrainConfig

PAGE = (Path(__file__).parent.parent.parent / "docs" / "training.md").read_text(encoding="utf-8")


def section(heading: str) -> str:
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


def table(text: str) -> dict[str, list[str]]:
    """First cell, without backticks → the others."""
    lines = [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")]
    return {cells[0].split("`")[1]: cells[1:] for cells in lines}


def fields(model: type[BaseModel] = TrainConfig, before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found |= fields(field.annotation, f"{before}{name}.")
        else:
            found[before + name] = field
    return found


def test_every_setting_stands_in_the_table_with_its_default() -> None:
    listed = table(section("What can be set?"))
    known = fields()
    assert set(listed) == set(known)
    for name, field in known.items():
        shown, meaning = listed[name]
        default = field.get_default()
        text = shown.strip("`")
        if default is None or default in ("", ()):
            assert text in ("unset", "none"), name
        elif isinstance(default, float):
            assert float(text) == default, name
        else:
            assert yaml.safe_load(text) == default, name
        assert meaning == field.description, name


def test_every_option_of_the_command_is_documented() -> None:
    from datagen import cli

    command: Any = typer.main.get_command(cli.app)
    if "train" not in command.commands:
        pytest.skip("the command is not registered")
    text = section("What are the options of `datagen train`?")
    listed = set(re.findall(r"`(--?[\w-]+)`", text))
    for parameter in command.commands["train"].params:
        if parameter.param_type_name == "option" and parameter.name != "help":
            assert listed & {*parameter.opts, *parameter.secondary_opts}, parameter.name
    every = {o for p in command.commands["train"].params for o in (*p.opts, *p.secondary_opts)}
    assert listed <= every
