"""The model card: what was trained, on what, how it went, and what it is not good for. ``README.md`` of the output."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.config import TINY
from training.curves import collect, lines
from training.diagnose import headline, of_curves
from training.files import write_result
from training.page import METRICS, RECORD, duration, number, size, value
from training.page_data import NAMES, beta, load, part, real
from training.pages import TEMPLATES

if TYPE_CHECKING:
    from jinja2 import Template

FILE = "README.md"
COMPARISON = "compare.json"
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_SETTINGS = (
    "method", "max_length", "dtype", "optimizer", "seed", "lora.rank", "lora.alpha", "lora.dropout", "lora.rslora",
    "lora.dora", "sft.epochs", "sft.learning_rate", "sft.warmup", "sft.schedule", "sft.batch", "sft.accumulation",
    "sft.neftune", "dpo.method", "dpo.loss", "dpo.beta", "dpo.epochs", "dpo.learning_rate", "dpo.label_smoothing",
    "dpo.batch", "dpo.accumulation",
)  # fmt: skip


def write(out: Path) -> Path:
    """Write ``README.md`` from ``training.json``, ``metrics.jsonl`` and, where it is there, ``compare.json``.

    Returns:
        The card.

    Raises:
        StoppedTraining: it cannot be written.
    """
    path = out / FILE
    write_result(path, render(out), "The model card")
    return path


def render(out: Path) -> str:
    """The card as Markdown. Paths of this machine are not in it."""
    record = load(out / RECORD)
    config = part(record, "config")
    findings = of_curves(collect(lines(out / METRICS)), beta=beta(record))
    stages = part(record, "stages")
    base = str(config.get("base") or "unknown")
    toy = base == TINY
    hub = base if _HUB_NAME.fullmatch(base) and not Path(base).exists() else ""
    text = _template().render(
        front=_front(config, hub, "dpo" in stages, toy),
        toy=toy,
        base="a tiny random model" if toy else hub or Path(base).name or base,
        hub=hub,
        names=NAMES,
        stages=[(key, part(stages, key)) for key in NAMES if isinstance(stages.get(key), dict)],
        headline=headline(findings, toy=toy),
        findings=findings,
        settings=[(key, _found(config, key)) for key in _SETTINGS if _found(config, key) is not None],
        versions=sorted((str(k), str(v)) for k, v in part(record, "versions").items()),
        git=str(record.get("git") or ""),
        data=[
            (Path(str(name)).name, real(part(one).get("rows")), str(part(one).get("sha256") or ""))
            for name, one in part(record, "data").items()
        ],
        merge=part(record, "merge"),
        compared=_compared(load(out / COMPARISON)),
        adapters=[name for name in ("sft", "dpo") if (out / "adapters" / name).is_dir()],
        merged=(out / "merged" / "config.json").is_file(),
    )
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


def cell(text: object) -> str:
    """Text in one line with nothing in it that Markdown or HTML would act on."""
    flat = " ".join(str(text).split())[:2000]
    return re.sub(r"([\\`*_{}\[\]<>#|!~&])", r"\\\1", flat)


def code(text: object) -> str:
    """Text for a code span inside a table."""
    return " ".join(str(text).split())[:300].replace("`", "'").replace("|", "¦")


@cache
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    made.filters.update(cell=cell, code=code, number=number, value=value, duration=duration, size=size, real=real)
    return made.get_template("model_card.md.j2")


def _front(config: Mapping[str, Any], hub: str, pairs: bool, toy: bool) -> str:
    """The front matter that the hub reads. The licence is the base's and the documents': it is not guessed."""
    import yaml

    body: dict[str, Any] = {"library_name": "transformers", "pipeline_tag": "text-generation"}
    if hub:
        body |= {"base_model": hub, "base_model_relation": "finetune"}
    method = str(config.get("method") or "")
    tags = ["datagen", "trl", "sft", *(["dpo"] if pairs else []), *([method] if method.isalnum() else [])]
    body["tags"] = [*tags, *(["toy"] if toy else [])]
    return str(yaml.safe_dump(body, sort_keys=False, allow_unicode=True))


def _found(config: Mapping[str, Any], key: str) -> Any:
    place, _, name = key.rpartition(".")
    held = part(config, place) if place else config
    found = held.get(name)
    return found if isinstance(found, str | int | float | bool) and found != "" else None


def _compared(found: Mapping[str, Any]) -> dict[str, Any]:
    """The lines of a comparison as a table: the models as columns, and what the last one is beside the first."""
    rows: list[dict[str, Any]] = []
    models: list[str] = []
    for line in _list(found.get("figures")):
        values = part(line, "values")
        given = {str(k): real(part(v).get("value")) for k, v in values.items()}
        models += [name for name in given if name not in models and name != "reference"]
        changes = _list(line.get("changes"))
        from_base = [c for c in changes if c.get("before") == (models[0] if models else "")]
        rows.append(
            {
                "name": f"{line.get('group', '')}: {line.get('name', '')} ({line.get('better', '')} is better)",
                "values": given,
                "verdict": str(from_base[-1].get("verdict") or "") if from_base else "",
            }
        )
    return {"rows": rows[:60], "models": models[:6]}


def _list(found: Any) -> list[dict[str, Any]]:
    """The objects of a list; [] for all else."""
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
