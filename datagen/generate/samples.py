"""Making a sample from a chunk, the same way in every recipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from datagen.core.hashing import digest
from datagen.core.record import Chunk, Lineage, Message, Quote, Sample, Verdict

NO_MODEL = "none (extractive rules)"


def question_answer(
    chunk: Chunk,
    recipe: str,
    question: str,
    answer: str,
    quotes: Sequence[Quote],
    *,
    model: str = NO_MODEL,
    prompt: str = "",
    prompt_sha256: str = "",
    params: dict[str, Any] | None = None,
    call: str = "",
    index: int = 0,
    verdict: Verdict | None = None,
) -> Sample:
    """Make a single-turn sample whose id is the hash of its content and lineage.

    ``quotes`` carry spans of the *document* (add ``chunk.start`` to a position in ``chunk.text``).
    """
    lineage = Lineage(
        path=chunk.path,
        sha256=chunk.sha256,
        chunk=chunk.id,
        start=chunk.start,
        end=chunk.end,
        heading=chunk.heading,
        page=chunk.page,
        quotes=tuple(quotes),
        prompt=prompt,
        prompt_sha256=prompt_sha256,
        model=model,
        params=params or {},
        call=call,
        index=index,
    )
    messages = (Message(role="user", content=question), Message(role="assistant", content=answer))
    return Sample(
        id=digest([recipe, question, answer, lineage.model_dump(mode="json")]),
        recipe=recipe,
        split=chunk.split,
        messages=messages,
        source=chunk.text,
        lineage=lineage,
        verdict=verdict,
    )
