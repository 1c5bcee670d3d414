"""What a row of some format says about two replies to one prompt."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from training.rows_formats import BadRow, Messages, alpaca_prompt, check, said, text, turns

Found = tuple[Messages, str, str]
"""Prompt, the better reply, the worse one."""
SHAPES = (
    "A pair needs chosen and rejected, with a prompt before them or inside both, or prompt, completion and label, or "
    "prompt and responses."
)


@dataclass
class Unpaired:
    """Replies that wait for a counterpart to the same prompt.

    Attributes:
        waiting: by the prompt's hash and whether they are liked; memory grows with what has no counterpart.
        equal: rows of ranked replies of which none is better than another.
    """

    waiting: dict[tuple[bytes, bool], list[str]] = field(default_factory=dict)
    equal: int = 0

    @property
    def left(self) -> int:
        """How many still wait."""
        return sum(map(len, self.waiting.values()))

    def meet(self, prompt: Messages, reply: str, liked: bool) -> str | None:
        """The first reply to the same prompt of the other kind, taken out; else ``reply`` waits and None."""
        key = hashlib.blake2b(json.dumps(prompt).encode(), digest_size=16).digest()
        others = self.waiting.get((key, not liked))
        if others:
            found = others.pop(0)
            if not others:
                del self.waiting[key, not liked]
            return found
        self.waiting.setdefault((key, liked), []).append(reply)
        return None


def pair(row: Mapping[str, Any], unpaired: Unpaired) -> Found | None:
    """The pair that a row is or completes; None where it must wait for one or has none.

    Formats: TRL's preference rows, conversational and plain, with explicit and implicit prompt; Alpaca's prompt
    with ``chosen`` and ``rejected``; TRL's unpaired rows (``completion``, ``label``); ranked ``responses`` with
    ``scores``. Raises :class:`~training.rows_formats.BadRow`.
    """
    if "chosen" in row and "rejected" in row:
        found = _preference(row)
    elif "completion" in row and "label" in row:
        return _liked(row, unpaired)
    elif "responses" in row and "prompt" in row:
        return _ranked(row, unpaired)
    else:
        raise BadRow("it is of no known format", SHAPES)
    _check(*found)
    return found


def is_pair(row: Mapping[str, Any]) -> bool:
    """Does a row hold replies to compare, whether or not it is in order?"""
    return "chosen" in row or "rejected" in row or "responses" in row or ("completion" in row and "label" in row)


def _preference(row: Mapping[str, Any]) -> Found:
    chosen, rejected = _replies(row["chosen"], "chosen"), _replies(row["rejected"], "rejected")
    implicit = len(chosen) > 1 or len(rejected) > 1
    if implicit:
        # Some publish a prompt as text beside replies that repeat it as their first turns: the turns hold more.
        if chosen[:-1] != rejected[:-1]:
            raise BadRow("chosen and rejected answer different prompts", "Both must begin with the same turns.")
        prompt = chosen[:-1]
        before = row.get("prompt")
        if isinstance(before, (list, tuple)) and before:
            before = turns(before, "prompt")
            prompt = prompt if prompt[: len(before)] == before else before + prompt
    elif row.get("prompt") is not None:
        prompt = said(row["prompt"], "user", "prompt")
    elif "instruction" in row:
        prompt = alpaca_prompt(row)
    elif row.get("conversations") is not None:
        prompt = turns(row["conversations"], "conversations")
    else:
        raise BadRow("it has no prompt", SHAPES)
    return prompt, _reply(chosen, "chosen"), _reply(rejected, "rejected")


def _replies(value: Any, name: str) -> Messages:
    return turns([value], name) if isinstance(value, Mapping) else said(value, "assistant", name)


def _reply(messages: Messages, name: str) -> str:
    if messages[-1]["role"] != "assistant":
        raise BadRow(f"{name} ends with a turn of the {messages[-1]['role']}", "A reply is by the assistant.")
    return messages[-1]["content"]


def _check(prompt: Messages, *replies: str) -> None:
    check(prompt, last="user")
    if not all(reply.strip() for reply in replies):
        raise BadRow("a reply is empty", "Both replies must say something.")


def _liked(row: Mapping[str, Any], unpaired: Unpaired) -> Found | None:
    if not isinstance(row["label"], bool):
        raise BadRow("label is neither true nor false", "label says whether the reply is liked.")
    if "prompt" not in row:
        raise BadRow("it has no prompt", SHAPES)
    prompt = said(row["prompt"], "user", "prompt")
    completion = _replies(row["completion"], "completion")
    prompt, reply = prompt + completion[:-1], _reply(completion, "completion")
    _check(prompt, reply)
    other = unpaired.meet(prompt, reply, row["label"])
    if other is None:
        return None
    return (prompt, reply, other) if row["label"] else (prompt, other, reply)


def _ranked(row: Mapping[str, Any], unpaired: Unpaired) -> Found | None:
    prompt, responses, scores = said(row["prompt"], "user", "prompt"), row["responses"], row.get("scores")
    if not isinstance(responses, (list, tuple)) or len(responses) < 2:
        raise BadRow("responses is no list of two texts or more", SHAPES)
    replies = [text(reply, f"responses[{i}]") for i, reply in enumerate(responses)]
    _check(prompt, *replies)
    if scores is None or not isinstance(scores, (list, tuple)) or any(score is None for score in scores):
        return prompt, replies[0], replies[-1]  # best first, as the export writes them
    if len(scores) != len(replies) or not all(_number(score) for score in scores):
        raise BadRow("scores is no list of numbers, one a reply", SHAPES)
    best, worst = max(scores), min(scores)
    if best == worst:
        unpaired.equal += 1
        return None
    return prompt, replies[scores.index(best)], replies[len(scores) - 1 - list(reversed(scores)).index(worst)]


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
