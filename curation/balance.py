"""Length must not give the rejected reply away: how often the chosen one is the longer, and mending it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from datagen.core.hashing import fraction
from datagen.core.record import AnyRecord, Sample, Verdict
from datagen.core.stage import Fold, Shard

LOW, HIGH = 0.45, 0.55
"""P(chosen longer) between these is balanced. Our choice; 0.5 is no signal at all. Judges and reward models are
known to prefer length (P. Singhal et al., "A Long Way to Go", 2023)."""


def longer(pair: Sample) -> int:
    """Characters by which the chosen reply exceeds the rejected one."""
    assert pair.rejected is not None
    return len(pair.messages[-1].content) - len(pair.rejected.content)


def share_longer(differences: Iterable[int]) -> float | None:
    """P(chosen longer), where equal lengths count half; None without pairs."""
    found = list(differences)
    if not found:
        return None
    return sum(1.0 if d > 0 else 0.5 if d == 0 else 0.0 for d in found) / len(found)


def surplus(differences: dict[str, int]) -> set[str]:
    """The fewest pairs without which P(chosen longer) lies within the bounds, by name.

    They are drawn evenly from the side that is too large. Where one side is empty nothing can be
    balanced, and nothing is dropped: the report says so.
    """
    positive = sorted((n for n, d in differences.items() if d > 0), key=lambda n: (fraction(n), n))
    negative = sorted((n for n, d in differences.items() if d < 0), key=lambda n: (fraction(n), n))
    ties = len(differences) - len(positive) - len(negative)
    large, small = (positive, negative) if len(positive) >= len(negative) else (negative, positive)
    if not small and not ties:
        return set()
    keep = len(large)
    while keep > len(small):
        total = keep + len(small) + ties
        if (keep + ties / 2) / total <= HIGH:
            break
        keep -= 1
    return set(large[keep:])


class BalanceLength(Fold):
    """Rejects the surplus of pairs on the side that is too large."""

    name = "balance"
    version = 1
    barrier = True

    def __init__(self) -> None:
        self.begin()

    def fingerprint(self) -> dict[str, Any]:
        """The bounds."""
        return {"low": LOW, "high": HIGH}

    def begin(self) -> None:
        """Forget the last run."""
        self._differences: dict[str, int] = {}
        self._dropped: set[str] | None = None

    def see(self, shard: Shard) -> None:
        """Note the lengths of the pairs."""
        self._differences |= {r.id: longer(r) for r in shard if isinstance(r, Sample) and _is_pair(r)}

    def emit(self, shard: Shard) -> list[AnyRecord]:
        """The shard with verdicts on surplus pairs."""
        if self._dropped is None:
            self._dropped = surplus(self._differences)
        verdict = Verdict(stage=self.name, reason="length_balance", evidence="length would tell chosen from rejected")
        return [
            r.model_copy(update={"verdict": verdict})
            if isinstance(r, Sample) and _is_pair(r) and r.id in self._dropped
            else r
            for r in shard
        ]


def _is_pair(sample: Sample) -> bool:
    return sample.verdict is None and sample.rejected is not None and bool(sample.parent)
