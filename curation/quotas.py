"""Chooses evenly: as much of each family as its share, and within it of each document alike, the best of each."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence


def balanced(
    families: Sequence[str],
    documents: Sequence[str],
    k: int,
    shares: Mapping[str, float] | None = None,
    most: int = 0,
) -> list[int]:
    """Rows chosen one after the other: from the family that is farthest behind its share, from its least used document.

    A family or document that has no more leaves its places to the others, so that k rows are chosen wherever k may be.

    Args:
        families, documents: (n,) of each row, the best rows first.
        k: rows to choose.
        shares: weights of families, 0 or more; those not named have 1, those with 0 come last.
        most: rows of one document that may be chosen; 0: any number.

    Returns:
        Rows in the order of choice.
    """
    weights = shares or {}
    waiting: defaultdict[str, dict[str, list[int]]] = defaultdict(dict)
    for row in range(len(families) - 1, -1, -1):  # so that the best is the last
        waiting[families[row]].setdefault(documents[row], []).append(row)
    used: Counter[str] = Counter()
    queues = {family: [(0, rows[-1], document) for document, rows in held.items()] for family, held in waiting.items()}
    for queue in queues.values():
        heapq.heapify(queue)
    taken: Counter[str] = Counter()
    order = [(_behind(0, weights.get(family, 1.0)), queue[0][1], family) for family, queue in queues.items()]
    heapq.heapify(order)
    chosen: list[int] = []
    while order and len(chosen) < k:
        _, _, family = heapq.heappop(order)
        found = _next(queues[family], waiting[family], used, most)
        if found is None:
            continue  # it has no more
        chosen.append(found)
        taken[family] += 1
        heapq.heappush(order, (_behind(taken[family], weights.get(family, 1.0)), found, family))
    return chosen


def _behind(taken: int, weight: float) -> tuple[bool, float]:
    """What the next family is chosen by: how much of its share it would have with one more (D. Webster, 1832)."""
    return (True, float(taken)) if not weight else (False, (taken + 0.5) / weight)


def _next(queue: list[tuple[int, int, str]], held: dict[str, list[int]], used: Counter[str], most: int) -> int | None:
    while queue:
        count, _, document = queue[0]
        if most and used[document] >= most:
            heapq.heappop(queue)
        elif used[document] > count:  # another family took of it
            heapq.heapreplace(queue, (used[document], held[document][-1], document))
        else:
            rows = held[document]
            row = rows.pop()
            used[document] += 1
            if rows:
                heapq.heapreplace(queue, (used[document], rows[-1], document))
            else:
                heapq.heappop(queue)
            return row
    return None
