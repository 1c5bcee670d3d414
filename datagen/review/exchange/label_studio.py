"""Reviews as tasks of Label Studio, in the JSON form that it exports and imports.

A task is ``{"data", "annotations": [{"result", "completed_by"}], "predictions": [{"model_version", "score",
"result"}]}`` and a result ``{"from_name", "to_name", "type", "value"}`` with ``choices``, ``rating`` or ``text``
(https://labelstud.io/guide/task_format, https://labelstud.io/tags/rating). Its ``completed_by`` is a user there, so
the reviewer's name stands in a text result of its own beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from datagen.core.record import Sample
from datagen.review.exchange.common import DECISION, NOTE, SCORE, Found, answers, entries, fields, state_of, text_of
from datagen.review.store import Line

REVIEWER = "reviewer"
_ON = "reply"  # the object that all controls belong to


def task(sample: Sample, lines: Sequence[Line]) -> dict[str, Any]:
    """A sample with its reviews."""
    judged: dict[str, Any] = {f"{SCORE}{name}": round(value) for name, value in sample.scores.items()}
    judged[DECISION] = "rejected" if sample.verdict else "accepted"
    prediction: dict[str, Any] = {
        "model_version": sample.scored_by or "rules",
        "result": [_result(name, value) for name, value in judged.items()],
    }
    if sample.score is not None:
        prediction["score"] = sample.score / 5  # from 0 to 1 there
    return {
        "data": {
            "id": sample.id,
            "recipe": sample.recipe,
            "document": sample.lineage.path,
            "split": sample.split,
            **fields(sample),
        },
        "annotations": [
            {
                "result": [
                    _result(name, value) for name, value in {**answers(line.state), REVIEWER: line.reviewer}.items()
                ]
            }
            for line in lines
        ],
        "predictions": [prediction],
    }


def is_task(row: Mapping[str, Any]) -> bool:
    """Does a JSON object look like one?"""
    return isinstance(row.get("data"), dict) and isinstance(row.get("annotations"), list)


def read(row: Mapping[str, Any]) -> list[Found]:
    """The reviews in a task; an annotation that was cancelled is passed over, one without a reviewer's name goes by
    the user who completed it."""
    found = []
    for annotation in entries(row["annotations"]):
        if annotation.get("was_cancelled") is True:
            continue
        given: dict[str, Any] = {}
        for result in entries(annotation.get("result")):
            name, value = result.get("from_name"), result.get("value")
            if isinstance(name, str) and isinstance(value, dict):
                given[name] = _value(value)
        name = text_of(given.pop(REVIEWER, None)) or _user(annotation.get("completed_by"))
        found.append(Found(text_of(row["data"].get("id")), name, state_of(given)))
    return found


def config(criteria: Sequence[str]) -> str:
    """A labelling configuration that fits the tasks, as XML."""
    from xml.sax.saxutils import quoteattr

    ratings = "\n".join(
        f'  <Header value={quoteattr(name)}/>\n  <Rating name={quoteattr(SCORE + name)} toName="{_ON}" maxRating="5"/>'
        for name in criteria
    )
    choices = "".join(f'<Choice value="{name}"/>' for name in ("accepted", "rejected", "edited", "skipped"))
    return (
        '<View>\n  <Text name="source" value="$source"/>\n  <Text name="prompt" value="$prompt"/>\n'
        f'  <Text name="{_ON}" value="$reply"/>\n'
        f'  <Choices name="{DECISION}" toName="{_ON}" choice="single">{choices}</Choices>\n{ratings}\n'
        f'  <TextArea name="edited_reply" toName="{_ON}"/>\n'
        f'  <TextArea name="{NOTE}" toName="{_ON}"/>\n'
        f'  <TextArea name="{REVIEWER}" toName="{_ON}"/>\n</View>\n'
    )


def _result(name: str, value: Any) -> dict[str, Any]:
    head = {"from_name": name, "to_name": _ON}
    if name == DECISION:
        return {**head, "type": "choices", "value": {"choices": [value]}}
    if name.startswith(SCORE):
        return {**head, "type": "rating", "value": {"rating": value}}
    return {**head, "type": "textarea", "value": {"text": [value]}}


def _value(value: Mapping[str, Any]) -> Any:
    for key in ("choices", "text"):
        held = value.get(key)
        if isinstance(held, list):
            return held[0] if held else None
        if held is not None:
            return held
    return value.get("rating")


def _user(completed_by: Any) -> str:
    if isinstance(completed_by, dict):
        completed_by = completed_by.get("email") or completed_by.get("id")
    return f"user {completed_by}" if isinstance(completed_by, int) else text_of(completed_by)
