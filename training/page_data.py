"""What the page on a training shows, from ``metrics.jsonl`` and ``training.json`` alone, whatever stands in them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training.curves import EMPTY, STAGES, Curve, Curves
from training.diagnose import Finding
from training.page_chart import Chart, chart

NAMES = {"sft": "Supervised fine-tuning", "dpo": "Preference training"}
LARGEST = 64_000_000
"""Bytes of ``training.json`` that are read: it names what was dropped, a line each."""
SHOWN_DROPPED = 50


def load(path: Path) -> dict[str, Any]:
    """A JSON object; {} where there is none that can be read."""
    try:
        if path.stat().st_size > LARGEST:
            return {}
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def part(found: Any, *keys: str) -> dict[str, Any]:
    """An object inside objects; {} where one of them is something else."""
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def real(value: Any) -> float | None:
    """A number that can be shown, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if abs(float(value)) < 1e18 else None
    except OverflowError:
        return None


def beta(record: Mapping[str, Any]) -> float:
    """The beta of a training; the usual 0.1 where it is not noted."""
    found = real(part(record, "config", "dpo").get("beta"))
    return found if found and found > 0 else 0.1


@dataclass(frozen=True)
class _Drawing:
    """What a chart shows and how to read it; ``named`` are the keys of its curves by their names."""

    title: str
    about: str
    named: Mapping[str, str]
    options: Mapping[str, Any] = field(default_factory=dict)


_DRAWINGS = (
    _Drawing("Loss", "", {"training": "loss", "validation": "eval_loss"}),
    _Drawing(
        "Reward margin",
        "How far the chosen reply is ahead of the rejected one: rises.",
        {"training": "margin", "validation": "eval_margin"},
    ),
    _Drawing(
        "Accuracy",
        "Share of the pairs whose chosen reply is ahead: from 50 % upwards.",
        {"training": "accuracy", "validation": "eval_accuracy"},
        {"zero": True, "unit": 0.01, "suffix": " %"},
    ),
    _Drawing(
        "Log-probability of the replies",
        "Both may fall a little; the chosen one should stay near where it began.",
        {"chosen": "chosen_logps", "rejected": "rejected_logps"},
    ),
    _Drawing("Gradient norm", "Even, without jumps to ten times its size.", {"norm": "grad_norm"}, {"zero": True}),
    _Drawing("Learning rate", "Rises in the warm-up, then falls.", {"rate": "learning_rate"}, {"zero": True}),
    _Drawing(
        "Memory",
        "Level; what grows step by step is a leak.",
        {"in use": "memory_bytes"},
        {"zero": True, "unit": 1e9, "suffix": " GB"},
    ),
    _Drawing("Speed", "Tokens a second.", {"tokens/s": "tokens_per_s"}, {"zero": True}),
)
_LOSS = {
    "sft": "Falls, fast at first. Validation falls with it, and turns upwards where learning by heart begins.",
    "dpo": "With the sigmoid loss it begins near 0.69, the logarithm of 2: both replies are equally likely. It falls.",
}


def charts(curves: Mapping[str, Curve], stage: str) -> Iterator[Chart]:
    """The charts of a stage, in reading order, those without values left out."""
    for one in _DRAWINGS:
        named = [(name, curves.get(key, EMPTY)) for name, key in one.named.items()]
        if (made := chart(one.title, one.about or _LOSS[stage], named, **one.options)) is not None:
            yield made


def stages(curves: Curves, record: Mapping[str, Any], findings: list[Finding]) -> list[dict[str, Any]]:
    """Each stage that was begun: its name, findings, charts, figures, proofs, what was trained on and dropped."""
    found = []
    for stage in STAGES:
        noted = part(record, "stages", stage)
        if stage not in curves and not noted:
            continue
        dropped = noted.get("dropped")
        dropped = [d for d in dropped if isinstance(d, dict)] if isinstance(dropped, list) else []
        proofs = noted.get("proofs")
        found.append(
            {
                "key": stage,
                "name": NAMES[stage],
                "findings": [f for f in findings if f.stage == stage],
                "charts": list(charts(curves.get(stage, {}), stage)),
                "table": table(curves.get(stage, {})),
                "rows": real(noted.get("rows")),
                "steps": real(noted.get("steps")) or _last(curves.get(stage, {})),
                "first_loss": real(noted.get("first_loss")),
                "last_loss": real(noted.get("last_loss")),
                "eval_loss": real(noted.get("eval_loss")),
                "seconds": real(noted.get("seconds")),
                "tokens": real(noted.get("tokens")),
                "peak": real(noted.get("peak_bytes")),
                "estimate": real(noted.get("estimate_bytes")),
                "shown": str(noted.get("trained_tokens_shown") or "")[:4000],
                "proofs": [p for p in proofs if isinstance(p, dict)] if isinstance(proofs, list) else [],
                "dropped": dropped[:SHOWN_DROPPED],
                "dropped_count": len(dropped),
                "sha256": str(noted.get("adapter_sha256") or ""),
            }
        )
    return found


def _last(curves: Mapping[str, Curve]) -> float | None:
    return float(max((c.steps[-1] for c in curves.values() if len(c)), default=0)) or None


_COLUMNS = {
    "loss": "loss",
    "eval_loss": "validation",
    "margin": "margin",
    "accuracy": "accuracy",
    "chosen_logps": "chosen",
    "rejected_logps": "rejected",
    "grad_norm": "gradient",
    "learning_rate": "rate",
}


def table(curves: Mapping[str, Curve], rows: int = 20) -> dict[str, Any]:
    """The curves as figures at some twenty steps: for those who do not see the drawings."""
    there = {key: name for key, name in _COLUMNS.items() if len(curves.get(key, EMPTY))}
    steps = sorted({s for key in there for s in curves[key].steps})
    if not steps:
        return {"columns": [], "rows": []}
    picked = sorted({steps[round(i * (len(steps) - 1) / max(1, rows - 1))] for i in range(rows)})
    held = {key: dict(zip(curves[key].steps, curves[key].values, strict=True)) for key in there}
    return {
        "columns": list(there.values()),
        "rows": [(step, [held[key].get(step) for key in there]) for step in picked],
    }


def settings(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The configuration flat, as ``sft.learning_rate`` and its value."""
    found: list[tuple[str, str]] = []

    def walk(value: Any, name: str, depth: int) -> None:
        if isinstance(value, dict) and depth < 4:
            for key, inner in value.items():
                walk(inner, f"{name}.{key}" if name else str(key), depth + 1)
        elif isinstance(value, list):
            found.append((name, ", ".join(str(v) for v in value[:50]) or "–"))
        else:
            found.append((name, "–" if value in (None, "") else _plain(value)))

    walk(dict(config), "", 0)
    return [(name[:100], text[:300]) for name, text in found[:200]]


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
