"""Training and validation beside each other: does it learn what is said, or by heart?"""

from __future__ import annotations

import math

from training.curves import Curve
from training.diagnose_trend import Finding, text

RISES = 0.03
"""Share above its lowest value from which a validation loss has turned: two looks at some hundred rows differ by 1 to
2 % for no reason."""
AT_ONCE = 0.1
"""The same where there is one look after the lowest: it needs to be plain."""
APART = 0.1
"""Share by which training loss must fall between the first and the last look for a level validation loss to matter."""
LOWER = 0.05
"""Share by which the training loss went on falling meanwhile: rising together is another illness."""


def validation_findings(stage: str, loss: Curve, looks: Curve, epochs: Curve) -> list[Finding]:
    """What the looks at the validation rows say; nothing for fewer than two."""
    if len(looks) < 2:
        return []
    values = list(looks.values)
    lowest = min(range(len(values)), key=values.__getitem__)
    step, least, last = looks.steps[lowest], values[lowest], values[-1]
    if _turned(values, lowest):
        before, after = _near(loss, step), _near(loss, looks.steps[-1])
        if before is not None and after is not None and after < before - LOWER * abs(before):
            return [
                Finding(
                    "bad",
                    f"Validation loss rises from {text(least)} (step {step}) to {text(last)} while training loss "
                    f"falls: from there on it learns by heart.",
                    f"Stop there: {_epochs(stage, step, epochs)}; or leave it to {stage}.patience, use more rows, "
                    "or a lower lora.rank.",
                    stage,
                    "overfit",
                )
            ]
        return [
            Finding(
                "watch",
                f"Validation loss rises from {text(least)} (step {step}) to {text(last)}.",
                f"Lower {stage}.learning_rate, and look whether the validation rows are of the same kind.",
                stage,
                "validation_rises",
            )
        ]
    if values[0] - least > RISES * max(abs(values[0]), 1e-9):
        return [
            Finding(
                "good",
                f"Validation loss falls too, from {text(values[0])} to {text(last)}: what it learns holds for "
                "documents it has not seen.",
                "",
                stage,
                "validation_falls",
            )
        ]
    before, after = _near(loss, looks.steps[0]), _near(loss, looks.steps[-1])
    if before is None or after is None or after > before - APART * abs(before):
        return [Finding("good", f"Validation loss is level at {text(last)}, as training loss is.", "", stage, "level")]
    return [
        Finding(
            "watch",
            f"Validation loss stays at {text(last)} while training loss falls: what is learned does not carry over to "
            "other documents.",
            "More rows, or rows of more kinds, help more than more epochs.",
            stage,
            "validation_flat",
        )
    ]


def _turned(values: list[float], lowest: int) -> bool:
    """Does it rise since its lowest value, by more than looks differ anyway, and in more than one look?"""
    import numpy as np

    least, after = values[lowest], values[lowest + 1 :]
    if not after:
        return False
    bends = np.abs(np.diff(values, 2))  # of a smooth curve they are small: what is left is the noise of four looks
    noise = 1.4826 * float(np.median(bends)) / math.sqrt(6) if len(bends) > 2 else 0.0
    if len(after) == 1:
        return after[0] - least > max(AT_ONCE * abs(least), 4 * noise)
    return min(after[-2:]) - least > max(RISES * abs(least), 4 * noise)


def _near(loss: Curve, step: int) -> float | None:
    """Median of the training loss around a step."""
    import numpy as np

    if not len(loss):
        return None
    at = int(np.searchsorted(np.asarray(loss.steps), step))
    width = max(2, len(loss) // 20)
    part = loss.values[max(0, at - width) : at + width] or loss.values[-2 * width :]
    return float(np.median(np.asarray(part)))


def _epochs(stage: str, step: int, epochs: Curve) -> str:
    near = [v for s, v in zip(epochs.steps, epochs.values, strict=True) if s <= step]
    return f"{stage}.epochs={near[-1]:.2g}" if near and near[-1] > 0 else f"{stage}.max_steps={step}"
