"""A judge against itself: the same pair in both orders, the same samples a second time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from curation.calibrate_bootstrap import Figure
from curation.calibrate_findings import LEAST, Finding, Severity
from curation.calibrate_threshold import share
from curation.calibrate_words import shown


@dataclass(frozen=True, slots=True)
class Order:
    """Pairs that were compared in both orders.

    Attributes:
        pairs: so many.
        consistent: share in which both orders prefer the same answer, or neither does.
        first: share of all preferences that went to the answer shown first; 0.5 where place does not count.
    """

    pairs: int
    consistent: Figure
    first: Figure


@dataclass(frozen=True, slots=True)
class Drift:
    """Two judgings of the same samples.

    Attributes:
        samples: judged both times.
        lost: judged once only.
        changed: share whose whole score differs.
        flipped: share that passes the threshold one time and not the other; undefined without a threshold.
        moved: mean absolute difference of the scores.
        shift: mean of the second score less the first.
    """

    samples: int
    lost: int
    changed: Figure
    flipped: Figure
    moved: float | None
    shift: float | None


def order_agreement(preferences: Iterable[tuple[float, float]]) -> Order:
    """How far a judge's preferences outlast a swap of the two answers.

    Args:
        preferences: of each pair of answers A and B, the preference for A when A is shown first and when B is:
            above 0 A is preferred, below 0 B, 0 neither. The difference of two scores is one.
    """
    pairs = agree = first = second = 0
    for ahead, behind in preferences:
        pairs += 1
        agree += _sign(ahead) == _sign(behind)
        first += (_sign(ahead) > 0) + (_sign(behind) < 0)
        second += (_sign(ahead) < 0) + (_sign(behind) > 0)
    return Order(pairs, share(agree, pairs), share(first, first + second))


def drift(
    first: Mapping[str, float | None],
    second: Mapping[str, float | None],
    threshold: float | Mapping[str, float] | None = None,
) -> Drift:
    """How far two judgings of the same samples differ.

    Args:
        first, second: sample → score, None where it could not be read. Samples in one of them alone are lost.
        threshold: from which a sample is kept, or of each sample its own.
    """
    both = []
    flipped = 0
    names = sorted(first.keys() | second.keys())
    for name in names:
        a, b = first.get(name), second.get(name)
        if a is not None and b is not None:
            both.append((a, b))
            kept = threshold[name] if isinstance(threshold, Mapping) else threshold
            flipped += kept is not None and (a >= kept) != (b >= kept)
    changed = sum(math.floor(a + 0.5) != math.floor(b + 0.5) for a, b in both)
    once = sum((first.get(n) is None) != (second.get(n) is None) for n in names)
    return Drift(
        samples=len(both),
        lost=once,
        changed=share(changed, len(both)),
        flipped=share(flipped, len(both)) if threshold is not None else Figure(None),
        moved=math.fsum(abs(a - b) for a, b in both) / len(both) if both else None,
        shift=math.fsum(b - a for a, b in both) / len(both) if both else None,
    )


def on_order(order: Order) -> Finding:
    """What agreement under order swap comes to."""
    if order.consistent.value is None:
        return Finding("order", order.consistent, 0, "none", "No pair was compared in both orders.")
    sentence = f"{shown(order.consistent, '.0%')} of {order.pairs:,} preferences outlast a swap of the two answers."
    first = order.first
    if first.low is not None and first.high is not None and not first.low <= 0.5 <= first.high:
        place = "first" if first.low > 0.5 else "second"
        sentence += f" The answer shown {place} is favoured: {shown(first, '.0%')} go to the first."
    severity: Severity = "none"
    if order.pairs >= LEAST:
        severity = "warning" if order.consistent.value < 0.75 else "note" if order.consistent.value < 0.9 else "none"
    advice = "Go by the mean of both orders, and leave out pairs on which they disagree."
    return Finding("order", order.consistent, order.pairs, severity, sentence, advice if severity != "none" else "")


def on_drift(found: Drift) -> Finding:
    """What the difference of two judgings comes to."""
    figure = found.flipped if found.flipped.value is not None else found.changed
    if figure.value is None or found.moved is None or found.shift is None or found.changed.value is None:
        return Finding("drift", Figure(None), 0, "none", "No sample was judged twice.")
    sentence = f"Judged twice, {shown(found.changed, '.0%')} of {found.samples:,} samples change their whole score"
    if found.flipped.value is not None:
        sentence += f" and {shown(found.flipped, '.0%')} change sides of the threshold"
    sentence += f"; scores move by {found.moved:.2f} on average, the second time by {found.shift:+.2f}."
    if found.lost:
        sentence += f" {found.lost:,} could be read one time and not the other."
    severity: Severity = "none"
    if found.samples >= LEAST:
        grave = figure.value >= 0.15 if figure is found.flipped else figure.value >= 0.3
        slight = figure.value >= 0.05 if figure is found.flipped else figure.value >= 0.1
        severity = "warning" if grave else "note" if slight else "none"
    advice = (
        "Set the judge's temperature to 0, take the mean of several judgements or the expected score from "
        "log-probabilities, and treat samples near the threshold as undecided."
    )
    return Finding("drift", figure, found.samples, severity, sentence, advice if severity != "none" else "")


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)
