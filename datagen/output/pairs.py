"""What a report says of preference pairs: flaws, margins, and whether length gives the answer away."""

from __future__ import annotations

from collections import Counter
from typing import Any

from datagen.core.lengths import HIGH, LOW, longer, share
from datagen.core.record import Sample


class Pairs:
    """Feed it with the samples after the last stage, then :meth:`finish`."""

    def __init__(self) -> None:
        self._made = self._kept = 0
        self._longer = self._equal = 0
        self._flaws: Counter[str] = Counter()
        self._ways: Counter[str] = Counter()
        self._margins: Counter[float] = Counter()

    def sample(self, sample: Sample) -> None:
        """A sample; one without a rejected reply is passed over."""
        rejected = sample.rejected
        if rejected is None or not sample.parent:
            return
        self._made += 1
        if sample.verdict is not None:
            return
        self._kept += 1
        difference = longer(sample)
        self._longer += difference > 0
        self._equal += difference == 0
        self._flaws[rejected.flaw] += 1
        self._ways[rejected.way] += 1
        if sample.score is not None and rejected.score is not None:
            self._margins[round(4 * (sample.score - rejected.score)) / 4] += 1

    def finish(self) -> dict[str, Any] | None:
        """The figures as plain values, None where no pair was made: ``made``, ``kept``, ``chosen_longer`` (share,
        equal lengths counting half), ``balanced``, ``flaws`` and ``ways`` of the kept, ``margins`` in points."""
        if not self._made:
            return None
        chosen = share(self._longer, self._equal, self._kept) if self._kept else None
        return {
            "made": self._made,
            "kept": self._kept,
            "chosen_longer": None if chosen is None else round(chosen, 4),
            "balanced": chosen is not None and LOW <= chosen <= HIGH,
            "flaws": dict(sorted(self._flaws.items())),
            "ways": dict(sorted(self._ways.items())),
            "margins": {f"{margin:g}": n for margin, n in sorted(self._margins.items())},
        }
