"""Formats of replies to compare: TRL's preference and unpaired preference rows, and ranked responses.

Source: TRL, "Dataset formats and types" (explicit prompt; conversational and standard).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from datagen.core.record import Candidate, Message, Sample
from datagen.output.formats_base import (
    CannotHold,
    Format,
    Messages,
    Parts,
    Row,
    assistant_last,
    chat,
    messages_of,
    no_tools,
    number_of,
    replies_of,
    string,
    text_of,
    turns,
)


def _pair(sample: Sample) -> str:
    if sample.rejected is None:
        raise CannotHold("no rejected reply")
    _reply_last(sample)
    return sample.rejected.content


def _reply_last(sample: Sample) -> None:
    no_tools(sample)
    if len(sample.messages) < 2 or sample.messages[-1].role != "assistant":
        raise CannotHold("no reply at its end")


def _reply(text: str) -> list[Row]:
    return [{"role": "assistant", "content": text}]


def _flaw(sample: Sample) -> str:
    return sample.rejected.flaw if sample.rejected else ""


def _to_dpo(sample: Sample) -> list[Row]:
    rejected = _pair(sample)
    row: Row = {
        "id": sample.id,
        "prompt": chat(sample.messages[:-1]),
        "chosen": chat(sample.messages[-1:]),
        "rejected": _reply(rejected),
        "flaw": _flaw(sample),
    }
    return [row]


def _from_dpo(rows: Sequence[Mapping[str, Any]]) -> Parts:
    """Also rows whose prompt is implicit (the turns that both replies begin with) or a plain text beside them."""
    row = rows[0]
    chosen, rejected = messages_of(row["chosen"]), messages_of(row["rejected"])
    prompt: Messages = ()
    if isinstance(row.get("prompt"), list):
        prompt = messages_of(row["prompt"])
    elif chosen[0].role == "assistant":
        prompt = (Message(role="user", content=text_of(row, "prompt")),)
    if not prompt and chosen[:-1] != rejected[:-1]:
        raise ValueError("chosen and rejected answer different prompts")
    if rejected[-1].role != "assistant" or (prompt and len(rejected) != 1):
        raise ValueError("rejected must be one reply of the assistant")
    messages = assistant_last((*prompt, *chosen))
    return Parts(messages, rejected=rejected[-1].content, flaw=text_of(row, "flaw", ""))


def _dpo_features(tools: bool) -> list[Row]:
    return [string("id"), *(turns(n, "role", "content") for n in ("prompt", "chosen", "rejected")), string("flaw")]


def _to_plain(sample: Sample) -> list[Row]:
    rejected = _pair(sample)
    if [m.role for m in sample.messages] != ["user", "assistant"]:
        raise CannotHold("a system message or earlier turns")
    prompt, chosen = (m.content for m in sample.messages)
    return [{"id": sample.id, "prompt": prompt, "chosen": chosen, "rejected": rejected, "flaw": _flaw(sample)}]


def _from_plain(rows: Sequence[Mapping[str, Any]]) -> Parts:
    row = rows[0]
    said = (("user", text_of(row, "prompt")), ("assistant", text_of(row, "chosen")))
    messages = tuple(Message.model_validate({"role": role, "content": text}) for role, text in said)
    return Parts(messages, rejected=text_of(row, "rejected"), flaw=text_of(row, "flaw", ""))


def _plain_features(tools: bool) -> list[Row]:
    return [string(name) for name in ("id", "prompt", "chosen", "rejected", "flaw")]


def _to_kto(sample: Sample) -> list[Row]:
    rejected = _pair(sample)
    prompt = chat(sample.messages[:-1])
    replies = ((chat(sample.messages[-1:]), True, ""), (_reply(rejected), False, _flaw(sample)))
    return [
        {"id": sample.id, "prompt": prompt, "completion": completion, "label": label, "flaw": flaw}
        for completion, label, flaw in replies
    ]


def _from_kto(rows: Sequence[Mapping[str, Any]]) -> Parts:
    """One row that is liked, or such a row and one that is not, of the same prompt, in either order."""
    for row in rows:
        if not isinstance(row["label"], bool):
            raise TypeError("label must be true or false")
    liked = [row for row in rows if row["label"]]
    bad = [row for row in rows if not row["label"]]
    if len(liked) != 1 or len(bad) > 1:
        raise ValueError("a reply that is not liked, and none to the same prompt that is")
    messages = assistant_last((*_said(liked[0]["prompt"], "user"), *_said(liked[0]["completion"], "assistant")))
    if not bad:
        return Parts(messages)
    rejected = _said(bad[0]["completion"], "assistant")
    return Parts(messages, rejected=rejected[-1].content, flaw=text_of(bad[0], "flaw", ""))


def _said(value: Any, role: str) -> Messages:
    """Messages, or a plain text as one message of ``role``."""
    if isinstance(value, str):
        return (Message.model_validate({"role": role, "content": value}),)
    return messages_of(value)


def _kto_features(tools: bool) -> list[Row]:
    both = [turns(name, "role", "content") for name in ("prompt", "completion")]
    return [string("id"), *both, string("label", "bool"), string("flaw")]


def _to_ranked(sample: Sample) -> list[Row]:
    _reply_last(sample)
    candidates = replies_of(sample)
    if len(candidates) < 2:
        raise CannotHold("only one reply")
    row: Row = {
        "id": sample.id,
        "prompt": chat(sample.messages[:-1]),
        "responses": [c.content for c in candidates],
        "scores": [c.score for c in candidates],
    }
    return [row]


def _from_ranked(rows: Sequence[Mapping[str, Any]]) -> Parts:
    row = rows[0]
    responses = row["responses"]
    scores = row.get("scores") or [None] * len(responses)
    found = [
        Candidate(content=text, score=None if score is None else number_of(score))
        for text, score in zip(responses, scores, strict=True)
    ]
    if all(c.score is not None for c in found):
        found.sort(key=lambda c: -(c.score or 0.0))  # stable; else their order is the ranking
    messages = (*_said(row["prompt"], "user"), Message(role="assistant", content=found[0].content))
    return Parts(messages, ranked=tuple(found) if len(found) > 1 else ())


def _ranked_features(tools: bool) -> list[Row]:
    prompt = turns("prompt", "role", "content")
    return [string("id"), prompt, {"name": "responses", "list": "string"}, {"name": "scores", "list": "float64"}]


DPO = Format(
    "dpo",
    "preference",
    "jsonl",
    _to_dpo,
    _from_dpo,
    _dpo_features,
    "Preference rows are TRL's conversational form with an explicit prompt: `prompt`, `chosen` and `rejected` are "
    "lists of messages, and `flaw` names what is wrong with the rejected reply.",
)
DPO_PLAIN = Format(
    "dpo-plain",
    "preference",
    "jsonl",
    _to_plain,
    _from_plain,
    _plain_features,
    "Preference rows are TRL's standard form with an explicit prompt: `prompt`, `chosen` and `rejected` are texts, "
    "and `flaw` names what is wrong with the rejected reply.",
)
KTO = Format(
    "kto",
    "preference",
    "jsonl",
    _to_kto,
    _from_kto,
    _kto_features,
    "Preference rows are TRL's unpaired form, two rows a pair: `prompt` and `completion` are lists of messages, "
    "`label` is true for the preferred reply, and `flaw` names what is wrong with the other one.",
    rows_a_sample=2,
)
RANKED = Format(
    "ranked",
    "preference",
    "jsonl",
    _to_ranked,
    _from_ranked,
    _ranked_features,
    "Preference rows hold ranked replies: `prompt` is a list of messages, `responses` are texts, best first, and "
    "`scores` are theirs from 1 to 5, null where there is none.",
)
