"""OASST: message trees as Open Assistant exports them (``ExportMessageTree`` and ``ExportMessageNode`` there)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from datagen.core.record import Candidate, Message, Sample
from datagen.output.formats_base import (
    ORIGIN,
    CannotHold,
    Format,
    Parts,
    Row,
    assistant_last,
    no_tools,
    number_of,
    origin,
    string,
    text_of,
)

_ROLES = {"user": "prompter", "assistant": "assistant"}
_FROM = {"prompter": "user", "assistant": "assistant"}
MOST_TURNS = 200
"""Messages on one path; a deeper tree is no conversation."""


def _to_tree(sample: Sample) -> list[Row]:
    no_tools(sample)
    if not sample.messages or any(m.role not in _ROLES for m in sample.messages):
        raise CannotHold("a system message")
    if any(a.role == b.role for a, b in zip(sample.messages, sample.messages[1:], strict=False)):
        raise CannotHold("turns that are not user and assistant in alternation")
    if sample.messages[0].role != "user":
        raise CannotHold("a conversation that the user does not begin")
    if len(sample.messages) > MOST_TURNS:
        raise CannotHold(f"more than {MOST_TURNS} turns")
    last = len(sample.messages) - 1
    replies: list[Row] = []
    for number in range(last, -1, -1):
        said = sample.messages[number]
        texts = [said.content]
        if number == last and said.role == "assistant":
            texts += [c.content for c in sample.ranked if c.content != said.content]
        nodes: list[Row] = []
        for rank, text in enumerate(texts):
            node: Row = {
                "message_id": f"{sample.id}-{number}" + (f"-{rank}" if rank else ""),
                "parent_id": f"{sample.id}-{number - 1}" if number else None,
                "text": text,
                "role": _ROLES[said.role],
                "rank": rank if len(texts) > 1 else None,
                "replies": replies if rank == 0 else [],
            }
            nodes.append(node)
        replies = nodes
    tree: Row = {"message_tree_id": replies[0]["message_id"], "tree_state": "ready_for_export", "prompt": replies[0]}
    return [{"id": sample.id} | tree | origin(sample)]


def _from_tree(rows: Sequence[Mapping[str, Any]]) -> Parts:
    """The best path: at each turn the reply of the lowest rank, the first one where none is ranked."""
    node: Mapping[str, Any] = rows[0]["prompt"]
    messages: list[Message] = []
    last: list[Mapping[str, Any]] = []
    while True:
        messages.append(Message.model_validate({"role": _FROM[node["role"]], "content": text_of(node, "text")}))
        if len(messages) > MOST_TURNS:
            raise ValueError(f"a path of more than {MOST_TURNS} messages")
        replies = [r for r in node.get("replies") or () if not r.get("deleted")]
        if not replies:
            break
        last = sorted(replies, key=_rank)  # stable
        node = last[0]
    if messages[-1].role == "user" and len(messages) > 1:  # a question that nobody has answered yet
        messages.pop()
        last = []
    ranked = [r for r in last if r.get("rank") is not None]
    candidates = tuple(Candidate(content=text_of(r, "text")) for r in ranked) if len(ranked) > 1 else ()
    return Parts(assistant_last(tuple(messages)), ranked=candidates)


def _rank(node: Mapping[str, Any]) -> float:
    rank = node.get("rank")
    return float("inf") if rank is None else number_of(rank)


def _features(tools: bool) -> list[Row]:
    # A node holds nodes: no struct has such a type, so it is JSON.
    tree = [string("id"), string("message_tree_id"), string("tree_state"), string("prompt", "json")]
    return [*tree, *ORIGIN]


OASST = Format(
    "oasst",
    "sft",
    "jsonl",
    _to_tree,
    _from_tree,
    _features,
    "OASST message trees: `prompt` is a message with `text`, `role` (`prompter`, `assistant`) and `replies`, each a "
    "message again; `rank` (0 is best) where there are several replies.",
)
