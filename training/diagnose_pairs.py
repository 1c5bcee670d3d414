"""Preference training in words: margin, accuracy, and what happens to the probability of the chosen replies."""

from __future__ import annotations

from collections.abc import Mapping

from training.curves import EMPTY, Curve
from training.diagnose_trend import Finding, shape, text

MARGIN = 0.05
"""Of the rewards (beta times a difference of log-ratios). At 0.05 a pair is told apart with 51 % by Bradley-Terry."""
COLLAPSE = 0.2
"""Share of its log-probability that the chosen reply loses. Some loss is usual in DPO, as both replies become less
likely (Pal et al. 2024, arXiv:2402.13228); a fifth means that the model has left what it was taught."""
COIN = 0.55
"""Of ten and more looks: below it the model tells the pairs apart no better than a coin."""
WRONG_WAY = 0.4
EASY_ACCURACY, EASY_MARGIN = 0.995, 8.0
"""Every pair told apart, with a margin that Bradley-Terry gives 99.97 %: nothing is left to learn from them."""


def pair_findings(curves: Mapping[str, Curve], beta: float) -> list[Finding]:
    """What the curves of preference training say, trained with ``beta``. Every one of them may be missing."""
    margin = curves.get("margin", EMPTY)
    accuracy = curves.get("accuracy", EMPTY)
    chosen, rejected = curves.get("chosen_logps", EMPTY), curves.get("rejected_logps", EMPTY)
    found: list[Finding] = []
    lost = _lost(chosen, curves.get("chosen_reward", EMPTY), beta)
    fallen = _collapse(chosen, rejected, margin, lost)
    found += fallen
    if len(margin) >= 4:
        found += _margin(margin, bool(fallen))
    if len(accuracy) >= 10:
        found += _accuracy(accuracy, margin)
    return found or [_loss(curves.get("loss", EMPTY))]


def _margin(margin: Curve, fallen: bool) -> list[Finding]:
    seen = shape(margin)
    if seen.end < -MARGIN:  # it begins at 0: policy and reference are the same
        said = f"Margin falls from {text(seen.start)} to {text(seen.end)}: it comes to like the rejected replies."
        fix = "Look whether chosen and rejected are the wrong way round; else lower dpo.learning_rate to a third."
        return [Finding("bad", said, fix, "dpo", "margin_falls")]
    if seen.change < MARGIN:
        said = f"Margin stays near {text(seen.end)}: the two replies are hardly told apart."
        fix = "Raise dpo.learning_rate three times, or dpo.epochs; look whether the replies of a pair differ at all."
        return [Finding("watch", said, fix, "dpo", "margin_flat")]
    if fallen:
        return []  # its sentence says so already
    return [Finding("good", f"Margin rises from {text(seen.start)} to {text(seen.end)}.", "", "dpo", "margin_rises")]


def _lost(chosen: Curve, reward: Curve, beta: float) -> float | None:
    """Share of its log-probability that the chosen reply has lost at the end, against the reference, row for row.

    A reward is beta times the change of a log-probability (DPO, arXiv:2305.18290, section 4), so both together give
    what the reference would say of the very same replies: whether those of a batch are long or short plays no part.
    None where that cannot be known: no rewards, or such as begin elsewhere than at 0 (ORPO has no reference).
    """
    import numpy as np

    rewards = dict(zip(reward.steps, reward.values, strict=True))
    both = [(v, rewards[s] / beta) for s, v in zip(chosen.steps, chosen.values, strict=True) if s in rewards]
    if len(both) < 4 or abs(both[0][1]) > 0.05 * abs(both[0][0]):
        return None
    last = both[-max(3, len(both) // 10) :]
    return float(np.median([-change / max(abs(value - change), 1e-9) for value, change in last]))


def _collapse(chosen: Curve, rejected: Curve, margin: Curve, lost: float | None) -> list[Finding]:
    """The chosen replies lose much of their probability: the margin then rises only since the rejected lose more."""
    if len(chosen) < 4:
        return []
    seen = shape(chosen)
    if lost is not None:
        fallen, how = lost > COLLAPSE, f"by {lost:.0%} of what the SFT model gives it"
    else:
        fallen = seen.clear and -seen.change > COLLAPSE * abs(seen.start)
        how = f"from {text(seen.start)} to {text(seen.end)}"
    if not fallen:
        return []
    rises = len(margin) >= 4 and shape(margin).change > MARGIN
    both = len(rejected) >= 4 and shape(rejected).change < 0
    said = f"{'Margin rises, but the chosen' if rises else 'The chosen'} log-probability collapses, {how}"
    said += ": both replies become unlikely, the rejected one faster." if rises and both else "."
    # Measured on a small model over 40 steps: 0.02, 0.1 and 0.5 as beta differ by 0.2 nats of a loss of 0.9.
    fix = "Lower beta or learning rate: dpo.learning_rate to a third does most; or take fewer dpo.epochs."
    return [Finding("bad", said, fix, "dpo", "collapse")]


def _accuracy(accuracy: Curve, margin: Curve) -> list[Finding]:
    seen = shape(accuracy, mean=True)
    share = f"{seen.end:.0%} of the pairs"
    if seen.end < WRONG_WAY:
        said = f"At the end it prefers the chosen reply in {share} only, less than a coin would."
        fix = "Look whether chosen and rejected are the wrong way round in the pairs."
        return [Finding("bad", said, fix, "dpo", "accuracy_low")]
    if seen.end < COIN:
        said = f"Accuracy is stuck: at the end it prefers the chosen reply in {share}, as a coin does."
        fix = "Raise dpo.learning_rate or dpo.epochs; if that does not help, the pairs differ in nothing it can see."
        return [Finding("watch", said, fix, "dpo", "accuracy_stuck")]
    if seen.end >= EASY_ACCURACY and len(margin) >= 4 and shape(margin).end > EASY_MARGIN:
        said = (
            f"It prefers the chosen reply in all pairs, with a margin of {text(shape(margin).end)}: they are too easy."
        )
        fix = "Fewer dpo.epochs do; harder pairs (smaller flaws) would teach more."
        return [Finding("watch", said, fix, "dpo", "too_easy")]
    return [Finding("good", f"At the end it prefers the chosen reply in {share}.", "", "dpo", "accuracy")]


def _loss(loss: Curve) -> Finding:
    """Where nothing but the loss was logged."""
    seen = shape(loss)
    if seen.change > 0 and seen.clear:
        fix = "Lower dpo.learning_rate to a third."
        return Finding("bad", f"Loss rises from {text(seen.start)} to {text(seen.end)}.", fix, "dpo", "rises")
    if not seen.clear:
        fix = "Raise dpo.learning_rate three times, or dpo.epochs."
        return Finding("watch", f"Loss stays at {text(seen.end)}: hardly anything moves.", fix, "dpo", "flat")
    return Finding("good", f"Loss falls from {text(seen.start)} to {text(seen.end)}.", "", "dpo", "falls")
