"""k-shot examples: the shipped ones, or a user's JSONL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from datagen.core.errors import UsageError

MAX_BYTES = 10_000_000


class Example(BaseModel):
    """One example: a passage and the reply wanted for it, as JSON text."""

    model_config = ConfigDict(frozen=True)
    passage: str
    reply: str


def read(path: Path) -> list[Example]:
    """Read examples, one JSON object a line.

    Three forms: ``{"passage", "pairs": [{"question", "answer", "evidence"}]}``; a single
    ``{"passage", "question", "answer"[, "evidence"]}``; and OpenAI ``{"messages": […]}``, whose
    first user and assistant turn become question and answer. Without a passage the answer stands
    for it.

    Raises:
        UsageError: unreadable file, or a line of none of these forms (its number is named).
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"Could not read the examples {path.name}.",
            f"{error.strerror if isinstance(error, OSError) else 'The file is not UTF-8'}.",
            "Name a JSONL file with --set generator.examples=FILE.",
        ) from error
    if len(data) > MAX_BYTES:
        raise UsageError(f"The examples {path.name} are too large.", "Over 10 MB.", "Give the best few dozen.")
    examples: list[Example] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            examples.append(_example(json.loads(line)))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise UsageError(
                f"Line {number} of {path.name} is no example.",
                f"{type(error).__name__}: {error}.",
                'Each line needs "passage", "question" and "answer", or "messages".',
            ) from error
    if not examples:
        raise UsageError(
            f"{path.name} holds no example.", "Every line is blank.", "Add lines, or leave the option out."
        )
    return examples


def _example(row: Any) -> Example:
    if not isinstance(row, dict):
        raise TypeError("not a JSON object")
    pairs = row.get("pairs")
    if pairs is None:
        if "messages" in row:
            turns = {m["role"]: m["content"] for m in reversed(row["messages"])}
            row = {**row, "question": turns["user"], "answer": turns["assistant"]}
        pairs = [{"question": row["question"], "answer": row["answer"], "evidence": row.get("evidence")}]
    clean: list[dict[str, Any]] = []
    for pair in pairs:
        question, answer = pair["question"], pair["answer"]
        if not isinstance(question, str) or not isinstance(answer, str):
            raise TypeError("question and answer must be text")
        evidence = pair.get("evidence") or [answer]
        quotes = [evidence] if isinstance(evidence, str) else list(evidence)
        if not all(isinstance(quote, str) for quote in quotes):
            raise TypeError("evidence must be text, or a list of texts")
        clean.append({"question": question, "answer": answer, "evidence": quotes})
    passage = row.get("passage") or row.get("context") or "\n\n".join(p["answer"] for p in clean)
    if not isinstance(passage, str):
        raise TypeError("passage must be text")
    return Example(passage=passage, reply=json.dumps({"pairs": clean}, ensure_ascii=False))
