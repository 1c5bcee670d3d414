"""What is found, and signals that become findings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from curation.malicious.config import Kind


@dataclass(frozen=True, slots=True)
class Finding:
    """A passage that is, or carries, an attack or a secret.

    Attributes:
        kind: see :data:`~curation.malicious.config.Kind`.
        start, end: code points of the original text, half open.
        score: 0..1.
        rule: what found it, as in ``"override"`` or ``"aws_access_key_id"``.
    """

    kind: Kind
    start: int
    end: int
    score: float
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Signal:
    """Something that speaks for an attack; several near one another add up.

    Attributes:
        kind, start, end, rule: as of :class:`Finding`.
        weight: 0..1, the score it has on its own.
        told: is it an order that is only reported, forbidden or quoted?
    """

    kind: Kind
    start: int
    end: int
    weight: float
    rule: str
    told: bool = False


WORDING = "wording"  # the rule of a signal that only resembles others
SUSPECT = 0.74  # what a finding scores at most that needs such a signal: too little to reject a sample
REACH = 600  # characters within which signals belong to one attack


def together(signals: Iterable[Signal], reach: int = REACH) -> list[Finding]:
    """Findings of signals of one family: those within ``reach`` of one another are one.

    Their weights are taken as independent evidence ("noisy or": J. Pearl, Probabilistic Reasoning, 1988, 4.3.2),
    each rule counted once; a likeness to other attacks lifts the score to :data:`SUSPECT` at most.
    """
    out: list[Finding] = []
    group: list[Signal] = []
    for signal in sorted(signals, key=lambda s: (s.start, s.end, s.rule)):
        if group and signal.start - max(s.end for s in group[-8:]) > reach:
            out.append(_joined(group))
            group = []
        group.append(signal)
    if group:
        out.append(_joined(group))
    return out


def _joined(group: Sequence[Signal]) -> Finding:
    best: dict[str, Signal] = {}
    for signal in group:
        if signal.rule not in best or signal.weight > best[signal.rule].weight:
            best[signal.rule] = signal
    against = 1.0
    for signal in best.values():
        against *= 1 - signal.weight
    score = 1 - against
    if WORDING in best:
        without = 1 - against / (1 - best[WORDING].weight)
        score = max(without, min(score, SUSPECT))
    lead = max(best.values(), key=lambda s: s.weight)
    start, end = min(s.start for s in group), max(s.end for s in group)
    return Finding(lead.kind, start, end, round(score, 3), lead.rule)


def without_overlaps(findings: Iterable[Finding]) -> list[Finding]:
    """By position; of findings of one kind that overlap, their union with the higher score."""
    out: list[Finding] = []
    last: dict[str, int] = {}
    for finding in sorted(findings, key=lambda f: (f.start, -f.end, -f.score)):
        at = last.get(finding.kind)
        if at is not None and finding.start < out[at].end:
            before = out[at]
            lead = max(before, finding, key=lambda f: f.score)
            out[at] = replace(lead, start=before.start, end=max(before.end, finding.end))
        else:
            last[finding.kind] = len(out)
            out.append(finding)
    return out
