"""The exceptions a user can meet, each with what happened, why, and how to fix it.

::

    DatagenError(what, why, fix)      exit code
    ├── UsageError                    2   wrong option, configuration or set-up; nothing started
    └── StoppedEarly                  3   budget, endpoint or disk: the run stopped and can be continued

The command line prints the three parts on three lines, with no traceback, and exits with ``exit_code``.
"""

from __future__ import annotations

import errno
from typing import ClassVar


class DatagenError(Exception):
    """Something a user can act on.

    Args:
        what: what happened, one sentence.
        why: the cause, one sentence.
        fix: what to do about it, one sentence, a command where there is one.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, why: str, fix: str) -> None:
        super().__init__(what, why, fix)  # all three, so that the error survives pickling
        self.what = what
        self.why = why
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.what} {self.why} {self.fix}"


class UsageError(DatagenError):
    """Wrong usage or set-up; nothing was started (exit code 2)."""

    exit_code = 2


class StoppedEarly(DatagenError):
    """The run stopped before its end and the same command continues it (exit code 3)."""

    exit_code = 3


def from_os_error(error: OSError, doing: str) -> DatagenError:
    """Say an operating-system error in the project's three parts.

    Args:
        error: the error as raised.
        doing: what was being done, as in ``"write the shard"``.

    Returns:
        :class:`StoppedEarly` for a full disk or quota (a continued run can succeed), else
        :class:`UsageError` (the place itself is wrong: read-only, missing, not permitted).
    """
    where = f" ({error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StoppedEarly(
            f"Could not {doing}{where}.",
            "The disk is full or a quota is reached.",
            "Free some space and run the same command again: finished work is kept.",
        )
    return UsageError(
        f"Could not {doing}{where}.",
        f"The system says: {error.strerror or error}.",
        "Choose a folder you can write to with --out, or correct its permissions.",
    )
