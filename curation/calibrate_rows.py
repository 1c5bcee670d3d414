"""A person's rating of a judged sample, and the columns of figures that ratings come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

OVERALL = "overall"
"""The name under which the score of the whole sample stands beside its criteria."""
MOST_PEOPLE = 8
"""People whose ratings of one sample are compared with each other, by name; the number of pairs grows as its square."""
MOST_CRITERIA = 50
"""Criteria that are looked at."""


@dataclass(frozen=True, slots=True)
class Rating:
    """What one person and the judge said of one sample.

    Attributes:
        sample: id; ratings of one id are of one sample.
        reviewer: who rated; "" where nobody is named, and then each row is another person's.
        human: criterion → 1..5, the person's.
        human_score: the person's score of the whole; None: the mean of ``human`` where that has all of the judge's
            criteria.
        judge: criterion → 1..5, the judge's; whole numbers or not.
        score: the judge's score of the whole; None: the mean of ``judge``.
        accepted: the person's decision about the sample as it was judged; None where there is none.
        length: of the answer, in any unit that all rows share; None where unknown.
        document: where the sample comes from, "" where unknown.
        recipe, rubric, model: that made it, by which and by whom it was judged; "" where unknown.
        blind: did the person rate without seeing the judge's scores? None where unknown.
    """

    sample: str
    reviewer: str = ""
    human: Mapping[str, float] = field(default_factory=dict)
    human_score: float | None = None
    judge: Mapping[str, float] = field(default_factory=dict)
    score: float | None = None
    accepted: bool | None = None
    length: float | None = None
    document: str = ""
    recipe: str = ""
    rubric: str = ""
    model: str = ""
    blind: bool | None = None

    def by_person(self, criterion: str) -> float | None:
        """The person's score of a criterion, or of the whole for :data:`OVERALL`."""
        if criterion != OVERALL:
            return self.human.get(criterion)
        if self.human_score is not None:
            return self.human_score
        whole = self.human and set(self.judge) <= set(self.human)
        return sum(self.human.values()) / len(self.human) if whole else None

    def by_judge(self, criterion: str) -> float | None:
        """The judge's score of a criterion, or of the whole for :data:`OVERALL`."""
        if criterion != OVERALL:
            return self.judge.get(criterion)
        if self.score is not None:
            return self.score
        return sum(self.judge.values()) / len(self.judge) if self.judge else None


@dataclass(frozen=True, slots=True)
class Columns:
    """Two raters' scores of the same rows.

    Attributes:
        first, second: the scores, (n,).
        units: the sample of each row, (n,).
        lengths: of the answers, (n,), None where unknown.
    """

    first: list[float]
    second: list[float]
    units: list[str]
    lengths: list[float | None]


def latest(ratings: Iterable[Rating]) -> tuple[list[Rating], int]:
    """One rating a person, sample and judgement of it, the last that was made, and how many that replaces.

    A sample that two judges scored, or one by two rubrics, has as many judgements. Ratings by nobody in particular get
    the names ``"?1"``, ``"?2"`` … within their judgement.
    """
    held: dict[tuple[str, ...], Rating] = {}
    nameless: Counter[tuple[str, ...]] = Counter()
    count = 0
    for rating in ratings:
        count += 1
        judgement = (rating.sample, rating.model, rating.rubric)
        if not rating.reviewer:
            nameless[judgement] += 1
            rating = replace(rating, reviewer=f"?{nameless[judgement]}")
        held[*judgement, rating.reviewer] = rating
    return list(held.values()), count - len(held)


def criteria_of(ratings: Iterable[Rating]) -> list[str]:
    """:data:`OVERALL`, then the criteria that a person and the judge scored in one row at least, as first met.

    Of more than :data:`MOST_CRITERIA` those with the most rows.
    """
    rows = Counter(name for rating in ratings for name in rating.human if name in rating.judge and name != OVERALL)
    kept = {name for name, _ in rows.most_common(MOST_CRITERIA)}
    return [OVERALL, *(name for name in rows if name in kept)]


def with_judge(ratings: Iterable[Rating], criterion: str) -> Columns:
    """The judge beside each person; rows that one of them did not score are left out."""
    rows = [
        (judge, person, rating.sample, rating.length)
        for rating in ratings
        if (judge := rating.by_judge(criterion)) is not None and (person := rating.by_person(criterion)) is not None
    ]
    return _columns(rows)


def among_people(ratings: Iterable[Rating], criterion: str) -> tuple[Columns, list[Rating]]:
    """Each pair of people who scored the same sample, in the order of their names, and the ratings of those samples."""
    by_sample: dict[str, dict[str, list[Rating]]] = {}
    for rating in ratings:
        if rating.by_person(criterion) is not None:
            by_sample.setdefault(rating.sample, {}).setdefault(rating.reviewer, []).append(rating)
    rows: list[tuple[float, float, str, float | None]] = []
    shared: list[Rating] = []
    for sample, people in by_sample.items():
        if len(people) < 2:
            continue
        found = [people[name] for name in sorted(people)[:MOST_PEOPLE]]
        shared += [rating for own in found for rating in own]
        # What a person said of several judgements of one sample is one opinion.
        scores = [(own[0].by_person(criterion) or 0.0, own[0].length) for own in found]
        rows += [(a, b, sample, length) for i, (a, length) in enumerate(scores) for b, _ in scores[i + 1 :]]
    return _columns(rows), shared


def _columns(rows: Sequence[tuple[float, float, str, float | None]]) -> Columns:
    return Columns([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows], [r[3] for r in rows])
