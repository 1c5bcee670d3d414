"""What many comparisons say together: how often one side wins, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from curation.calibrate_bootstrap import LEAST_UNITS
from curation.pairwise import Comparison

ROUNDS = 10_000
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class WinRate:
    """How often reply B wins over reply A.

    Attributes:
        rate: wins of B and half of the ties, of all that were decided, in 0..1; None where none was.
        low, high: bounds of its bootstrap interval at 95 %; None for fewer than 5 decided comparisons.
        wins, ties, losses: of B.
        undecided: comparisons without a readable answer in both orders; they count in no share.
        asked: comparisons that were put to the judge in both orders and answered.
        consistent: share of ``asked`` in which both orders name the same reply, or both none; None where none was.
    """

    rate: float | None
    low: float | None
    high: float | None
    wins: int
    ties: int
    losses: int
    undecided: int
    asked: int
    consistent: float | None


def win_rate(comparisons: Sequence[Comparison | None], seed: int = 0) -> WinRate:
    """How often B wins over A.

    Args:
        comparisons: one an example, None where there is no readable answer.
        seed: of the bootstrap.

    The interval is the percentile bootstrap's over examples (B. Efron and R. J. Tibshirani, "An Introduction to the
    Bootstrap", 1993, chapter 13). Examples that are drawn anew with replacement differ in their outcome alone, so
    that the counts of the three outcomes are drawn at once, which is the same.
    """
    decided = [c for c in comparisons if c is not None]
    wins = sum(c.outcome == "lose" for c in decided)
    losses = sum(c.outcome == "win" for c in decided)
    ties = len(decided) - wins - losses
    rate = low = high = None
    total = len(decided)
    if decided:
        rate = (wins + ties / 2) / total
    if len(decided) >= LEAST_UNITS:
        drawn = np.random.default_rng(seed).multinomial(total, [wins / total, ties / total, losses / total], ROUNDS)
        rates = (drawn[:, 0] + drawn[:, 1] / 2) / total
        low, high = (float(q) for q in np.quantile(rates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
    asked = [c for c in decided if c.asked]
    return WinRate(
        rate=rate,
        low=low,
        high=high,
        wins=wins,
        ties=ties,
        losses=losses,
        undecided=len(comparisons) - len(decided),
        asked=len(asked),
        consistent=sum(c.consistent for c in asked) / len(asked) if asked else None,
    )


def preferences(comparisons: Sequence[Comparison | None]) -> list[tuple[float, float]]:
    """Of each comparison that was asked, the preference for reply A in -1..1 with A first and with B first.

    A judge without a preference for places gives the same number twice. :func:`curation.bias.order_agreement` takes
    these.
    """
    return [(c.a_first.preference, c.b_first.preference) for c in comparisons if c is not None and c.asked]
