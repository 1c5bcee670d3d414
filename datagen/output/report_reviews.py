"""What people decided about a run's samples, for its report."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from datagen.core.record import Message, Sample
from datagen.core.reviewed import Review, ReviewedSample
from datagen.output.pick import Least
from datagen.output.shown import ANSWER, EVIDENCE, QUESTION
from datagen.output.text import clip

EDITS, OVERTURNED = 8, 5
"""Samples shown that people changed, and of each kind of decision against the run's."""
PEOPLE = 50
"""Reviewers who are named, the busiest first."""


class Reviews:
    """Feed it with the samples after the last stage, then :meth:`finish`."""

    def __init__(self) -> None:
        self._decisions: Counter[str] = Counter()
        self._people: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._together = self._apart = 0
        self._table: Counter[tuple[bool, bool]] = Counter()
        self._scores: defaultdict[bool, list[float]] = defaultdict(lambda: [0, 0.0])
        self._edits: Least[dict[str, Any]] = Least(EDITS)
        self._restored: Least[dict[str, Any]] = Least(OVERTURNED)
        self._refused: Least[dict[str, Any]] = Least(OVERTURNED)
        self._was: Counter[str] = Counter()

    def sample(self, sample: Sample) -> None:
        """A sample; one that nobody decided about is passed over."""
        if not isinstance(sample, ReviewedSample):
            return
        review = sample.review
        self._decisions[review.decision] += 1
        for name in review.reviewed_by:
            self._people[name][review.decision] += 1
        self._together += len(review.reviewed_by) > 1
        self._apart += bool(review.rejected and review.accepted + review.edited)
        kept, keeps = review.verdict is None, review.decision != "rejected"
        self._table[kept, keeps] += 1
        if sample.score is not None:
            held = self._scores[keeps]
            held[0] += 1
            held[1] += sample.score
        if review.original or review.original_rejected is not None:
            self._edits.offer(sample.id, lambda: _edit(sample, review))
        if keeps and not kept:
            self._was[review.verdict.reason if review.verdict else ""] += 1
            self._restored.offer((-(sample.score or 0), sample.id), lambda: _overturned(sample, review))
        elif kept and not keeps:
            self._refused.offer((-(sample.score or 0), sample.id), lambda: _overturned(sample, review))

    def finish(self) -> dict[str, Any] | None:
        """The section as plain values; None where nobody decided about anything.

        Returns:
            ``decided`` and, of these, ``accepted``, ``rejected``, ``edited``; ``people``: ``[{"name", "decided"}]``,
            and ``more_people``; ``several``: samples that more than one person decided about, ``conflict``: where
            some wanted to keep it and others not; ``agreement``: ``kept_kept``, ``kept_rejected``,
            ``rejected_kept``, ``rejected_rejected`` (the run's verdict, then people's), their ``share`` of equal ones
            and ``kappa``; ``scores``: the judge's mean of what people ``kept`` and of what they ``rejected``;
            ``restored``: reasons of what the run had rejected and people kept; ``edits``, ``kept_after_all`` and
            ``rejected_after_all``: examples.
        """
        decided = self._decisions.total()
        if not decided:
            return None
        cells = {(a, b): self._table[a, b] for a in (True, False) for b in (True, False)}
        names = sorted(self._people, key=lambda name: (-self._people[name].total(), name))
        return {
            "decided": decided,
            **{name: self._decisions[name] for name in ("accepted", "rejected", "edited")},
            "people": [{"name": name, "decided": self._people[name].total()} for name in names[:PEOPLE]],
            "more_people": max(0, len(names) - PEOPLE),
            "several": self._together,
            "conflict": self._apart,
            "agreement": {
                "kept_kept": cells[True, True],
                "kept_rejected": cells[True, False],
                "rejected_kept": cells[False, True],
                "rejected_rejected": cells[False, False],
                "share": round((cells[True, True] + cells[False, False]) / decided, 4),
                "kappa": self._kappa(),
            },
            "scores": {
                "kept" if keeps else "rejected": round(total / count, 4)
                for keeps, (count, total) in sorted(self._scores.items(), reverse=True)
            },
            "restored": dict(sorted(self._was.items(), key=lambda item: (-item[1], item[0]))),
            "edits": list(self._edits),
            "kept_after_all": list(self._restored),
            "rejected_after_all": list(self._refused),
        }

    def _kappa(self) -> float | None:
        """Cohen's kappa of two yes-or-no raters (1960, "A coefficient of agreement for nominal scales"); None where
        chance alone gives full agreement."""
        n = self._table.total()
        kept = sum(count for (kept, _), count in self._table.items() if kept) / n
        keeps = sum(count for (_, keeps), count in self._table.items() if keeps) / n
        chance = kept * keeps + (1 - kept) * (1 - keeps)
        seen = (self._table[True, True] + self._table[False, False]) / n
        return None if chance >= 1 else round((seen - chance) / (1 - chance), 4)


def _edit(sample: ReviewedSample, review: Review) -> dict[str, Any]:
    """What was changed, text beside text; what was left alone is not shown."""
    changes = [
        {"what": now.role, "before": _clip(was), "after": _clip(now)}
        for was, now in zip(review.original, sample.messages, strict=False)
        if was.content != now.content
    ]
    if review.original_rejected is not None and sample.rejected is not None:
        before, after = review.original_rejected.content, sample.rejected.content
        changes.append({"what": "dispreferred", "before": clip(before, ANSWER), "after": clip(after, ANSWER)})
    return {**_about(sample, review), "changes": changes}


def _overturned(sample: ReviewedSample, review: Review) -> dict[str, Any]:
    question = next((m.content for m in reversed(sample.messages) if m.role == "user"), "")
    return {
        **_about(sample, review),
        "question": clip(question, QUESTION // 2),
        "answer": clip(sample.messages[-1].content if sample.messages else "", ANSWER // 4),
        "verdict": review.verdict.reason if review.verdict else "",
        "evidence": clip(review.verdict.evidence, EVIDENCE) if review.verdict else "",
    }


def _about(sample: ReviewedSample, review: Review) -> dict[str, Any]:
    return {
        "id": sample.id,
        "path": sample.lineage.path,
        "heading": list(sample.lineage.heading),
        "page": sample.lineage.page,
        "score": sample.score,
        "by": list(review.reviewed_by[:PEOPLE]),
        "note": clip(review.note, EVIDENCE),
    }


def _clip(message: Message) -> str:
    return clip(message.content, ANSWER if message.role == "assistant" else QUESTION)
