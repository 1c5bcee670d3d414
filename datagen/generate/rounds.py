"""How much is asked for in each round until a target is reached, and when to give up."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

MOST_PASSES = 1000
_Z = 1.96  # of a two-sided 95 % interval
_GROWTH = 3  # a round asks for at most so many times what all before it asked for
_SMALL = 30  # samples that a round may ask for at any rate
_RESERVE = 1.05  # a round asks for a little more than the yield so far promises


@dataclass
class Rounds:
    """The sizes of the rounds of one run.

    A *pass* is every task once; rounds are stretches of consecutive passes, as ``[begin, end)`` in passes.

    Args:
        target: samples wanted; 0: ``passes`` rounds of one pass each.
        passes: rounds where there is no target.
        first: samples the first round asks for; 0: the target.
        min_yield: share of requested samples that a round must deliver for another to follow.
    """

    target: int = 0
    passes: int = 1
    first: int = 0
    min_yield: float = 0.05
    begin: float = 0.0
    end: float = 0.0
    number: int = 0
    why: str = ""
    _per_pass: list[tuple[float, int]] = field(default_factory=list)
    _requested: list[int] = field(default_factory=list)
    _accepted: list[int] = field(default_factory=list)

    @property
    def bounded(self) -> bool:
        """Must all tasks be known before the first round is laid out?"""
        return bool(self.target or self.first)

    @property
    def per_pass(self) -> tuple[int, int]:
        """Tasks and samples of one pass; (0, 0) where not all tasks had to be known."""
        return len(self._per_pass), sum(owed for _, owed in self._per_pass)

    def note(self, key: float, samples: int) -> None:
        """Tell of a task of the first pass: its place in the order, in [0, 1), and the samples it owes."""
        self._per_pass.append((key, samples))

    def start(self) -> None:
        """Lay out the first round."""
        self.number, self.begin = 1, 0.0
        self._per_pass.sort()
        self.end = self._after(self.first or self.target) if self.bounded else 1.0

    def again(self, requested: int, accepted: int) -> bool:
        """Lay out the next round.

        Args:
            requested, accepted: samples, over all rounds so far.

        Returns:
            False where there is to be none; ``why`` then says so unless the target is reached.
        """
        fresh = requested - (self._requested[-1] if self._requested else 0)
        gained = accepted - (self._accepted[-1] if self._accepted else 0)
        self._requested.append(requested)
        self._accepted.append(accepted)
        if not self.target:
            if self.first or self.number >= self.passes:
                return False
            self.number, self.begin, self.end = self.number + 1, self.end, self.end + 1.0
            return True
        if accepted >= self.target:
            return False
        if not fresh:
            self.why = "the passages allow no further samples"
            return False
        if upper_bound(gained, fresh) < self.min_yield:
            self.why = (
                f"the last round kept {gained:,} of {fresh:,} requested samples, "
                f"under limits.min_yield={self.min_yield:g}: more rounds would hardly add any"
            )
            return False
        share = (accepted + 1) / (requested + 2)  # rule of succession: no yield is ever certain
        more = math.ceil((self.target - accepted) / share * _RESERVE)
        more = min(more, max(_GROWTH * requested, _SMALL))  # a bold guess from a small round could cost a fortune
        self.number += 1
        self.begin, self.end = self.end, min(self._after(requested + more), float(MOST_PASSES))
        if self.end <= self.begin:
            self.why = f"{MOST_PASSES:,} passes over the passages were made"
            return False
        return True

    def _after(self, samples: int) -> float:
        """The place in passes after which so many samples have been asked for."""
        per_pass = sum(owed for _, owed in self._per_pass)
        if not per_pass:
            return 0.0
        whole, rest = divmod(samples, per_pass)
        place = 0.0
        for index, (_, owed) in enumerate(self._per_pass):
            if rest <= 0:
                break
            rest -= owed
            following = self._per_pass[index + 1][0] if index + 1 < len(self._per_pass) else 1.0
            place = following
        return max(whole + place, self.begin)


def upper_bound(hits: int, trials: int) -> float:
    """Upper end of Wilson's 95 % interval of a share (E. B. Wilson, JASA 22, 1927); 1.0 without trials."""
    if not trials:
        return 1.0
    share = hits / trials
    middle = share + _Z**2 / (2 * trials)
    spread = _Z * math.sqrt(share * (1 - share) / trials + _Z**2 / (4 * trials**2))
    return min(1.0, (middle + spread) / (1 + _Z**2 / trials))
