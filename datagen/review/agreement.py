"""How far the reviewers agree with each other and with the run, from what they read one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from curation.agreement import quadratic_kappa
from datagen.review.queue import Columns
from datagen.review.store import COUNTING, Line

Reviews = Mapping[int, Mapping[str, Line]]
"""Number of a sample → reviewer → current line."""
BULK, IMPORT = "bulk:", "import:"
"""How the names of acts begin that were not a person reading one sample here."""


def agreement(reviews: Reviews, columns: Columns) -> dict[str, Any]:
    """Agreement on keeping and on scores.

    Returns:
        ``people``: ``[{"a", "b", "n", "share", "kappa"}]`` of each two reviewers; ``judge``: ``[{"reviewer", "n",
        "share", "kappa"}]`` of each reviewer with the run's verdict; ``scores``: ``[{"reviewer", "criterion", "n",
        "bias", "kappa"}]`` with the judge's scores, the bias being the person's mean less the judge's. Kappa is
        quadratic-weighted, which for yes and no is Cohen's own; None where it is undefined.
    """
    people: dict[tuple[str, str], list[tuple[float, float]]] = {}
    judge: dict[str, list[tuple[float, float]]] = {}
    scores: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for n, by in reviews.items():
        read = {name: line for name, line in by.items() if not line.act.startswith(BULK)}
        keeps = {name: int(x.state.decision != "rejected") for name, x in read.items() if x.state.decision in COUNTING}
        names = sorted(keeps)
        for i, a in enumerate(names):
            judge.setdefault(a, []).append((keeps[a], int(columns.kept[n])))
            for b in names[i + 1 :]:
                people.setdefault((a, b), []).append((keeps[a], keeps[b]))
        for name, line in read.items():
            for criterion, given in line.state.scores:
                column = columns.scores.get(criterion)
                if column is not None and column[n] == column[n]:
                    scores.setdefault((name, criterion), []).append((given, float(column[n])))
    return {
        "people": [{"a": a, "b": b, **_shared(pairs)} for (a, b), pairs in sorted(people.items())],
        "judge": [{"reviewer": name, **_shared(pairs)} for name, pairs in sorted(judge.items())],
        "scores": [
            {
                "reviewer": name,
                "criterion": criterion,
                "n": len(pairs),
                "bias": round(sum(a - b for a, b in pairs) / len(pairs), 3),
                "kappa": _kappa(pairs),
            }
            for (name, criterion), pairs in sorted(scores.items())
        ],
    }


def _shared(pairs: Sequence[tuple[float, float]]) -> dict[str, Any]:
    share = sum(a == b for a, b in pairs) / len(pairs)
    return {"n": len(pairs), "share": round(share, 3), "kappa": _kappa(pairs)}


def _kappa(pairs: Sequence[tuple[float, float]]) -> float | None:
    value = quadratic_kappa([a for a, _ in pairs], [b for _, b in pairs])
    return None if value is None else round(value, 3)
