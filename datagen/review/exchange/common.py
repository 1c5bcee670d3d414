"""What the forms of other programs have in common: questions by name, and answers that may be anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from datagen.core.record import Sample
from datagen.core.text import scrub
from datagen.review.store import DECISIONS, Decision, Edit, State

DECISION, SCORE, EDIT, TEXTS, NOTE = "decision", "score_", "edited_reply", "edited_texts", "note"
"""Names of the questions; a score's is followed by its criterion. ``edited_texts`` holds all texts as JSON where
more than the last reply was changed."""
MOST = 4_000
"""Characters of a note; a name has at most 60."""


@dataclass(frozen=True)
class Found:
    """A review that was read from a file: the sample's id, the reviewer's name, what is said.

    ``state.edit`` with one text is of the reply alone, to be completed from the sample.
    """

    sample: str
    reviewer: str
    state: State


def fields(sample: Sample) -> dict[str, str]:
    """A sample's texts for people to read."""
    return {
        "prompt": "\n\n".join(f"{m.role}: {m.content}" for m in sample.messages[:-1]),
        "reply": sample.messages[-1].content,
        "source": sample.source,
        **({"rejected_reply": sample.rejected.content} if sample.rejected is not None else {}),
    }


def answers(state: State) -> dict[str, Any]:
    """A review as answers by question; what was not said is left out."""
    out: dict[str, Any] = {f"{SCORE}{name}": value for name, value in state.scores}
    if state.decision:
        out[DECISION] = state.decision
    if state.edit is not None:
        out[EDIT] = state.edit.contents[-1]
        out[TEXTS] = json.dumps({"contents": list(state.edit.contents), "rejected": state.edit.rejected})
    if state.note:
        out[NOTE] = state.note
    return out


def state_of(given: Mapping[str, Any]) -> State:
    """The review that answers give; what is none of ours, or of the wrong kind, is passed over."""
    decision: Decision = next((d for d in DECISIONS if d == given.get(DECISION)), "")
    scores = []
    for name, value in given.items():
        whole = isinstance(value, int | float) and not isinstance(value, bool) and value in (1, 2, 3, 4, 5)
        if name.startswith(SCORE) and whole:
            scores.append((scrub(name[len(SCORE) :]), int(value)))
    edit = _edit(given)
    if not decision and edit:
        decision = "edited"
    if decision == "edited" and edit is None:
        decision = "accepted"
    note = text_of(given.get(NOTE))[:MOST]
    return State(decision, tuple(sorted(scores)), edit if decision == "edited" else None, note)


def _edit(given: Mapping[str, Any]) -> Edit | None:
    reply = text_of(given.get(EDIT))
    try:
        texts = json.loads(text_of(given.get(TEXTS)) or "null")
    except (ValueError, RecursionError):
        texts = None
    if isinstance(texts, dict) and isinstance(texts.get("contents"), list) and texts["contents"]:
        contents = tuple(scrub(t) for t in texts["contents"] if isinstance(t, str))
        rejected = texts.get("rejected")
        if len(contents) == len(texts["contents"]):
            last = reply or contents[-1]  # changed there once more, perhaps
            return Edit((*contents[:-1], last), scrub(rejected) if isinstance(rejected, str) else None)
    return Edit((reply,)) if reply.strip() else None


def entries(value: Any) -> list[dict[str, Any]]:
    """The JSON objects in a list; nothing of anything else."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def text_of(value: Any) -> str:
    """A string, or ""."""
    return scrub(value) if isinstance(value, str) else ""
