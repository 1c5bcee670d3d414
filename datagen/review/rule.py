"""What several reviewers together decide about a sample, and what that makes of it.

The rule, as docs/review.md states it: a skip has no say; more than half of those who decided must accept or edit,
so a tie rejects; of the edits of those who accept, the latest is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from datagen.core.record import Message, Sample, Verdict
from datagen.core.reviewed import REJECTED, Final, Review, ReviewedSample
from datagen.review.store import COUNTING, Edit, Line


@dataclass(frozen=True)
class Settled:
    """The outcome of all reviews of a sample.

    Attributes:
        decision: by the rule.
        lines: the reviews that count, in the order in which they were made.
        edit: the text that is taken, where one is.
    """

    decision: Final
    lines: tuple[Line, ...]
    edit: Edit | None = None

    @property
    def conflict(self) -> bool:
        """Did some want to keep it and others not?"""
        return len({line.state.decision == "rejected" for line in self.lines}) > 1

    def count(self, decision: str) -> int:
        """How many reviewers decided so."""
        return sum(line.state.decision == decision for line in self.lines)


def current(lines: Iterable[Line]) -> dict[str, dict[str, Line]]:
    """The last line of each (sample, reviewer): sample → reviewer → line."""
    out: dict[str, dict[str, Line]] = {}
    for line in lines:
        out.setdefault(line.sample, {})[line.reviewer] = line
    return out


def settle(lines: Iterable[Line]) -> Settled | None:
    """What the reviewers of one sample decide together; None where nobody has decided.

    Args:
        lines: the current line of each reviewer.
    """
    counting = tuple(sorted((x for x in lines if x.state.decision in COUNTING), key=lambda x: x.seq))
    if not counting:
        return None
    kept = [line for line in counting if line.state.decision != "rejected"]
    if 2 * len(kept) <= len(counting):
        return Settled("rejected", counting)
    edits = [line.state.edit for line in kept if line.state.decision == "edited" and line.state.edit is not None]
    return Settled("edited", counting, edits[-1]) if edits else Settled("accepted", counting)


def apply(sample: Sample, settled: Settled) -> ReviewedSample:
    """The sample as the reviewers left it; what they changed is kept in its ``review``.

    An accepted sample loses the verdict that the run gave it, a rejected one gets one. An edit of another number of
    messages than the sample has changes nothing: it was made of another run.
    """
    edit = settled.edit if settled.edit and len(settled.edit.contents) == len(sample.messages) else None
    changes = _edited(sample, edit) if edit else {}
    verdict = None
    if settled.decision == "rejected":
        verdict = Verdict(stage="review", reason=REJECTED, evidence=_evidence(settled))
    notes = [line.state.note for line in settled.lines if line.state.note]
    review = Review(
        decision=settled.decision if edit or settled.decision == "rejected" else "accepted",
        reviewed_by=tuple(sorted(line.reviewer for line in settled.lines)),
        accepted=settled.count("accepted"),
        rejected=settled.count("rejected"),
        edited=settled.count("edited"),
        note=notes[-1] if notes else "",
        verdict=sample.verdict,
        original=sample.messages if "messages" in changes else (),
        original_rejected=sample.rejected if "rejected" in changes else None,
    )
    fields = {name: getattr(sample, name) for name in Sample.model_fields}
    return ReviewedSample.model_construct(**{**fields, **changes, "verdict": verdict, "review": review})


R = TypeVar("R")


def overlaid(records: Iterable[R], lines: Iterable[Line]) -> Iterator[R | ReviewedSample]:
    """The records with the decisions of a log applied to the samples among them; others pass."""
    states: Mapping[str, dict[str, Line]] = current(lines)
    for record in records:
        if isinstance(record, Sample) and record.id in states:
            settled = settle(states[record.id].values())
            yield apply(record, settled) if settled else record
        else:
            yield record


def _edited(sample: Sample, edit: Edit) -> dict[str, object]:
    changes: dict[str, object] = {}
    messages: tuple[Message, ...] = tuple(
        m.model_copy(update={"content": text}) for m, text in zip(sample.messages, edit.contents, strict=True)
    )
    if messages != sample.messages:
        changes["messages"] = messages
        before, after = sample.messages[-1].content, messages[-1].content
        changes["ranked"] = tuple(
            c.model_copy(update={"content": after}) if c.content == before else c for c in sample.ranked
        )
    if sample.rejected is not None and edit.rejected is not None and edit.rejected != sample.rejected.content:
        changes["rejected"] = sample.rejected.model_copy(update={"content": edit.rejected})
    return changes


def _evidence(settled: Settled) -> str:
    counts = [f"{n} {name}" for name in COUNTING if (n := settled.count(name))]
    return ", ".join(counts)
