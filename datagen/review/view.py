"""A sample as the page shows it: plain texts in pieces, so that no offset is ever counted in a browser's own units."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from datagen.core.record import Sample
from datagen.output.shown import find_quotes
from datagen.review.rule import settle
from datagen.review.store import COUNTING, Line

SHOWN = 60_000
"""Characters of a text on the page; the editor takes the whole."""
CLAIMS = 200


def is_hidden(sample: Sample, own: Line | None, criteria: Sequence[str]) -> bool:
    """Is the judge still kept back from somebody who works blind: neither decided nor scored every criterion?"""
    return own is None or not (
        own.state.decision in COUNTING or set(criteria_of(sample, criteria)) <= {name for name, _ in own.state.scores}
    )


def criteria_of(sample: Sample, criteria: Sequence[str]) -> list[str]:
    """What people score of a sample: what the judge scored, or what the run's judge scores anywhere."""
    return sorted(sample.scores) or list(criteria)


def view(
    sample: Sample,
    number: int,
    reviews: Mapping[str, Line],
    reviewer: str,
    *,
    blind: bool,
    criteria: Sequence[str] = (),
) -> dict[str, Any]:
    """Everything the page needs of a sample.

    Args:
        number: of the sample in the index.
        reviews: the current line of each reviewer.
        reviewer: who looks.
        criteria: what is scored where the sample has no scores.
        blind: keep the judge, the run's verdict and the other reviewers back until the reviewer has scored or decided.

    Returns:
        plain values; ``judge`` and ``others`` are None while they are kept back.
    """
    own = reviews.get(reviewer)
    hidden = blind and is_hidden(sample, own, criteria)
    made = sample.lineage
    return {
        "n": number,
        "id": sample.id,
        "recipe": sample.recipe,
        "split": sample.split,
        "family": sample.family,
        "document": made.path,
        "heading": list(made.heading),
        "page": made.page,
        "model": made.model,
        "criteria": criteria_of(sample, criteria),
        "messages": [
            {
                "role": m.role,
                **_clipped(m.content),
                "calls": json.dumps(list(m.tool_calls), ensure_ascii=False, indent=2) if m.tool_calls else "",
            }
            for m in sample.messages
        ],
        "rejected": None
        if sample.rejected is None
        else {**_clipped(sample.rejected.content), "flaw": "" if hidden else sample.rejected.flaw},
        "source": source(sample, with_claims=not hidden),
        "judge": None if hidden else _judge(sample),
        "mine": None if own is None else review(own),
        "others": None if hidden else _others(reviews, reviewer),
    }


def source(sample: Sample, *, with_claims: bool = True) -> list[dict[str, Any]]:
    """The passage in pieces: ``text``, ``quoted``, and ``claims``, the positions of the claims whose quote it is."""
    text = sample.source[:SHOWN]
    layers = [
        (start, end, -1) for start, end in find_quotes(sample.source, sample.lineage.quotes, sample.lineage.start)
    ]
    if with_claims:
        layers += [
            (c.start, c.start + len(c.quote), i)
            for i, c in enumerate(sample.claims[:CLAIMS])
            if c.start >= 0 and c.quote and sample.source[c.start : c.start + len(c.quote)] == c.quote
        ]
    if not text:
        return []
    borders = {0, len(text), *(at for start, end, _ in layers for at in (start, end) if 0 < at < len(text))}
    out = []
    for start, end in pairwise(sorted(borders)):
        over = [name for a, b, name in layers if a <= start and end <= b]
        out.append({"text": text[start:end], "quoted": -1 in over, "claims": [i for i in over if i >= 0]})
    if len(sample.source) > SHOWN:
        out.append({"text": f" … {len(sample.source) - SHOWN:,} more characters", "quoted": False, "claims": []})
    return out


def review(line: Line) -> dict[str, Any]:
    """One reviewer's state as plain values."""
    edit = line.state.edit
    return {
        "seq": line.seq,
        "reviewer": line.reviewer,
        "decision": line.state.decision,
        "scores": dict(line.state.scores),
        "note": line.state.note,
        "edit": None if edit is None else {"contents": list(edit.contents), "rejected": edit.rejected},
    }


def _others(reviews: Mapping[str, Line], reviewer: str) -> dict[str, Any]:
    settled = settle(reviews.values())
    return {
        "reviews": [
            review(line)
            for name, line in sorted(reviews.items())
            if name != reviewer and (line.state.decision or line.state.scores)
        ],
        "settled": settled.decision if settled else "",
        "conflict": bool(settled and settled.conflict),
    }


def _judge(sample: Sample) -> dict[str, Any]:
    return {
        "score": sample.score,
        "scores": sample.scores,
        "scored_by": sample.scored_by,
        "justification": sample.justification,
        "spread": sample.spread,
        "rubric": sample.rubric,
        "judgements": [
            j.model_dump(include={"model", "scores", "score", "justification", "reasons", "variance"})
            for j in sample.judgements
        ],
        "claims": [
            {"text": c.text, "supported": c.supported, "quote": c.quote, "found": c.start >= 0}
            for c in sample.claims[:CLAIMS]
        ],
        "faithfulness": sample.faithfulness,
        "verdict": None if sample.verdict is None else sample.verdict.model_dump(),
        "ranked": [{"text": c.content[:2_000], "score": c.score} for c in sample.ranked[:8]],
    }


def _clipped(text: str) -> dict[str, Any]:
    return {"text": text[:SHOWN], "more": max(0, len(text) - SHOWN)}
