"""A sample as the page's browser shows it, whole: texts, judgements, claims and where it comes from.

Spans count UTF-16 code units, as JavaScript does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from datagen.core.record import Claim, Judged, Quote, Sample
from datagen.core.reviewed import Review, ReviewedSample
from datagen.core.text import scrub
from datagen.output.shown import ANSWER, EVIDENCE, QUESTION, find_quotes, literal
from datagen.output.text import clip

PASSAGE = 6_000
"""Characters of a source passage at most; a longer one is cut around the first quote."""
_AROUND = 1_000  # characters shown before the first quote of a passage that is cut
_TURNS, _CLAIMS, _JUDGES, _QUOTES = 12, 30, 8, 60

Spans = list[tuple[int, int]]


def units(text: str, spans: Sequence[tuple[int, int]]) -> Spans:
    """Spans in code points as spans in UTF-16 code units."""
    if not spans or text.isascii() or max(text) < "\U00010000":
        return list(spans)

    def unit(at: int) -> int:
        return at + sum(c > "\uffff" for c in text[:at])

    return [(unit(a), unit(b)) for a, b in spans]


def body(record: Sample) -> tuple[dict[str, Any], list[Any]]:
    """What is shown of a sample, and the passage it rests on.

    Returns:
        The sample as plain values, without what is empty; and ``[text, spans of code and tables]``. The sample's
        ``source`` holds the spans of its quotes in that text, and the numbers of characters left out on both sides.
    """
    text, quotes, before, after = _cut(record.source, record.lineage.quotes, record.lineage.start)
    turns = record.messages[:_TURNS]
    whole = {
        "id": record.id,
        "turns": [_turn(m.role, clip(m.content, ANSWER if m.role == "assistant" else QUESTION)) for m in turns],
        "more_turns": len(record.messages) - len(turns),
        "source": [units(text, quotes), before, after],
        "verdict": [record.verdict.stage, record.verdict.reason, clip(record.verdict.evidence, 2 * EVIDENCE)]
        if record.verdict
        else None,
        "score": record.score,
        "scores": dict(sorted(record.scores.items())),
        "scored_by": record.scored_by,
        "why": clip(record.justification, 2 * EVIDENCE),
        "rubric": record.rubric,
        "spread": record.spread,
        "judges": [_judge(j) for j in record.judgements[:_JUDGES]] if _worth(record) else [],
        "claims": [_claim(c) for c in record.claims[:_CLAIMS]],
        "faithfulness": record.faithfulness,
        "rejected": [clip(record.rejected.content, ANSWER), record.rejected.flaw, record.rejected.score]
        if record.rejected
        else None,
        "family": record.family,
        "attributes": {name: clip(value, 200) for name, value in sorted(record.attributes.items())},
        "parent": record.parent,
        "found": [[a.kind, a.action, a.count] for a in record.audits[:_QUOTES]],
        "review": _review(record.review) if isinstance(record, ReviewedSample) else None,
        "from": _lineage(record),
    }
    return {name: value for name, value in whole.items() if value not in (None, "", 0, [], {})}, [
        text,
        units(text, literal(text)),
    ]


def _review(review: Review) -> list[Any]:
    """The decision, who made it, the note, and the texts before an edit as ``[role, text]``."""
    before = [[m.role, clip(m.content, ANSWER)] for m in review.original[:_TURNS]]
    if review.original_rejected is not None:
        before.append(["dispreferred reply", clip(review.original_rejected.content, ANSWER)])
    return [review.decision, list(review.reviewed_by[:_JUDGES]), clip(review.note, EVIDENCE), before]


def _turn(role: str, text: str) -> list[Any]:
    spans = units(text, literal(text))
    return [role, text, spans] if spans else [role, text]


def _cut(source: str, quotes: Sequence[Quote], offset: int) -> tuple[str, Spans, int, int]:
    marked = find_quotes(source, quotes[:_QUOTES], offset)
    if len(source) <= PASSAGE:
        return source, marked, 0, 0
    begin = max(0, min((marked[0][0] if marked else 0) - _AROUND, len(source) - PASSAGE))
    end = begin + PASSAGE
    inside = [(max(a, begin) - begin, min(b, end) - begin) for a, b in marked if a < end and b > begin]
    return source[begin:end], inside, begin, len(source) - end


def _worth(record: Sample) -> bool:
    """Do the judgements say more than the sample's own scores and justification?"""
    one = record.judgements[:1]
    return len(record.judgements) > 1 or any(j.reasons or j.variance or j.mode != "integer" for j in one)


def _judge(one: Judged) -> dict[str, Any]:
    held = {
        "model": one.model,
        "mode": one.mode,
        "score": round(one.score, 3),
        "scores": {name: round(value, 3) for name, value in sorted(one.scores.items())},
        "why": clip(one.justification, EVIDENCE),
        "reasons": {name: clip(text, EVIDENCE) for name, text in sorted(one.reasons.items())},
        "variance": {name: round(value, 3) for name, value in sorted(one.variance.items())},
    }
    return {name: value for name, value in held.items() if value not in ("", {})}


def _claim(claim: Claim) -> list[Any]:
    return [clip(claim.text, EVIDENCE), claim.supported, clip(claim.quote, EVIDENCE), claim.start >= 0]


def _lineage(record: Sample) -> dict[str, Any]:
    made = record.lineage
    held = {
        "sha256": made.sha256,
        "chunk": made.chunk,
        "span": [made.start, made.end],
        "heading": list(made.heading),
        "page": made.page,
        "prompt": made.prompt,
        "prompt_sha256": made.prompt_sha256,
        "model": made.model,
        "params": {name: clip(scrub(str(value)), 200) for name, value in sorted(made.params.items())},
        "call": made.call,
        "index": made.index,
        "earlier": list(made.earlier[:_TURNS]),
        "related": [[path, start, end] for path, _, start, end in made.related[:_TURNS]],
    }
    return {name: value for name, value in held.items() if value not in (None, "", 0, [], {})}
