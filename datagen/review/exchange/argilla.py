"""Reviews as records of Argilla 2, in the JSON that its ``records.to_json`` writes and ``from_json`` reads.

A record is ``{"id", "fields", "metadata", "suggestions": {question: {"value", "score", "agent"}}, "responses":
{question: [{"value", "user_id"}]}, "vectors"}``, a file a JSON array of them
(https://docs.argilla.io/latest/reference/argilla/records/records/). Users are UUIDs there: ours are made of the
reviewer's name (UUID version 5), and the names are in the metadata.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from datagen.core.record import Sample
from datagen.review.exchange.common import (
    DECISION,
    SCORE,
    Found,
    answers,
    entries,
    fields,
    state_of,
    text_of,
)
from datagen.review.store import Line

_SPACE = uuid.UUID("6f0b3f5e-5a0e-5c0e-9d0c-3f3b6d1d7a11")
"""Namespace of the reviewers' identifiers; made up for this."""


def user_id(name: str) -> str:
    """The identifier of a reviewer."""
    return str(uuid.uuid5(_SPACE, name))


def record(sample: Sample, lines: Sequence[Line]) -> dict[str, Any]:
    """A sample with its reviews."""
    responses: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        for question, value in answers(line.state).items():
            responses.setdefault(question, []).append({"value": value, "user_id": user_id(line.reviewer)})
    suggested: dict[str, Any] = {f"{SCORE}{name}": round(value) for name, value in sample.scores.items()}
    suggested[DECISION] = "rejected" if sample.verdict else "accepted"
    agent = sample.scored_by or "rules"
    return {
        "id": sample.id,
        "fields": fields(sample),
        "metadata": {
            "recipe": sample.recipe,
            "document": sample.lineage.path,
            "split": sample.split,
            **({"score": sample.score} if sample.score is not None else {}),
            "reviewers": [line.reviewer for line in lines],
        },
        "suggestions": {name: {"value": v, "score": None, "agent": agent} for name, v in suggested.items()},
        "responses": responses,
        "vectors": {},
    }


def is_record(row: Mapping[str, Any]) -> bool:
    """Does a JSON object look like one?"""
    return isinstance(row.get("fields"), dict) and isinstance(row.get("responses"), dict)


def read(row: Mapping[str, Any], reviewers: Iterable[str]) -> list[Found]:
    """The reviews in a record.

    Args:
        reviewers: names whose identifiers are known already.

    Returns:
        one for each user who answered; a user nobody knows is called by the identifier.
    """
    names = {user_id(name): name for name in reviewers}
    metadata = row.get("metadata")
    listed = metadata.get("reviewers") if isinstance(metadata, dict) else None
    names |= {user_id(name): name for name in (listed if isinstance(listed, list) else []) if isinstance(name, str)}
    by: dict[str, dict[str, Any]] = {}
    for question, given in row["responses"].items():
        for answer in entries(given):
            user = text_of(answer.get("user_id"))
            if user and isinstance(question, str):
                by.setdefault(names.get(user, user), {})[question] = answer.get("value")
    sample = text_of(row.get("id"))
    return [Found(sample, name, state_of(given)) for name, given in by.items()]
