"""OASST: message trees as Open Assistant exports them (``ExportMessageTree`` and ``ExportMessageNode`` there).

Samples that begin with the same message are one tree. Where replies were compared they are ranked, 0 is best.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from datagen.core.hashing import digest
from datagen.core.record import Candidate, Message, Sample
from datagen.core.text import scrub
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
    replies_of,
    string,
    text_of,
)

_ROLES = ("prompter", "assistant")
_FROM = {"prompter": "user", "assistant": "assistant"}
MOST_TURNS = 200
"""Messages on one path; a deeper tree is no conversation."""
MOST_THREADS = 1_000
"""Conversations that are read from one tree."""


def thread(sample: Sample) -> Row:
    """What a tree needs of a sample, as a JSON value: its texts in turn, and the other replies to the last prompt.

    Raises:
        CannotHold: tools, a system message, or turns that are not user and assistant in alternation.
    """
    no_tools(sample)
    messages = sample.messages
    if not messages or any(m.role == "system" for m in messages):
        raise CannotHold("a system message")
    if messages[0].role != "user":
        raise CannotHold("a conversation that the user does not begin")
    if any(m.role != ("user", "assistant")[i % 2] for i, m in enumerate(messages)) or len(messages) % 2:
        raise CannotHold("turns that are not user and assistant in alternation")
    if len(messages) > MOST_TURNS:
        raise CannotHold(f"more than {MOST_TURNS} turns")
    own, bad = scrub(messages[-1].content), sample.rejected
    others = [
        [place, scrub(c.content), c.score, bad.flaw if bad is not None and c.content == bad.content else None]
        for place, c in enumerate(replies_of(sample))
        if scrub(c.content) != own
    ]
    return {
        "id": sample.id,
        "said": [scrub(m.content) for m in messages],  # texts that are alike in the file are alike here
        "score": sample.score,
        "others": others,
        "origin": origin(sample),
    }


@dataclass
class _Node:
    """A message of a tree. ``kept``: some sample's conversation goes through it."""

    text: str
    kept: bool = False
    score: float | None = None
    flaw: str | None = None
    place: int = 0
    samples: list[str] = field(default_factory=list)
    replies: dict[str, _Node] = field(default_factory=dict)

    def reply(self, text: str) -> _Node:
        """The reply with that text, made where missing."""
        return self.replies.setdefault(text, _Node(text))


def tree_of(threads: Sequence[Mapping[str, Any]]) -> Row:
    """The tree of conversations that begin with the same message.

    Replies to one message are ranked where a rejected reply or another candidate is among them: by score where
    all have one, else kept ones first. A reply that ends a sample names it (``samples``); one on the way of a
    sample is ``kept``; ``flaw`` is there on rejected ones. Open Assistant's own readers pass over these fields.
    """
    root = _Node(threads[0]["said"][0], kept=True)
    for one in threads:
        before = node = root
        for text in one["said"][1:]:
            before, node = node, node.reply(text)
            node.kept = True
            node.place = 0
        node.samples.append(one["id"])
        node.score = one["score"] if node.score is None else node.score
        for place, text, score, flaw in one["others"]:
            fresh = text not in before.replies
            other = before.reply(text)
            if fresh:
                other.place, other.score, other.flaw = place, score, flaw
    key = digest(["oasst", root.text])
    made: Row = threads[0]["origin"]
    return {
        "id": threads[0]["id"],
        "message_tree_id": key,
        "tree_state": "ready_for_export",
        "prompt": _row(root, key, made["source"] != "gold"),
        **made,
    }


def _row(root: _Node, key: str, synthetic: bool) -> Row:
    """The nodes as rows, without recursion: conversations may be long."""
    top: Row = {}
    waiting: list[tuple[_Node, str, str | None, int | None, int, list[Row]]] = [(root, key, None, None, 0, [top])]
    first = True
    while waiting:
        node, name, parent, rank, depth, into = waiting.pop()
        row: Row = {
            "message_id": name,
            "parent_id": parent,
            "text": node.text,
            "role": _ROLES[depth % 2],
            "rank": rank,
            "synthetic": synthetic,
            "replies": [],
        }
        if depth % 2:
            row["kept"] = node.kept
            row |= {"score": node.score} if node.score is not None else {}
            row |= {"samples": node.samples} if node.samples else {}
            row |= {"flaw": node.flaw or ""} if node.flaw is not None and not node.kept else {}
        if first:
            top.update(row)
            row, first = top, False
        else:
            into.append(row)
        ordered = _ordered(list(node.replies.values()))
        compared = len(ordered) > 1 and not all(reply.kept for reply in ordered)
        for place in range(len(ordered) - 1, -1, -1):  # the last in is the first out
            reply = ordered[place]
            below = digest([name, reply.text])
            waiting.append((reply, below, name, place if compared else None, depth + 1, row["replies"]))
    return top


def _ordered(replies: list[_Node]) -> list[_Node]:
    if all(reply.score is not None for reply in replies):
        return sorted(replies, key=lambda r: (-(r.score or 0.0), not r.kept, r.place))
    return sorted(replies, key=lambda r: (not r.kept, r.place))


def threads_of(row: Mapping[str, Any]) -> Iterator[Parts]:
    """The conversations of a tree. Of replies that are ranked the best one is followed, and every kept one; else all.

    Raises:
        ValueError: a tree too deep, too wide or without any reply; or one of the others of ``BAD_ROW``.
    """
    waiting: list[tuple[Mapping[str, Any], tuple[Message, ...], Parts | None]] = [(row["prompt"], (), None)]
    found = 0
    while waiting:
        node, before, others = waiting.pop()
        message = Message.model_validate({"role": _FROM[node["role"]], "content": text_of(node, "text")})
        path = (*before, message)
        if len(path) > MOST_TURNS:
            raise ValueError(f"a path of more than {MOST_TURNS} messages")
        replies = sorted(_live(node), key=_rank)  # stable
        below: list[tuple[Mapping[str, Any], tuple[Message, ...], Parts | None]]
        if message.role == "user":
            if not replies and not before:
                raise ValueError("there is no reply of an assistant")
            below = [(reply, path, _others(reply, replies)) for reply in _followed(replies)]
        else:
            below = [(reply, path, None) for reply in replies if _live(reply)]  # a question without answer adds nothing
            if not below or node.get("samples"):
                found += 1
                if found > MOST_THREADS:
                    raise ValueError(f"a tree of more than {MOST_THREADS} conversations")
                told = others or Parts(())
                yield Parts(assistant_last(path), (), told.rejected, told.flaw, told.ranked)
        waiting += reversed(below)


def _live(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [reply for reply in node.get("replies") or () if not reply.get("deleted")]


def _followed(replies: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    kept = [reply for reply in replies if reply.get("kept")]
    ranked = any(reply.get("rank") is not None for reply in replies)
    return kept or (replies[:1] if ranked else replies)


def _others(reply: Mapping[str, Any], replies: list[Mapping[str, Any]]) -> Parts:
    """What a reply was compared with, in the fields of a sample without messages."""
    rivals = [r for r in replies if r is not reply and r.get("rank") is not None and not r.get("kept")]
    bad = next((r for r in rivals if r.get("flaw") is not None), None)
    several = reply.get("rank") is not None and any(r.get("flaw") is None for r in rivals)
    ranked = [r for r in replies if r is reply or any(r is rival for rival in rivals)] if several else []
    candidates = tuple(
        Candidate(content=text_of(r, "text"), score=None if r.get("score") is None else number_of(r["score"]))
        for r in ranked
    )
    rejected = None if bad is None else text_of(bad, "text")
    return Parts((), rejected=rejected, flaw=text_of(bad, "flaw", "") if bad else "", ranked=candidates)


def _rank(node: Mapping[str, Any]) -> float:
    rank = node.get("rank")
    return float("inf") if rank is None else number_of(rank)


def _to_tree(sample: Sample) -> list[Row]:
    return [tree_of([thread(sample)])]


def _from_tree(rows: Sequence[Mapping[str, Any]]) -> Parts:
    return next(threads_of(rows[0]))


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
    "OASST message trees, one for each opening message: `prompt` is a message with `text`, `role` (`prompter`, "
    "`assistant`) and `replies`, each a message again. Where replies were compared, rejected ones among them, "
    "`rank` says how (0 is best); a reply that ends a sample names it in `samples`.",
    merged=True,
)
