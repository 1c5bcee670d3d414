"""Files of a training: each holds either its old or its new text, whole, after any crash."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from training.errors import StoppedTraining


def write_text(path: Path, text: str) -> None:
    """Write beside ``path``, flush, rename.

    Raises:
        OSError: the disk is full, or there is no such folder. Nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_result(path: Path, text: str, what: str) -> None:
    """As :func:`write_text`, for what ends a training: ``what`` could not be written is said in a sentence.

    Raises:
        StoppedTraining: it cannot be written.
    """
    try:
        write_text(path, text)
    except OSError as error:
        raise StoppedTraining(
            f"{what} could not be written.", f"{error.strerror or error}.", "Make room and give the same command again."
        ) from error


def write_json(path: Path, value: Any) -> None:
    """A value as JSON, by :func:`write_text`, in a folder made where it is missing; NaN raises ValueError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """The value in ``path``; None where there is no such file or no JSON in it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
