"""The whole configuration, one pydantic tree; unknown keys are refused with the nearest right name.

``docs/configuration.md`` is generated from this tree: every field carries its description.
"""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from curation.config import CurationConfig, JudgeConfig
from datagen.core.errors import UsageError
from datagen.core.section import Section
from datagen.engine.config import EngineConfig
from datagen.generate.config import GeneratorConfig
from datagen.llm.config import ClientConfig
from datagen.output.config import OutputConfig
from datagen.sources.config import ChatConfig, ChunkConfig, SourcesConfig, SplitConfig


class LimitsConfig(Section):
    """When a run is not what was asked for."""

    max_failed: float = Field(
        0.1, ge=0, le=1, description="Share of requested samples that may fail before the exit code is 1."
    )
    target: int = Field(
        0, ge=0, description="Samples to keep: rounds go on until so many pass; fewer is exit code 1; 0: one round."
    )
    max_usd: float = Field(
        0.0, ge=0, description="US dollars that may be spent in all on models; 0: no limit. Stops before crossing it."
    )
    max_tokens: int = Field(0, ge=0, description="Tokens, read and written, that may be spent in all; 0: no limit.")
    prices: str = Field("", description="File of prices that corrects the shipped table (docs/cost.md).")
    min_yield: float = Field(
        0.05, ge=0, le=1, description="Share of a round's samples that must pass for another round to follow."
    )


class Config(Section):
    """Everything a run depends on."""

    seed: int = Field(0, description="One seed for all draws.")
    sources: SourcesConfig = SourcesConfig()
    chunk: ChunkConfig = ChunkConfig()
    chat: ChatConfig = ChatConfig()
    generator: GeneratorConfig = GeneratorConfig()
    client: ClientConfig = ClientConfig()
    curation: CurationConfig = CurationConfig()
    judge: JudgeConfig = JudgeConfig()
    split: SplitConfig = SplitConfig()
    engine: EngineConfig = EngineConfig()
    limits: LimitsConfig = LimitsConfig()
    output: OutputConfig = OutputConfig()


DEFAULT_FILE = "datagen.yaml"
MAX_FILE_BYTES = 1_000_000
_PATHS = (
    "sources.paths", "generator.examples", "generator.prompts", "limits.prices", "curation.decontaminate.against",
)  # fmt: skip


def default_file() -> Path | None:
    """``datagen.yaml`` in the current folder, or None where there is none."""
    file = Path(DEFAULT_FILE)
    return file if file.is_file() else None


def load(
    file: Path | None = None, overrides: Iterable[str] = (), values: Mapping[str, Any] = MappingProxyType({})
) -> Config:
    """Read the configuration.

    Args:
        file: a YAML file; None takes the defaults. Paths in it are relative to its own folder.
        overrides: ``"section.key=value"`` each, the value in YAML, stronger than the file.
        values: values by dotted key, taken as they are, stronger than both.

    Raises:
        UsageError: the file cannot be read, is not YAML, has an unknown key (the nearest right one
            is named) or a value out of range.
    """
    tree: dict[str, Any] = {}
    name = "the configuration"
    if file is not None:
        name = file.name
        tree = _read(file)
        _anchor(tree, file.parent)
    for override in overrides:
        _put(tree, *_parsed(override))
    for key, value in values.items():
        _put(tree, key.split("."), value)
    return validate(tree, name)


def validate(tree: Mapping[str, Any], name: str) -> Config:
    """Check a tree of plain values; ``name`` is what errors call it. Raises UsageError."""
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = tuple(str(part) for part in first["loc"])
        dotted = ".".join(place)
        if first["type"] == "extra_forbidden":
            right = nearest(place)
            fix = f"Did you mean {right!r}?" if right else "See docs/configuration.md for all keys."
            raise UsageError(f"Unknown key {dotted!r} in {name}.", "No part of datagen reads it.", fix) from None
        raise UsageError(
            f"The value of {dotted or 'the document'!r} in {name} is not usable.",
            f"{first['msg']} (it is {_short(first.get('input'))}).",
            "Correct it; `datagen init` writes a file with every key explained.",
        ) from None


def keys(model: type[BaseModel] = Config, before: str = "") -> dict[str, Any]:
    """Every dotted key of the tree with its pydantic field."""
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found.update(keys(kind, f"{before}{name}."))
        else:
            found[before + name] = field
    return found


def nearest(place: tuple[str, ...]) -> str | None:
    """The right key most like a wrong one: of the same section first, else with the same last part."""
    dotted = ".".join(place)
    known = list(keys())
    sections = sorted({k.rsplit(".", 1)[0] for k in known if "." in k} | {k.split(".")[0] for k in known})
    close = difflib.get_close_matches(dotted, known + sections, n=1, cutoff=0.75)
    if close:
        return close[0]
    by_last = {k.rsplit(".", 1)[-1]: k for k in reversed(known)}
    last = difflib.get_close_matches(place[-1], list(by_last), n=1, cutoff=0.7)
    return by_last[last[0]] if last else None


def _refuse_twins(node: Any, name: str) -> None:
    """A key that stands twice would silently lose its first value. Raises UsageError."""
    import yaml

    waiting, seen = [node], set()
    while waiting:
        part = waiting.pop()
        if id(part) in seen:  # an alias may lead back
            continue
        seen.add(id(part))
        if isinstance(part, yaml.SequenceNode):
            waiting += part.value
        elif isinstance(part, yaml.MappingNode):
            lines: dict[str, int] = {}
            for key, value in part.value:
                waiting.append(value)
                line = key.start_mark.line + 1
                if lines.setdefault(str(key.value), line) != line:
                    raise UsageError(
                        f"The key {key.value!r} stands twice in {name}.",
                        f"Lines {lines[str(key.value)]} and {line}: the first would be lost.",
                        "Put both under one key.",
                    )


def _read(file: Path) -> dict[str, Any]:
    import yaml

    try:
        with file.open("rb") as handle:
            data = handle.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise UsageError(
            f"Could not read the configuration {file}.",
            f"The system says: {error.strerror or error}.",
            "Name an existing file with --config, or write one with `datagen init`.",
        ) from error
    if len(data) > MAX_FILE_BYTES:
        raise UsageError(f"{file.name} is no configuration.", "It is over 1 MB.", "Name the right file with --config.")
    try:
        text = data.decode("utf-8")
        _refuse_twins(yaml.compose(text, Loader=yaml.SafeLoader), file.name)
        tree = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or _odd(error)
        raise UsageError(
            f"{file.name} is not valid YAML{where}.",
            f"The parser says: {problem}.",
            "Correct that line; `datagen init` shows a file that is right.",
        ) from error
    if tree is None:
        return {}
    if not isinstance(tree, dict) or not all(isinstance(k, str) for k in tree):
        raise UsageError(
            f"{file.name} is no configuration.", "It must be a mapping of sections.", "See `datagen init`."
        )
    return tree


def _odd(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    if isinstance(error, RecursionError):
        return "it is too deeply nested"
    return (str(error).splitlines() or ["no reason"])[0][:100]  # a date or a number that looks like one and is none


def _anchor(tree: dict[str, Any], folder: Path) -> None:
    for name in _PATHS:
        *sections, key = name.split(".")
        part: Any = tree
        for section in sections:
            part = part.get(section) if isinstance(part, dict) else None
        if not isinstance(part, dict):
            continue
        value = part.get(key)
        if isinstance(value, str) and value:
            part[key] = _anchored(folder, value)
        elif isinstance(value, list):
            part[key] = [_anchored(folder, v) if isinstance(v, str) else v for v in value]


def _anchored(folder: Path, path: str) -> str:
    with contextlib.suppress(RuntimeError):  # "~name" of a user that does not exist: a plain name then
        return str(folder / Path(path).expanduser())
    return str(folder / path)


def _parsed(override: str) -> tuple[list[str], Any]:
    """The key's parts and the value of ``section.key=value``."""
    import yaml

    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise UsageError(
            f"--set {override!r} is not understood.", "It must be section.key=value.", "Example: --set chunk.tokens=300"
        )
    try:
        return parts, yaml.safe_load(text) if text.strip() else ""
    except (yaml.YAMLError, RecursionError):
        return parts, text


def _put(tree: dict[str, Any], parts: list[str], value: Any) -> None:
    node = tree
    for part in parts[:-1]:
        child = node.setdefault(part, {})
        if not isinstance(child, dict):
            child = node[part] = {}
        node = child
    node[parts[-1]] = value


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
