"""The curves in words: did it go well, and if not, what to change.

Every judgement compares medians of the beginning and the end with the noise in between, so that one odd value, a
missing one or a short run does not turn it. The thresholds are named below with their reasons; they are rules of
thumb for fine-tuning a language model, and what they say is a hint where to look, not a proof.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from training.curves import EMPTY, STAGES, Curve, Curves, collect
from training.diagnose_pairs import pair_findings
from training.diagnose_trend import Finding, Level, falls, finite_findings, shape, text
from training.diagnose_validation import validation_findings

__all__ = ["Finding", "Level", "headline", "of_curves", "words"]

FEW_STEPS = 20
"""Under this, warm-up and the first noise are most of the curve: nothing is said about its end."""
NOTHING_MOVES = 0.02
"""A loss that ends within 2 % of where it began has learned nothing to speak of."""
LITTLE = 0.08
"""Under 8 %: a model that answers as its rows do has usually lost a fifth of its loss and more."""
STILL_FALLING = 0.05
"""A twentieth lower in the last quarter than in the one before: it had not come to its end."""
BY_HEART = 0.2
"""Nats a token. Prose that is not known word for word has a loss of 1 and more, short factual answers of some 0.5:
below 0.2 the model repeats its rows."""
SPIKE = 10.0
"""Times the median of its neighbours: gradients vary by a factor of two or three between batches."""
MANY_SPIKES = 0.05
"""Share of the steps from which it is no single odd batch."""


def words(metrics: Iterable[Mapping[str, Any]], *, beta: float = 0.1) -> list[Finding]:
    """What the objects of ``metrics.jsonl`` say, the worst first within a stage; nothing for no stage.

    Args:
        metrics: in the order of the file.
        beta: that preference training was done with.
    """
    return of_curves(collect(metrics), beta=beta)


def of_curves(curves: Curves, *, beta: float = 0.1) -> list[Finding]:
    """The same for curves that were collected already."""
    order = {"bad": 0, "watch": 1, "good": 2}
    found: list[Finding] = []
    for stage in STAGES:
        if stage in curves:
            found.extend(sorted(_stage(stage, curves[stage], beta), key=lambda f: order[f.level]))
    return found


def headline(findings: Iterable[Finding], *, toy: bool = False) -> str:
    """Did it go well? One sentence.

    Args:
        findings: of all stages.
        toy: of the tiny base, which is given rates and epochs to learn its rows by heart with.
    """
    told = list(findings)
    levels = [f.level for f in told]
    if not levels:
        return "No step was logged."
    if toy and {f.kind for f in told if f.level == "bad"} == {"overfit"}:
        return "The toy learned its rows by heart, as it is meant to."
    bad, watch = levels.count("bad"), levels.count("watch")
    if bad:
        return "It did not go well." if bad == 1 else f"It did not go well: {bad} things are wrong."
    if watch:
        return f"It went, with {'one thing' if watch == 1 else f'{watch} things'} to look at."
    return "It went well."


def _stage(stage: str, curves: Mapping[str, Curve], beta: float) -> list[Finding]:
    loss = curves.get("loss", EMPTY)
    found = finite_findings(stage, loss)
    steps = _steps(curves)
    if steps < FEW_STEPS or len(loss) < 4:
        return [*found, _few(stage, steps)]
    found += _sft_loss(loss, curves) if stage == "sft" else pair_findings(curves, beta)
    found += validation_findings(stage, loss, curves.get("eval_loss", EMPTY), curves.get("epoch", EMPTY))
    found += _gradients(stage, curves.get("grad_norm", EMPTY))
    if any(f.kind == "overfit" for f in found):  # no advice to go on beside that to stop
        found = [replace(f, fix="") if f.kind == "still_falling" else f for f in found]
    return found


def _steps(curves: Mapping[str, Curve]) -> int:
    return max((curve.steps[-1] for curve in curves.values() if len(curve)), default=0)


def _few(stage: str, steps: int) -> Finding:
    return Finding(
        "watch",
        f"Only {steps} step{'' if steps == 1 else 's'}: too few for the curves to mean much.",
        f"Use more rows, {stage}.epochs above what it is, or {stage}.accumulation below it, for {FEW_STEPS} steps "
        "and more.",
        stage,
        "few_steps",
    )


def _sft_loss(loss: Curve, curves: Mapping[str, Curve]) -> list[Finding]:
    seen = shape(loss)
    moved = f"Loss goes from {text(seen.start)} to {text(seen.end)}"
    if seen.end > seen.start and seen.clear:
        return [
            Finding(
                "bad",
                f"Loss rises, from {text(seen.start)} to {text(seen.end)}: it unlearns.",
                "Lower sft.learning_rate to a third, and raise sft.warmup to 0.1.",
                "sft",
                "rises",
            )
        ]
    if not falls(seen, NOTHING_MOVES):
        rate = curves.get("learning_rate", EMPTY)
        at = f" at a learning rate of {max(rate.values):.1e}" if len(rate) else ""
        return [
            Finding(
                "bad",
                f"{moved}{at}: hardly anything moves.",
                "Raise sft.learning_rate three to ten times (1e-4 to 2e-4 for an adapter, 1e-5 for all weights).",
                "sft",
                "flat",
            )
        ]
    share = f"Loss falls from {text(seen.start)} to {text(seen.end)}, by {1 - seen.end / seen.start:.0%}"
    if seen.start <= 0:
        share = f"Loss falls from {text(seen.start)} to {text(seen.end)}"
    if seen.end < BY_HEART:
        return [
            Finding(
                "watch",
                f"{share}: below {BY_HEART:g} it repeats its rows word for word.",
                "Train for fewer epochs, or use more rows; look at the validation loss.",
                "sft",
                "by_heart",
            )
        ]
    if not falls(seen, LITTLE):
        return [
            Finding(
                "watch",
                f"{share} only.",
                "Raise sft.learning_rate two to three times, or sft.epochs.",
                "sft",
                "little",
            )
        ]
    if seen.late > STILL_FALLING:
        return [
            Finding(
                "good",
                f"{share}, and is still falling at the end.",
                "More epochs may help, as long as the validation loss falls too.",
                "sft",
                "still_falling",
            )
        ]
    return [
        Finding("good", f"{share}, and levels off: more of the same would add little.", "", "sft", "plateau")
        if seen.late < NOTHING_MOVES
        else Finding("good", f"{share}.", "", "sft", "falls")
    ]


def _gradients(stage: str, norm: Curve) -> list[Finding]:
    found = []
    if norm.broken:
        found.append(
            Finding(
                "bad",
                f"The gradient was no number in {len(norm.broken)} step(s), first in step {norm.broken[0]}.",
                f"Lower {stage}.learning_rate, and compute in bfloat16 or float32 (dtype), not in float16.",
                stage,
                "gradient_broken",
            )
        )
    if len(norm) < FEW_STEPS:
        return found
    if max(norm.values) == 0:
        return [
            *found,
            Finding(
                "bad",
                "The gradient is zero in every step: nothing is trained.",
                "Check lora.targets, and that the rows have a reply.",
                stage,
                "no_gradient",
            ),
        ]
    spikes = _spikes(norm)
    if spikes:
        many = len(spikes) > MANY_SPIKES * len(norm)
        at = ", ".join(str(s) for s in spikes[:3]) + (" …" if len(spikes) > 3 else "")
        found.append(
            Finding(
                "bad" if many else "watch",
                f"The gradient jumps to over {SPIKE:g} times its usual size in {len(spikes)} "
                f"step{'' if len(spikes) == 1 else 's'} (step {at}).",
                f"Lower {stage}.learning_rate, or {stage}.clip to 0.3; look for odd rows (very long, empty, or in "
                "another language)."
                if many
                else f"One odd batch is no harm where the loss comes down again ({stage}.clip cuts it off).",
                stage,
                "spikes",
            )
        )
    return found


def _spikes(norm: Curve) -> list[int]:
    """Steps whose norm is far above the median of 25 neighbours (and not merely above a norm that is near zero)."""
    import numpy as np

    values = np.asarray(norm.values)
    floor = 0.1 * float(np.median(values))
    found = []
    for start in range(0, len(values), 25):
        low = max(0, min(start, len(values) - 25))
        usual = max(float(np.median(values[low : low + 25])), floor)
        found += [int(norm.steps[start + i]) for i in np.flatnonzero(values[start : start + 25] > SPIKE * usual)]
    return found
