"""Samples whose likeness to an evaluation text is on the borderline: how the stages say so to each other.

The first stage leaves an :class:`~datagen.core.record.Audit` on such a sample, which names the evaluation text by its
place in the sets and the score, and no verdict; the second reads it, decides, and puts what it decided in its place.
The note lies in the shard with the sample, so a run that was stopped between the two goes on.
"""

from __future__ import annotations

import re
from typing import Literal

from curation.decontaminate.matcher import Match, overlap
from datagen.core.record import Audit, Sample

STAGE, KIND = "decontaminate", "borderline"
_NOTE = re.compile(r"(rewording|ngram) of evaluation text (\d+), score (\d+\.\d{4})")


def asked_in(sample: Sample) -> str:
    """What a user asks in a sample; all that is said where nobody asks."""
    return "\n".join(m.content for m in sample.messages if m.role == "user") or said_in(sample)


def said_in(sample: Sample) -> str:
    """All that is said in a sample."""
    return "\n".join(m.content for m in sample.messages)


def compared(sample: Sample, method: Literal["ngram", "rewording"]) -> str:
    """The text of a sample in which a match was found."""
    return asked_in(sample) if method == "rewording" else said_in(sample)


def marked(sample: Sample, match: Match) -> Sample:
    """The sample with a note of what it is to be compared with."""
    note = f"{match.method} of evaluation text {match.index}, score {match.score:.4f}"
    audit = Audit(stage=STAGE, kind=KIND, action="none", count=1, example=note)
    return sample.model_copy(update={"audits": (*sample.audits, audit)})


def mark_of(sample: Sample, against: list[str]) -> Match | None:
    """The match that a note speaks of; None where there is none that can be read."""
    for audit in sample.audits:
        if (audit.stage, audit.kind) == (STAGE, KIND) and (found := _NOTE.fullmatch(audit.example)):
            method: Literal["ngram", "rewording"] = "ngram" if found[1] == "ngram" else "rewording"
            index = int(found[2])
            if index < len(against):
                common = overlap(compared(sample, method), against[index])
                return Match(index, float(found[3]), method, common)
    return None


def settled(sample: Sample, stage: str, outcome: str, action: Literal["none", "reject"], example: str) -> Sample:
    """The sample with what was decided in the place of the note."""
    left = tuple(audit for audit in sample.audits if (audit.stage, audit.kind) != (STAGE, KIND))
    audit = Audit(stage=stage, kind=f"{KIND}_{outcome}", action=action, count=1, example=example)
    return sample.model_copy(update={"audits": (*left, audit)})
