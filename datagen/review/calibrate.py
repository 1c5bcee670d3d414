"""One click to a calibrated judge: the ratings of a run's reviewers, and what they say about its judge.

Both are done in a process of their own: what reviewers ask for meanwhile is answered at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from datagen.calibration import HTML, calibrate_file
from datagen.core.errors import DatagenError, StoppedEarly, UsageError
from datagen.engine.executors import processes
from datagen.review.desk import Desk
from datagen.review.exchange.ratings import write_ratings
from datagen.review.store import FOLDER

RATINGS = "ratings.jsonl"
RESULTS = "calibration"
"""The folder beside the ratings that holds calibration.html and calibration.json."""


def ratings(folder: Path) -> dict[str, Any]:
    """Write ``RUN/review/ratings.jsonl``.

    Returns:
        ``rows`` and ``path``.

    Raises:
        DatagenError: no finished run, or a file that cannot be written.
    """
    path = folder / FOLDER / RATINGS
    desk = Desk(folder)
    try:
        return {"rows": write_ratings(desk, path), "path": str(path)}
    finally:
        desk.close()


def calibrate(folder: Path) -> dict[str, Any]:
    """Write the ratings, and measure the judge with them as ``datagen judge calibrate`` does.

    Returns:
        ``rows`` and ``path`` of the ratings; ``ratings`` and ``samples`` that count; ``sentences`` of what it comes
        to on the whole; ``criteria``, of each its ``name``, ``ratings``, ``kappa``, ``low``, ``high`` and ``bias`` (a
        figure that is undefined is None); ``threshold``, None where none gives the wanted precision; ``page``, a path.

    Raises:
        UsageError: nobody has rated or decided about a sample that the judge scored.
        DatagenError: no finished run, or a file that cannot be written.
    """
    told = ratings(folder)
    if not told["rows"]:
        raise UsageError(
            "There is nothing to calibrate the judge with yet.",
            "Nobody has decided about a sample or scored one.",
            "Decide about some, best in random order, and come back.",
        )
    outcome = calibrate_file(Path(told["path"]), folder / FOLDER / RESULTS)
    found = outcome.calibration
    _, *others = found.criteria
    return {
        **told,
        "ratings": found.ratings,
        "samples": found.samples,
        "sentences": [s for s in found.sentences if not any(s.startswith(f"{name}: ") for name in others)],
        "criteria": [
            {
                "name": name,
                "ratings": compared.judge.rows,
                "kappa": compared.judge.kappa.value,
                "low": compared.judge.kappa.low,
                "high": compared.judge.kappa.high,
                "bias": compared.judge.bias.value,
            }
            for name, compared in found.criteria.items()
        ],
        "threshold": found.threshold.value,
        "page": str(outcome.folder / HTML),
    }


class Aside:
    """Runs one piece of work at a time in a fresh process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def run(self, work: Callable[[Path], dict[str, Any]], folder: Path) -> dict[str, Any]:
        """What ``work`` gives for a run folder.

        Raises:
            Busy: something is under way.
            DatagenError: as ``work`` does, or its process was killed.
        """
        from concurrent.futures.process import BrokenProcessPool

        if not self._lock.acquire(blocking=False):
            raise Busy
        try:
            with processes(1) as pool:
                return pool.submit(work, folder).result()
        except BrokenProcessPool as error:
            raise StoppedEarly(
                "The work on the ratings did not end.",
                "Its process was killed, perhaps for want of memory.",
                "Try again, or run `datagen judge calibrate` later.",
            ) from error
        except DatagenError:
            raise
        except OSError as error:
            from datagen.core.errors import from_os_error

            raise from_os_error(error, "start a process for the ratings") from error
        finally:
            self._lock.release()


class Busy(Exception):
    """Something is under way already."""


def page(folder: Path) -> Path:
    """Where the last calibration of a run is."""
    return folder / FOLDER / RESULTS / HTML
