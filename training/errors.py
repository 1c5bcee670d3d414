"""The errors of training: what happened, why, and how to fix it.

``training`` knows nothing of ``datagen``; the command line turns these into its own three lines and exit codes.
"""

from __future__ import annotations

from typing import ClassVar


class TrainingError(Exception):
    """Something a user can act on; nothing was trained, or training could not go on.

    Args:
        what: what happened, one sentence.
        why: the cause, one sentence.
        fix: what to do about it, one sentence, a command where there is one.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, what: str, why: str, fix: str) -> None:
        super().__init__(what, why, fix)
        self.what = what
        self.why = why
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.what} {self.why} {self.fix}"


class StoppedTraining(TrainingError):
    """Training stopped before its end, and the same command continues it (disk full, out of memory, not a number)."""

    exit_code = 3


class ProofFailed(TrainingError):
    """A check that preference training really starts from the SFT policy, or really trains, did not hold."""

    exit_code = 1
