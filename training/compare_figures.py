"""The figures of a comparison: a line for each, with every model's value and how it changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from training.bootstrap import Interval, Measure, difference, interval
from training.evaluate_models import BASE, DPO, SFT

Better = Literal["higher", "lower"]
PAIRS = ((BASE, SFT), (SFT, DPO), (BASE, DPO))
"""What is compared with what: before, after."""


@dataclass(frozen=True, slots=True)
class Change:
    """How a figure changed from one model to another, on the same rows.

    Attributes:
        before, after: names of the models.
        by: after less before, with its paired interval.
        verdict: ``better``, ``worse``, or ``unclear`` where the interval holds 0 or there is none.
    """

    before: str
    after: str
    by: Interval
    verdict: Literal["better", "worse", "unclear"]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"before": self.before, "after": self.after, "by": self.by.as_dict(), "verdict": self.verdict}


@dataclass(frozen=True, slots=True)
class Line:
    """One figure.

    Attributes:
        name: for people.
        group: what it is about: a task family, ``replies``, ``documents``, ``style`` or ``general``.
        better: which way is better.
        values: of each model, and of ``reference`` where texts by the author give the same figure.
        changes: between the models.
    """

    name: str
    group: str
    better: Better
    values: Mapping[str, Interval]
    changes: Sequence[Change]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.name,
            "group": self.group,
            "better": self.better,
            "values": {name: found.as_dict() for name, found in self.values.items()},
            "changes": [change.as_dict() for change in self.changes],
        }


def verdict(by: Interval, better: Better) -> Literal["better", "worse", "unclear"]:
    """What a change says: nothing, where its interval holds 0."""
    if by.low is None or by.high is None or by.low <= 0 <= by.high:
        return "unclear"
    return "better" if (by.low > 0) == (better == "higher") else "worse"


def line(
    name: str,
    group: str,
    better: Better,
    measures: Mapping[str, Measure],
    *,
    reference: Measure | None = None,
    around: Callable[[Measure], Interval] = interval,
) -> Line:
    """The line of a figure.

    Args:
        measures: of each model, over the same rows.
        reference: the same of the references.
        around: how the interval of a single value is made.
    """
    values = {model: around(measure) for model, measure in measures.items()}
    if reference is not None:
        values["reference"] = around(reference)
    changes = []
    for before, after in PAIRS:
        if before in measures and after in measures:
            by = difference(measures[before], measures[after])
            changes.append(Change(before, after, by, verdict(by, better)))
    return Line(name, group, better, values, changes)
