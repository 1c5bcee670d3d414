"""What ``metrics.jsonl`` says, as curves: for each stage and key the steps and the values.

A line that is no JSON object (the last one of a run that was killed) is left out. Of two lines about one step the
later one counts: a run that went on from a checkpoint did some steps again.
"""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STAGES = ("sft", "dpo")
LONGEST_LINE = 100_000
"""Bytes; ours have some 500. A longer one is not ours."""

MOST = 1e15
"""No loss, margin or memory is that large; sums and squares of what is smaller do not overflow."""


@dataclass(frozen=True)
class Curve:
    """Steps (rising) and finite values, of the same length; ``broken``: steps whose value was no finite number."""

    steps: array[int]
    values: array[float]
    broken: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.steps)


EMPTY = Curve(array("q"), array("d"))
Curves = dict[str, dict[str, Curve]]
"""By stage, then by key."""


@dataclass
class _Held:
    values: dict[int, float] = field(default_factory=dict)


def lines(path: Path) -> Iterator[Mapping[str, Any]]:
    """The objects of a JSONL file one by one; none where there is no such file."""
    try:
        file = path.open("rb")
    except OSError:
        return
    with file:
        while line := file.readline(LONGEST_LINE):
            if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                while (rest := file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                    pass
                continue
            try:
                found = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(found, dict):
                yield found


def collect(metrics: Iterable[Mapping[str, Any]]) -> Curves:
    """Curves of the objects of ``metrics.jsonl``, in any order."""
    held: dict[str, dict[str, _Held]] = {}
    for line in metrics:
        stage, step = line.get("stage"), line.get("step")
        if stage not in STAGES or not isinstance(step, int) or isinstance(step, bool) or not 0 <= step < 2**53:
            continue
        keys = held.setdefault(stage, {})
        for key, value in line.items():
            if key in ("stage", "step"):
                continue
            number = _number(value)
            if number is not None:
                keys.setdefault(str(key)[:60], _Held()).values[step] = number
    return {stage: {key: _curve(one.values) for key, one in keys.items()} for stage, keys in held.items()}


def _number(value: Any) -> float | None:
    """A number, also one that JSON cannot hold and some writers put as a text; None for all else."""
    if isinstance(value, str) and value.lower() in ("nan", "inf", "-inf", "infinity", "-infinity"):
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _curve(values: Mapping[int, float]) -> Curve:
    steps = sorted(values)
    sound = [s for s in steps if abs(values[s]) < MOST]
    broken = tuple(s for s in steps if not abs(values[s]) < MOST)
    return Curve(array("q", sound), array("d", (values[s] for s in sound)), broken)
