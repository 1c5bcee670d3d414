"""What differs between the results of two sides: verdicts, scores, reasons, documents, chunks. All counts add up.

Wherever two values of the sides stand together they are a pair, ``[of A, of B]``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datagen.diff_side import Side
from datagen.diff_table import KEPT, Matched, Table

Rows = NDArray[np.intp]


def ledgers(a: Side, b: Side) -> dict[str, Any]:
    """The ledgers side by side; of plain rows, how many there are."""
    one, two = (
        s.ledger or {"requested": len(s.samples), **_counted(s.samples.reasons()), "failed": {}} for s in (a, b)
    )
    return {
        "requested": [one["requested"], two["requested"]],
        "kept": [one["kept"], two["kept"]],
        "rejected": beside(one["rejected"], two["rejected"]),
        "failed": beside(one["failed"], two["failed"]),
    }


def beside(one: Mapping[str, int], two: Mapping[str, int]) -> dict[str, list[int]]:
    """Counts by name side by side, the names in their order."""
    return {name: [one.get(name, 0), two.get(name, 0)] for name in sorted({*one, *two})}


def documents(a: Side, b: Side, limit: int) -> dict[str, Any]:
    """Documents by content and path: ``same``, ``moved`` (same content), ``changed`` (same path), only in one."""
    left, right = set(a.documents) - set(b.documents), set(b.documents) - set(a.documents)
    both = set(a.documents) & set(b.documents)
    moved = _one_to_one(left, right, 1)
    left, right = left - {old for old, _ in moved}, right - {new for _, new in moved}
    changed = _one_to_one(left, right, 0)
    left, right = left - {old for old, _ in changed}, right - {new for _, new in changed}
    return {
        "total": [len(a.documents), len(b.documents)],
        "same": len(both),
        "moved": len(moved),
        "changed": len(changed),
        "only": [len(left), len(right)],
        "other_split": sum(a.documents[x] != b.documents[x] for x in both),
        "examples": {
            "moved": [[old[0], new[0]] for old, new in sorted(moved)[:limit]],
            "changed": sorted(old[0] for old, _ in changed)[:limit],
            "only": [sorted(x[0] for x in left)[:limit], sorted(x[0] for x in right)[:limit]],
        },
    }


Name = tuple[str, str]


def _one_to_one(left: set[Name], right: set[Name], part: int) -> list[tuple[Name, Name]]:
    """Pairs that agree in a part of their names, each name in one pair at most."""
    waiting: dict[str, list[Name]] = {}
    for name in sorted(right, reverse=True):
        waiting.setdefault(name[part], []).append(name)
    return [(name, waiting[name[part]].pop()) for name in sorted(left) if waiting.get(name[part])]


def chunks(a: Side, b: Side, found: Matched) -> dict[str, Any]:
    """Chunks by id, and their verdicts."""
    return {
        "total": [len(a.chunks), len(b.chunks)],
        "both": len(found.a),
        "only": [len(found.only_a), len(found.only_b)],
        "rejected": beside(_counted(a.chunks.reasons())["rejected"], _counted(b.chunks.reasons())["rejected"]),
    }


def samples(a: Table, b: Table, found: Matched) -> dict[str, Any]:
    """How samples were matched, and what became of those that were not."""
    return {
        "total": [len(a), len(b)],
        "by_id": found.by_id,
        "by_instruction": len(found.a) - found.by_id,
        "other_content": int(np.count_nonzero(a.contents[found.a] != b.contents[found.b])),
        "only": [_counted(a.reasons(found.only_a)), _counted(b.reasons(found.only_b))],
    }


def verdicts(a: Table, b: Table, found: Matched) -> dict[str, Any]:
    """Of the samples in both: who was kept and is rejected now, by reason, and back."""
    pairs = a.outcomes[found.a].astype(np.int64) * len(b.names) + b.outcomes[found.b]
    codes, counts = np.unique(pairs, return_counts=True)
    lost: Counter[str] = Counter()
    won: Counter[str] = Counter()
    other: list[dict[str, Any]] = []
    both_kept = both_rejected = 0
    for code, n in zip(codes.tolist(), counts.tolist(), strict=True):
        old, new = a.names[code // len(b.names)], b.names[code % len(b.names)]
        if old == new:
            both_kept += n if old == KEPT else 0
            both_rejected += n if old != KEPT else 0
        elif old == KEPT:
            lost[new] += n
        elif new == KEPT:
            won[old] += n
        else:
            other.append({"reasons": [old, new], "count": n})
    return {
        "kept_in_both": both_kept,
        "rejected_in_both": both_rejected,
        "kept_to_rejected": dict(sorted(lost.items())),
        "rejected_to_kept": dict(sorted(won.items())),
        "other_reason": sorted(other, key=lambda row: sorted(row["reasons"])),
    }


def scores(a: Table, b: Table, found: Matched) -> list[dict[str, Any]]:
    """Each criterion: of samples scored on both sides the means and how many went up, down or stayed; of all, the mean
    of each side. The mean of no score is None."""
    rows = []
    for name in [a.criteria[0], *sorted({*a.criteria[1:], *b.criteria[1:]})]:
        all_a, all_b = a.scores(name), b.scores(name)
        one, two = all_a[found.a], all_b[found.b]
        has_a, has_b = ~np.isnan(one), ~np.isnan(two)
        both = has_a & has_b
        counts = [int(np.count_nonzero(~np.isnan(side))) for side in (all_a, all_b)]
        if not any(counts):
            continue
        rows.append(
            {
                "criterion": name,
                "both": int(both.sum()),
                "mean": [_mean(one[both]), _mean(two[both])],
                "up": int((two[both] > one[both]).sum()),
                "down": int((two[both] < one[both]).sum()),
                "same": int((two[both] == one[both]).sum()),
                "scored_only": [int((has_a & ~has_b).sum()), int((has_b & ~has_a).sum())],
                "all": counts,
                "mean_of_all": [_mean(all_a[~np.isnan(all_a)]), _mean(all_b[~np.isnan(all_b)])],
            }
        )
    return rows


def picked(a: Table, b: Table, found: Matched, limit: int) -> dict[str, list[tuple[int | None, int | None]]]:
    """Places of examples: changed verdicts and samples of one side drawn by hash, so that the same are drawn whichever
    side comes first; the largest changes of the score."""
    if not limit:
        return {"kept_to_rejected": [], "rejected_to_kept": [], "scores": [], "only_a": [], "only_b": []}
    one, two = a.outcomes[found.a], b.outcomes[found.b]
    drawn = np.minimum(a.ids[found.a], b.ids[found.b])
    change = np.abs(b.scores("score")[found.b].astype(np.float64) - a.scores("score")[found.a])
    scored = np.flatnonzero(np.nan_to_num(change) > 0)

    def of(pairs: Rows) -> list[tuple[int | None, int | None]]:
        return [(int(a.places[found.a[i]]), int(b.places[found.b[i]])) for i in pairs[:limit]]

    def by_hash(pairs: Rows) -> Rows:
        return pairs[np.argsort(drawn[pairs], kind="stable")]

    def alone(table: Table, rows: Rows) -> list[int]:
        first = np.lexsort((table.ids[rows], table.outcomes[rows] != 0))[:limit]  # the kept ones first
        return [int(table.places[rows[i]]) for i in first]

    return {
        "kept_to_rejected": of(by_hash(np.flatnonzero((one == 0) & (two != 0)))),
        "rejected_to_kept": of(by_hash(np.flatnonzero((one != 0) & (two == 0)))),
        "scores": of(scored[np.lexsort((drawn[scored], -change[scored]))]),
        "only_a": [(place, None) for place in alone(a, found.only_a)],
        "only_b": [(None, place) for place in alone(b, found.only_b)],
    }


def same(result: Mapping[str, Any], a: Side, b: Side, found: Matched) -> bool:
    """Are the results the same: documents, chunks and their verdicts, samples, verdicts, scores and ledgers?"""
    papers, parts, told = result["documents"], result["chunks"], result["ledger"]
    counts = [told["requested"], told["kept"], *told["rejected"].values(), *told["failed"].values()]
    return (
        papers["same"] == papers["total"][0] == papers["total"][1]
        and not papers["other_split"]
        and parts["both"] == parts["total"][0] == parts["total"][1]
        and all(one == two for one, two in parts["rejected"].values())
        and result["samples"]["by_id"] == len(a.samples) == len(b.samples)
        and not result["samples"]["other_content"]
        and all(one == two for one, two in counts)
        and result["verdicts"]["kept_in_both"] + result["verdicts"]["rejected_in_both"] == len(a.samples)
        and all(row["same"] == row["all"][0] == row["all"][1] for row in result["scores"])
        and a.unreadable == b.unreadable
    )


def _counted(reasons: Counter[str]) -> dict[str, Any]:
    return {"kept": reasons[KEPT], "rejected": {name: n for name, n in sorted(reasons.items()) if name != KEPT}}


def _mean(values: NDArray[np.float32]) -> float | None:
    mean = float(values.mean(dtype=np.float64)) if len(values) else math.nan
    return None if math.isnan(mean) else round(mean, 4)
