"""What became of everything, step by step, with the reason of each loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Sample stages in the order of the line, each with what a sample that passes it is. Stages not named
# here come before the judge.
_PASSED = {
    "ground": "quote the passage",
    "normalize": "cleaned",
    "rules": "pass the rules",
    "dedupe": "are distinct",
    "novelty": "are novel",
    "judge": "have a score",
    "select": "kept",
    "check_pairs": "are sound pairs",
    "balance": "are balanced",
    "review": "accepted by reviewers",
}
_ORDER = list(_PASSED)

Losses = Mapping[tuple[str, str], int]
"""(stage, reason) → how many."""


def stage_order(stage: str) -> tuple[int, str]:
    """Sort key of a stage in the line."""
    return (_ORDER.index(stage) if stage in _ORDER else _ORDER.index("judge") - 0.5, stage)  # type: ignore[return-value]


def funnel(
    *,
    skipped: Mapping[str, int],
    unreadable: Mapping[str, int],
    documents: int,
    chunks: int,
    chunk_losses: Losses,
    requested: int,
    failed: Mapping[str, int],
    sample_losses: Losses,
) -> list[dict[str, Any]]:
    """The steps from files to kept samples.

    Returns:
        ``[{"unit", "label", "count", "losses": [{"stage", "reason", "count"}]}]``; the losses of a step are what
        went missing on the way to the next one of the same unit.
    """
    steps = [
        _step(
            "files", "found", sum(skipped.values()) + sum(unreadable.values()) + documents, _skips(skipped, unreadable)
        ),
        _step("files", "read as documents", documents, {}),
        _step("chunks", "cut from them", chunks, chunk_losses),
        _step("chunks", "worth asking about", chunks - sum(chunk_losses.values()), {}),
    ]
    here = requested
    coming: dict[tuple[str, str], int] = {("generate", reason): n for reason, n in failed.items()}
    label = "requested"
    stages = sorted({stage for stage, _ in sample_losses}, key=stage_order)
    if coming:
        steps.append(_step("samples", label, here, coming))
        here -= sum(coming.values())
        label = "received"
    for stage in stages:
        lost = {key: n for key, n in sample_losses.items() if key[0] == stage}
        steps.append(_step("samples", label, here, lost))
        here -= sum(lost.values())
        label = _PASSED.get(stage, f"pass {stage}")
    if label == "requested":
        steps.append(_step("samples", label, here, {}))
    steps.append(_step("samples", "kept", here, {}))
    return steps


def _skips(skipped: Mapping[str, int], unreadable: Mapping[str, int]) -> dict[tuple[str, str], int]:
    losses = {("discover", reason): n for reason, n in skipped.items()}
    return losses | {("load", reason): n for reason, n in unreadable.items()}


def _step(unit: str, label: str, count: int, losses: Losses) -> dict[str, Any]:
    ordered = sorted(losses.items(), key=lambda item: (-item[1], item[0]))
    return {
        "unit": unit,
        "label": label,
        "count": count,
        "losses": [{"stage": stage, "reason": reason, "count": n} for (stage, reason), n in ordered],
    }
