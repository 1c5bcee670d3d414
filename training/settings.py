"""A configuration of training from ``section.key=value``, with wrong keys answered by the nearest right one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from training.config import TINY, TINY_DEFAULTS, TrainConfig
from training.errors import TrainingError


def settle(overrides: Iterable[str] = (), values: Mapping[str, Any] | None = None) -> TrainConfig:
    """The defaults, changed; those of the tiny base are its own.

    Args:
        overrides: ``"section.key=value"`` each, the value in YAML.
        values: values by dotted key, stronger; None leaves a key alone.

    Raises:
        TrainingError: no such key, a value out of range, or no ``=``.
    """
    tree: dict[str, Any] = {}
    for override in overrides:
        _put(tree, *_parsed(override))
    for key, value in (values or {}).items():
        if value is not None:
            _put(tree, key.split("."), value)
    if tree.get("base") == TINY:
        tree = _under(TINY_DEFAULTS, tree)
    try:
        return TrainConfig.model_validate(tree)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        dotted = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            close = difflib.get_close_matches(dotted, keys(), n=1, cutoff=0.6)
            fix = f"Did you mean {close[0]}?" if close else f"The keys are: {', '.join(keys())}."
            raise TrainingError(f"Training has no setting {dotted!r}.", "No part of it reads that.", fix) from None
        given = repr(first.get("input"))
        raise TrainingError(
            f"The value of {dotted!r} is not usable.",
            f"{first['msg']} (it is {given if len(given) <= 60 else given[:59] + '…'}).",
            f"Correct it, as in --set {dotted}=VALUE.",
        ) from None


def keys(model: type[BaseModel] = TrainConfig, before: str = "") -> list[str]:
    """Every dotted key."""
    found: list[str] = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found += keys(kind, f"{before}{name}.")
        else:
            found.append(before + name)
    return found


def _parsed(override: str) -> tuple[list[str], Any]:
    import yaml

    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise TrainingError(
            f"--set {override!r} is not understood.",
            "It must be section.key=value.",
            "Example: --set sft.learning_rate=2e-4",
        )
    try:
        return parts, yaml.safe_load(text) if text.strip() else ""
    except (yaml.YAMLError, RecursionError, ValueError):
        return parts, text


def _put(tree: dict[str, Any], parts: list[str], value: Any) -> None:
    node = tree
    for part in parts[:-1]:
        child = node.setdefault(part, {})
        if not isinstance(child, dict):
            child = node[part] = {}
        node = child
    node[parts[-1]] = value


def _under(defaults: Mapping[str, Any], tree: Mapping[str, Any]) -> dict[str, Any]:
    """The tree, with defaults where it says nothing."""
    found = dict(tree)
    for key, value in defaults.items():
        given = found.get(key)
        if key not in found:
            found[key] = value
        elif isinstance(value, dict) and isinstance(given, dict):
            found[key] = _under(value, given)
    return found
