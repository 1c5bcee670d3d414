"""``datagen init`` and the configuration reference: both written from the pydantic tree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from datagen.config import DEFAULT_FILE, Config
from datagen.core.errors import UsageError, from_os_error
from datagen.core.files import atomic
from datagen.llm import prompts

EXAMPLES_FILE = "examples.jsonl"
SHIPPED_EXAMPLES = "generate/qa.examples.jsonl"


def init(folder: Path, force: bool) -> list[Path]:
    """Write a commented configuration, the k-shot examples it names, and an empty docs folder.

    Raises:
        UsageError: a file exists and ``force`` is not given, or the folder cannot be written.
    """
    files = {
        folder / DEFAULT_FILE: commented().encode(),
        folder / EXAMPLES_FILE: prompts.locate(SHIPPED_EXAMPLES).read_bytes(),
    }
    existing = [path for path in files if path.exists()]
    if existing and not force:
        raise UsageError(
            f"{existing[0]} exists already.", "Nothing was written over it.", "Name another folder, or add --force."
        )
    try:
        (folder / "docs").mkdir(parents=True, exist_ok=True)
        for path, data in files.items():
            with atomic(path) as file:
                file.write(data)
    except OSError as error:
        raise from_os_error(error, "write the project's files") from error
    return list(files)


LIVE = {"sources.paths": "[docs]", "generator.examples": EXAMPLES_FILE}


def commented() -> str:
    """A datagen.yaml in which every key stands once, with its default and its meaning, commented out but
    for the two that name the folder's own files. A section with nothing in it has its defaults."""
    lines = [
        "# What `datagen run` does here. Every key shows its default; remove the # before it to change it.",
        "# Paths are relative to this file.",
    ]
    for name, field in Config.model_fields.items():
        kind = field.annotation
        lines.append("")
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            lines += [f"# {(kind.__doc__ or '').splitlines()[0]}", f"{name}:", *_section(kind, name, 1)]
        else:
            lines += [f"# {name}: {_yaml(field.default)}   # {field.description}"]
    return "\n".join(lines) + "\n"


def _section(model: type[BaseModel], before: str, depth: int) -> list[str]:
    pad = "  " * depth
    lines = []
    for name, field in model.model_fields.items():
        kind, dotted = field.annotation, f"{before}.{name}"
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            lines += [f"{pad}{name}:", *_section(kind, dotted, depth + 1)]
        elif dotted in LIVE:
            lines.append(f"{pad}{name}: {LIVE[dotted]}   # {field.description}")
        else:
            lines.append(f"{pad}# {name}: {_yaml(field.default)}   # {field.description}")
    return lines


def _yaml(value: Any) -> str:
    plain = list(value) if isinstance(value, tuple) else value
    return yaml.safe_dump(plain, default_flow_style=True, width=10_000).strip().removesuffix("...").strip()


def reference() -> str:
    """docs/configuration.md."""
    lines = [
        "# Configuration",
        "",
        "Written by `make docs` from the code; a test checks that it is current.",
        "",
        "`datagen run` takes `datagen.yaml` in the current folder, or the file given with `--config`, or no file at",
        "all. `--set section.key=value` overrides one key and may be repeated. Paths inside the file are relative to",
        "the file. An unknown key is an error that names the nearest right one.",
        "",
        "**What is done again when a key changes?** Each segment of a run has a folder named by a hash of all that",
        "shapes its output. Keys of `client` and `engine` change nothing of what is made: change them at any time",
        "(another `engine.shard_bytes` or `engine.shard_files` cuts the shards anew, so local work is repeated, but no",
        "model is asked again). `judge.threshold` redoes only the selection, which asks no model. A prompt, a model",
        "or a temperature redoes the stage that uses it and those after it; everything before is taken as it is.",
    ]
    tops = [(n, f) for n, f in Config.model_fields.items() if not _is_section(f)]
    lines += ["", "## Top level", "", *_table(tops)]
    for name, field in Config.model_fields.items():
        if _is_section(field):
            lines += _reference_section(name, field.annotation)
    return "\n".join(lines) + "\n"


def _is_section(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def _reference_section(name: str, model: Any) -> list[str]:
    fields = list(model.model_fields.items())
    plain = [(n, f) for n, f in fields if not _is_section(f)]
    lines = ["", f"## {name}", "", (model.__doc__ or "").split("\n\n")[0].replace("\n", " ")]
    if plain:
        lines += ["", *_table(plain)]
    for inner, field in fields:
        if _is_section(field):
            lines += _reference_section(f"{name}.{inner}", field.annotation)
    return lines


def _table(fields: list[tuple[str, FieldInfo]]) -> list[str]:
    rows = ["| key | default | values | meaning |", "| --- | --- | --- | --- |"]
    for name, field in fields:
        default = json.dumps(field.default, ensure_ascii=False)
        rows.append(f"| `{name}` | `{default}` | {_values(field)} | {field.description} |")
    return rows


def _values(field: FieldInfo) -> str:
    bounds = []
    for rule in field.metadata:
        for sign, attribute in ((">", "gt"), ("≥", "ge"), ("<", "lt"), ("≤", "le")):
            limit = getattr(rule, attribute, None)
            if limit is not None:
                bounds.append(f"{sign} {limit:g}")
    if get_origin(field.annotation) is not None and "Literal" in str(field.annotation):
        return ", ".join(f"`{choice}`" for choice in get_args(field.annotation))
    kind = {"str": "text", "int": "whole number", "float": "number", "bool": "`true`, `false`"}
    base = str(getattr(field.annotation, "__name__", ""))
    if "tuple" in str(field.annotation):
        return "list of texts"
    label = kind.get(base, "number or nothing" if "float | None" in str(field.annotation) else base)
    return " ".join([label, ", ".join(bounds)]).strip()
