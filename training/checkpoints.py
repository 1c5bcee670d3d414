"""Checkpoints one can trust: written whole or not at all, and only for the same settings and the same data.

A process can be killed between any two bytes. Each checkpoint therefore gets a file ``complete.json``, written last
and by renaming, that names every other file with its size and SHA-256. A checkpoint without one, or with a file that
does not match, is torn: it is removed, and the one before it is taken.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from training.files import read_json, write_json

MARK = "complete.json"
STAGE = "stage.json"
_NAME = re.compile(r"checkpoint-(\d+)")


def sha256(path: Path) -> str:
    """SHA-256 of a file, or of a folder's files with their names (sorted, hidden ones and READMEs left out)."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256()
    for file_name in _files(path):
        digest.update(f"{file_name}\0{sha256(path / file_name)}\n".encode())
    return digest.hexdigest()


def adapter_sha256(folder: Path) -> str:
    """SHA-256 of the trained weights in ``folder``: one safetensors file, or all of them where there are several.

    Raises:
        FileNotFoundError: there are none.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise FileNotFoundError(f"no weights in {folder}")
    if len(files) == 1:
        return sha256(files[0])
    return hashlib.sha256("".join(sha256(file) for file in files).encode()).hexdigest()


def mark(checkpoint: Path) -> None:
    """Declare ``checkpoint`` whole: every file is on the disk before its name and checksum are."""
    files = {}
    for name in _files(checkpoint):
        path = checkpoint / name
        with path.open("rb") as file:
            os.fsync(file.fileno())
        files[name] = {"bytes": path.stat().st_size, "sha256": sha256(path)}
    write_json(checkpoint / MARK, files)


def whole(checkpoint: Path) -> bool:
    """Whether every file that ``complete.json`` names is there as it was."""
    files = read_json(checkpoint / MARK)
    if not isinstance(files, dict) or not files:
        return False
    for name, expected in files.items():
        path = checkpoint / name
        if not path.is_file() or path.stat().st_size != expected["bytes"] or sha256(path) != expected["sha256"]:
            return False
    return True


def step_of(checkpoint: Path) -> int:
    """The step a checkpoint was made at; -1 where it is none."""
    found = _NAME.fullmatch(checkpoint.name)
    return int(found.group(1)) if found else -1


def last(folder: Path) -> Path | None:
    """The newest whole checkpoint in ``folder``; torn ones newer than it are removed. None where there is none."""
    found = sorted((path for path in _folders(folder) if step_of(path) >= 0), key=step_of, reverse=True)
    for checkpoint in found:
        if whole(checkpoint):
            return checkpoint
        shutil.rmtree(checkpoint)
    return None


def prepare(folder: Path, parts: Mapping[str, str], *, resume: bool) -> tuple[Path | None, tuple[str, ...]]:
    """Get ``folder`` ready for a stage made of ``parts`` (what shapes it, each with its hash).

    Checkpoints of other settings or other data are removed: a stage is never put together from two.

    Returns:
        The checkpoint to go on from, or None; and the names of the parts that are not what they were.
    """
    before = read_json(folder / STAGE)
    changed: tuple[str, ...] = ()
    if isinstance(before, dict):
        changed = tuple(sorted(n for n in {*before, *parts} if before.get(n) != parts.get(n)))
    if folder.exists() and (not resume or changed or not isinstance(before, dict)):
        shutil.rmtree(folder)
    write_json(folder / STAGE, dict(parts))
    return last(folder), changed if resume else ()


def thin(folder: Path, keep: set[int]) -> None:
    """Remove the checkpoints of all steps but those in ``keep``."""
    for path in _folders(folder):
        if step_of(path) >= 0 and step_of(path) not in keep:
            (path / MARK).unlink(missing_ok=True)  # first, so that half a removal is seen as torn
            shutil.rmtree(path)


class Keeper(TrainerCallback):
    """Marks each checkpoint as whole when it is, keeps the last and the best, and ends a stage that gets no better.

    The best is the one of the lowest validation loss; it is read from the trainer's own history, which the
    checkpoints carry, so a continued stage decides as an undisturbed one does.
    """

    def __init__(self, folder: Path, patience: int) -> None:
        self.folder = folder
        self.patience = patience
        self.stopped_early = False

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Look at the validation rows after the last step too."""
        if state.global_step >= state.max_steps and str(args.eval_strategy).endswith("steps"):
            control.should_evaluate = True

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Save the best so far; stop when ``patience`` looks in a row were no better."""
        losses = validation(state.log_history)
        if not losses:
            return
        best = best_step(losses)
        if best == losses[-1][0]:
            control.should_save = True
        elif self.patience and sum(step > best for step, _loss in losses) >= self.patience:
            self.stopped_early = control.should_training_stop = control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Called when the trainer has written all files of the checkpoint."""
        from accelerate import PartialState  # type: ignore[import-untyped]

        PartialState().wait_for_everyone()
        if not state.is_world_process_zero:
            return
        checkpoint = self.folder / f"checkpoint-{state.global_step}"
        mark(checkpoint)
        losses = validation(state.log_history)
        thin(self.folder, {state.global_step, best_step(losses) if losses else state.global_step})


def validation(history: list[dict[str, Any]]) -> list[tuple[int, float]]:
    """(step, validation loss) of each look in a trainer's history, one a step, in order."""
    found = {int(entry["step"]): float(entry["eval_loss"]) for entry in history if "eval_loss" in entry}
    return sorted(found.items())


def best_step(losses: list[tuple[int, float]]) -> int:
    """The step of the lowest validation loss, the first where several are equal."""
    return min(losses, key=lambda pair: (pair[1], pair[0]))[0]


def _folders(folder: Path) -> list[Path]:
    with contextlib.suppress(FileNotFoundError):
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())
    return []


def _files(folder: Path) -> list[str]:
    names = (path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file())
    return [name for name in names if name not in (MARK, "README.md") and not name.rpartition("/")[2].startswith(".")]
