"""A sample that people decided about: what they said, and what it was before."""

from __future__ import annotations

from typing import Literal

from datagen.core.record import Message, Record, Rejected, Sample, Verdict

Final = Literal["accepted", "rejected", "edited"]
REJECTED = "rejected_by_reviewer"
"""Reason of a sample that people rejected."""


class Review(Record):
    """What people decided about a sample, all of them together.

    Attributes:
        decision: theirs, by the rule of :func:`datagen.review.rule.settle`.
        reviewed_by: everybody who accepted, rejected or edited it, by name.
        accepted, rejected, edited: how many of them did.
        note: what was written beside the decisive review.
        verdict: why the run had rejected it, where it had.
        original: its messages before an edit; empty where none was changed.
        original_rejected: its dispreferred reply before an edit; None where it was not changed.
    """

    decision: Final
    reviewed_by: tuple[str, ...]
    accepted: int = 0
    rejected: int = 0
    edited: int = 0
    note: str = ""
    verdict: Verdict | None = None
    original: tuple[Message, ...] = ()
    original_rejected: Rejected | None = None


class ReviewedSample(Sample):
    """A :class:`~datagen.core.record.Sample` as people left it."""

    review: Review
