"""The judge measured against people: agreement by criterion, beside the agreement of people, and a threshold.

Rows are single ratings: the judge beside one person. Where several people rated a sample, their agreement with each
other is the ceiling, and the judge is measured on those same samples too, since no judge can be expected to agree
with people better than they agree among themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from curation import calibrate_words as words
from curation.agreement import Agreement, compare, compare_accepted
from curation.calibrate_bootstrap import RESAMPLES, Figure
from curation.calibrate_rows import OVERALL, Columns, Rating, among_people, criteria_of, latest, with_judge
from curation.calibrate_threshold import ACCEPT_FROM, Threshold, choose, decided

LEAST_GROUP = 20
"""Ratings under which a group is counted and not measured."""
MOST_GROUPS = 20
"""Groups of a kind that are measured, largest first."""
MOST_REVIEWERS = 100
"""Reviewers who are named."""
GROUPS: dict[str, Callable[[Rating], str]] = {
    "recipe": lambda rating: rating.recipe,
    "rubric": lambda rating: rating.rubric,
    "model": lambda rating: rating.model,
    "reviewer": lambda rating: "" if rating.reviewer.startswith("?") else rating.reviewer,
    "judge": lambda rating: {None: "", True: "hidden", False: "in sight"}[rating.blind],
}
"""By what ratings are grouped; "judge" is whether its scores were hidden while the person rated."""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """People beside people, and the judge on the same samples.

    Attributes:
        samples: rated by two people or more.
        people: each pair of people; the first of them by name takes the judge's place in the figures.
        judge: the judge beside each of these people.
    """

    samples: int
    people: Agreement
    judge: Agreement

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"samples": self.samples, "people": self.people.as_dict(), "judge": self.judge.as_dict()}


@dataclass(frozen=True, slots=True)
class Compared:
    """One criterion, or the whole: the judge beside people, and their own ceiling where there is one."""

    judge: Agreement
    ceiling: Ceiling | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"judge": self.judge.as_dict(), "ceiling": self.ceiling.as_dict() if self.ceiling else None}


@dataclass(frozen=True, slots=True)
class Group:
    """Ratings that share something: how many, and the agreement on the whole where there are enough."""

    rows: int
    agreement: Agreement | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"rows": self.rows, "agreement": self.agreement.as_dict() if self.agreement else None}


@dataclass(frozen=True, slots=True)
class Calibration:
    """What ratings say about a judge.

    Attributes:
        ratings, samples, replaced: how many; replaced ones were made again by the same person.
        reviewers: name → ratings of the busiest; people without a name are not in it.
        criteria: ``"overall"``, then each criterion.
        groups: kind of :data:`GROUPS` → value → group, on the whole; kinds with one value alone are left out.
        auc: chance that a sample which people accept has a higher score than one they do not.
        threshold: the score that gives the wanted precision.
        blind: share of ratings made without the judge's scores in sight; None where it is unknown.
        sentences: what it comes to, for people.
    """

    ratings: int
    samples: int
    replaced: int
    reviewers: dict[str, int]
    criteria: dict[str, Compared]
    groups: dict[str, dict[str, Group]]
    auc: Figure
    threshold: Threshold
    blind: float | None
    sentences: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON: finite numbers, None for what is undefined, the same for the same ratings."""
        return {
            "ratings": self.ratings,
            "samples": self.samples,
            "replaced": self.replaced,
            "reviewers": self.reviewers,
            "blind": None if self.blind is None else round(self.blind, 6),
            "criteria": {name: found.as_dict() for name, found in self.criteria.items()},
            "groups": {
                kind: {value: group.as_dict() for value, group in found.items()} for kind, found in self.groups.items()
            },
            "auc": self.auc.as_dict(),
            "threshold": self.threshold.as_dict(),
            "sentences": list(self.sentences),
        }


def calibrate(
    rows: Iterable[Rating],
    *,
    precision: float = 0.9,
    criteria: Sequence[str] = (),
    accept_from: float = ACCEPT_FROM,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Calibration:
    """Measure a judge against people.

    Args:
        rows: one a rating; of several by one person of one sample the last counts.
        precision: wanted of the threshold, over 0 and below 1.
        criteria: to look at; empty: all.
        accept_from: the person's score that counts as accepted where nobody decided.
        resamples: of the bootstrap.
        seed: of the bootstrap and of the halves.

    Raises:
        ValueError: an unknown criterion, or a precision that is not between 0 and 1.
    """
    ratings, replaced = latest(rows)
    names = criteria_of(ratings)
    unknown = [name for name in criteria if name not in names]
    if unknown:
        raise ValueError(f"no rating has a person's and the judge's score of {', '.join(unknown)}")

    def measured(columns: Columns, lengths: bool = True) -> Agreement:
        return compare(
            columns.first,
            columns.second,
            lengths=columns.lengths if lengths else None,
            units=columns.units,
            resamples=resamples,
            seed=seed,
        )

    found: dict[str, Compared] = {}
    for name in criteria or names:
        pairs, shared = among_people(ratings, name)
        beside = with_judge(shared, name)
        ceiling = Ceiling(len(set(pairs.units)), measured(pairs), measured(beside)) if beside.units else None
        found[name] = Compared(measured(with_judge(ratings, name)), ceiling)
    judged, by_decision = decided(ratings, accept_from)
    threshold = choose(judged, precision, by_decision=by_decision, seed=seed)
    area = compare_accepted([d.score for d in judged], [d.accepted for d in judged], resamples=resamples, seed=seed)
    known = [rating.blind for rating in ratings if rating.blind is not None]
    blind = sum(known) / len(known) if known else None
    return Calibration(
        ratings=len(ratings),
        samples=len({rating.sample for rating in ratings}),
        replaced=replaced,
        reviewers=dict(list(_counted(GROUPS["reviewer"], ratings).items())[:MOST_REVIEWERS]),
        criteria=found,
        groups=_groups(ratings, lambda part: measured(with_judge(part, OVERALL), lengths=False)),
        auc=area,
        threshold=threshold,
        blind=blind,
        sentences=(
            *(s for name, c in found.items() for s in words.on_criterion(name, c.judge, c.ceiling)),
            *words.on_sight(blind),
            *words.on_judges(*(len({of(r) for r in ratings} - {""}) for of in (GROUPS["model"], GROUPS["rubric"]))),
            threshold.sentence,
        ),
    )


def _counted(named: Callable[[Rating], str], ratings: Iterable[Rating]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for rating in ratings:
        if name := named(rating):
            counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _groups(
    ratings: Sequence[Rating], measured: Callable[[Sequence[Rating]], Agreement]
) -> dict[str, dict[str, Group]]:
    found: dict[str, dict[str, Group]] = {}
    for kind, named in GROUPS.items():
        counts = _counted(named, ratings)
        if len(counts) < 2:
            continue
        largest = [value for value, count in counts.items() if count >= LEAST_GROUP][:MOST_GROUPS]
        parts: dict[str, list[Rating]] = {value: [] for value in largest}
        for rating in ratings:
            if (part := parts.get(named(rating))) is not None:
                part.append(rating)
        shown = [*largest, *(value for value in counts if value not in parts)][:MOST_GROUPS]
        found[kind] = {v: Group(counts[v], measured(parts[v]) if v in parts else None) for v in shown}
    return found
