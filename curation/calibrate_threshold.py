"""The score from which enough of what is kept is what people accept: chosen on one half, shown on the other.

A threshold is chosen if the one-sided 90 % bound of its precision on the choosing half is not below what is wanted, so
that it was not chance alone that made it look good; the lowest such one keeps the most. What it does on the other half,
which had no part in the choice, is the figure to believe. Bounds and intervals are Wilson's ("Probable inference, the
law of succession, and statistical inference", 1927).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from curation.calibrate_bootstrap import Figure
from curation.calibrate_rows import OVERALL, Rating
from datagen.core.hashing import digest

LEAST_ROWS = 40
"""Decided samples under which no threshold is looked for: half of them could not show 0.9 even if all were accepted."""
ACCEPT_FROM = 4.0
"""The person's score that counts as accepted where nobody decided."""
_Z_INTERVAL = 1.959964  # standard normal quantile of 0.975
_Z_BOUND = 1.281552  # of 0.9
_MOST_CANDIDATES = 81
_STEP = 0.05  # between candidates where there are more scores than that: 81 values from 1 to 5


@dataclass(frozen=True, slots=True)
class Decided:
    """A sample with the judge's score and whether people accepted it."""

    sample: str
    document: str
    score: float
    accepted: bool


@dataclass(frozen=True, slots=True)
class Point:
    """What a threshold does to some samples.

    Attributes:
        threshold: samples with this score or more are kept.
        kept: so many.
        right: of those, accepted by people.
        accepted: accepted by people in all.
    """

    threshold: float
    kept: int
    right: int
    accepted: int

    @property
    def precision(self) -> Figure:
        """Share of the kept that people accept, with its 95 % interval."""
        return share(self.right, self.kept)

    @property
    def recall(self) -> Figure:
        """Share of what people accept that is kept, with its 95 % interval."""
        return share(self.right, self.accepted)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        counts = {"threshold": self.threshold, "kept": self.kept, "right": self.right, "accepted": self.accepted}
        return counts | {"precision": self.precision.as_dict(), "recall": self.recall.as_dict()}


@dataclass(frozen=True, slots=True)
class Threshold:
    """The choice.

    Attributes:
        wanted: precision.
        value: the threshold, or None where none was found.
        chosen, shown: what it does on the choosing half and on the other.
        curve: every candidate on both halves, ascending.
        rows: samples in the choosing half and in the other.
        accepted: share of all decided samples that people accept.
        by_decision: did people decide, or does their score of :data:`ACCEPT_FROM` stand for it?
        apart: do the halves share no document?
        holds: is the wanted precision reached on the other half? None without a threshold or without rows there.
        sentence: all of it in words.
    """

    wanted: float
    value: float | None
    chosen: Point | None
    shown: Point | None
    curve: tuple[tuple[Point, Point], ...]
    rows: tuple[int, int]
    accepted: float | None
    by_decision: bool
    apart: bool
    holds: bool | None
    sentence: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "wanted": self.wanted,
            "value": self.value,
            "holds": self.holds,
            "sentence": self.sentence,
            "chosen": self.chosen.as_dict() if self.chosen else None,
            "shown": self.shown.as_dict() if self.shown else None,
            "rows": {"choosing": self.rows[0], "other": self.rows[1]},
            "accepted": None if self.accepted is None else round(self.accepted, 6),
            "by_decision": self.by_decision,
            "halves_share_no_document": self.apart,
            "curve": [{"choosing": a.as_dict(), "other": b.as_dict()} for a, b in self.curve],
        }


def share(count: int, of: int, z: float = _Z_INTERVAL) -> Figure:
    """A share with Wilson's interval; undefined of nothing."""
    if not of:
        return Figure(None)
    p = count / of
    middle = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return Figure(p, max(0.0, min(p, middle - half)), min(1.0, max(p, middle + half)))


def decided(ratings: Iterable[Rating], accept_from: float = ACCEPT_FROM) -> tuple[list[Decided], bool]:
    """One row a judgement of a sample that people decided about, and whether they did so themselves.

    More than half of the people have to accept it. Where no rating has a decision, a person's score of the whole of
    ``accept_from`` or more is taken for one.
    """
    rated = list(ratings)
    by_decision = any(rating.accepted is not None for rating in rated)
    votes: dict[tuple[str, ...], list[bool]] = {}
    first: dict[tuple[str, ...], tuple[str, float]] = {}
    for rating in rated:
        person, judge = rating.by_person(OVERALL), rating.by_judge(OVERALL)
        vote = rating.accepted if by_decision or person is None else person >= accept_from
        if judge is not None and vote is not None:
            judgement = (rating.sample, rating.model, rating.rubric)
            votes.setdefault(judgement, []).append(vote)
            first.setdefault(judgement, (rating.document, judge))
    found = [Decided(name[0], *first[name], 2 * sum(given) > len(given)) for name, given in votes.items()]
    return found, by_decision


def halves(rows: Sequence[Decided], seed: int = 0) -> tuple[list[Decided], list[Decided], bool]:
    """Two halves that share no document, and whether that could be had.

    Documents go, in a seeded order, to whichever half is the smaller. Where fewer than two are known, or one holds so
    many rows that a half would be under a quarter of all, single samples go instead.
    """
    for apart in (True, False):
        groups: dict[str, list[Decided]] = {}
        for row in rows:
            groups.setdefault(row.document if apart and row.document else f"\0{row.sample}", []).append(row)
        parts: tuple[list[Decided], list[Decided]] = ([], [])
        for name in sorted(groups, key=lambda name: digest([seed, name])):
            min(parts, key=len).extend(groups[name])
        if not apart or 4 * min(len(p) for p in parts) >= len(rows):
            break
    return *parts, apart


def choose(rows: Sequence[Decided], wanted: float = 0.9, *, by_decision: bool = True, seed: int = 0) -> Threshold:
    """The lowest threshold that gives the wanted precision.

    Args:
        rows: one a sample.
        wanted: precision, over 0 and below 1.
        by_decision: as :class:`Threshold` has it; for the words.
        seed: of the halves.

    Raises:
        ValueError: ``wanted`` is not between 0 and 1.
    """
    if not 0 < wanted < 1:
        raise ValueError("the wanted precision is not between 0 and 1")
    first, second, apart = halves(rows, seed)
    curve = tuple((_point(first, t), _point(second, t)) for t in _candidates(rows))
    passing = (pair for pair in curve if (share(pair[0].right, pair[0].kept, _Z_BOUND).low or 0) >= wanted)
    found = next(passing, None) if len(rows) >= LEAST_ROWS else None
    chosen, shown = found or (None, None)
    precision = shown.precision.value if shown else None
    return Threshold(
        wanted=wanted,
        value=chosen.threshold if chosen else None,
        chosen=chosen,
        shown=shown,
        curve=curve,
        rows=(len(first), len(second)),
        accepted=sum(row.accepted for row in rows) / len(rows) if rows else None,
        by_decision=by_decision,
        apart=apart,
        holds=None if precision is None else precision >= wanted,
        sentence=_sentence(rows, wanted, curve, chosen, shown),
    )


def _candidates(rows: Sequence[Decided]) -> list[float]:
    scores = sorted({math.floor(row.score * 1000) / 1000 for row in rows})  # down, so that the score itself is kept
    if len(scores) > _MOST_CANDIDATES:
        scores = sorted({round(math.floor(score / _STEP) * _STEP, 2) for score in scores})
    return scores[:: max(1, -(-len(scores) // 1000))]


def _point(rows: Sequence[Decided], threshold: float) -> Point:
    kept = [row for row in rows if row.score >= threshold]
    return Point(threshold, len(kept), sum(r.accepted for r in kept), sum(r.accepted for r in rows))


def _sentence(
    rows: Sequence[Decided],
    wanted: float,
    curve: Sequence[tuple[Point, Point]],
    chosen: Point | None,
    shown: Point | None,
) -> str:
    if not rows:
        return "No threshold can be chosen: there is no sample that has a score and that people decided about."
    if len(rows) < LEAST_ROWS:
        return f"No threshold was chosen: {len(rows)} decided samples are too few, at least {LEAST_ROWS} are needed."
    if chosen is None or shown is None:
        return _none_reached(wanted, [point for point, _ in curve])
    precision, recall = shown.precision, shown.recall
    if precision.value is None:
        return f"A threshold of {chosen.threshold:g} was chosen, but the other half has no sample that it would keep."
    held = (
        f"On the other half, people accept {_percent(precision)} of what it keeps"
        + (f", and it keeps {_percent(recall)} of what they accept" if recall.value is not None else "")
        + "."
    )
    if (precision.high or 0) < wanted:
        verdict = f"That is below the {wanted:.0%} wanted, and by more than chance: do not rely on it."
    elif precision.value < wanted:
        verdict = f"That is below the {wanted:.0%} wanted, by no more than chance."
    else:
        verdict = f"The {wanted:.0%} wanted are reached."
    lead = f"A threshold of {chosen.threshold:g} gives the wanted precision on the half that chose it. "
    if chosen.threshold == curve[0][0].threshold:
        lead = f"No threshold is needed, every score passes ({chosen.threshold:g} is the lowest). "
    return f"{lead}{held} {verdict}"


def _none_reached(wanted: float, points: Sequence[Point]) -> str:
    tried = [p for p in points if p.kept >= 10]
    best = max(tried or points, key=lambda p: (p.precision.value or 0, p.kept))
    value = best.precision.value or 0.0
    said = f"at {best.threshold:g} people accept {_percent(best.precision)} of the {best.kept} samples it keeps"
    if value > wanted:
        more = math.ceil(value * (1 - value) * (_Z_BOUND / (value - wanted)) ** 2) if value < 1 else 0
        times = max(more, math.ceil(_Z_BOUND**2 * wanted / (1 - wanted))) / best.kept
        return (
            f"No threshold gives a precision of {wanted:.0%} for certain: {said}, which so few samples may show by "
            f"chance. Rate about {max(1.5, times):.1f} times as many."
        )
    return f"No threshold gives a precision of {wanted:.0%}: the best is that {said}."


def _percent(figure: Figure) -> str:
    return f"{figure.value:.0%} ({figure.low:.0%} to {figure.high:.0%})"
