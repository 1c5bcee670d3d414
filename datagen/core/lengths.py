"""Does length tell the chosen reply from the rejected one?"""

from __future__ import annotations

from datagen.core.record import Sample

LOW, HIGH = 0.45, 0.55
"""P(chosen longer) between these is balanced. Our choice; 0.5 is no signal at all. Judges and reward models are
known to prefer length (P. Singhal et al., "A Long Way to Go", 2023)."""


def longer(pair: Sample) -> int:
    """Characters by which the chosen reply exceeds the rejected one."""
    assert pair.rejected is not None
    return len(pair.messages[-1].content) - len(pair.rejected.content)


def share(longer: int, equal: int, pairs: int) -> float:
    """P(chosen longer) of so many ``pairs`` (> 0), where equal lengths count half."""
    return (longer + equal / 2) / pairs
