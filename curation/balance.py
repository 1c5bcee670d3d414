"""Length must not give the rejected reply away: drops pairs where it would."""

from __future__ import annotations

from typing import Any

from datagen.core.hashing import fraction
from datagen.core.lengths import HIGH, LOW, longer, share
from datagen.core.record import AnyRecord, Sample, Verdict
from datagen.core.stage import Fold, Shard


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
        if share(keep, ties, keep + len(small) + ties) <= HIGH:
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
