"""``training.json``: what was trained, from what, with what, and how it went. Written atomically at each change."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training import files
from training.config import TrainConfig

FILE = "training.json"
PACKAGES = ("datagen", "torch", "transformers", "trl", "peft", "bitsandbytes", "accelerate", "datasets")


@dataclass(frozen=True)
class StageResult:
    """What became of one stage.

    Attributes:
        adapter: folder of the trained adapter (of the whole model for the method ``full``).
        record: the stage's part of ``training.json``.
        resumed: whether it was done before and only looked up.
    """

    adapter: Path
    record: dict[str, Any]
    resumed: bool = False


@dataclass
class Record:
    """The contents of ``training.json``, and where it is.

    Attributes:
        write: False in all but the main process.
    """

    out: Path
    write: bool = True
    values: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, out: Path, write: bool) -> Record:
        """Take up the record in ``out``; an empty one where there is none, or none that can be read."""
        found = files.read_json(out / FILE)
        return cls(out, write, found if isinstance(found, dict) else {})

    def begin(self, config: TrainConfig, data: dict[str, dict[str, Any]]) -> None:
        """Note the configuration, the versions and the data; what earlier runs noted of their stages stays."""
        self.values = {
            "state": self.values.get("state", "sft"),
            "config": config.model_dump(mode="json"),
            "versions": versions(),
            "git": revision(),
            "seed": config.seed,
            "data": data,
            "plan": self.values.get("plan"),
            "stages": self.values.get("stages") or {},
            "merge": self.values.get("merge"),
            "compared": self.values.get("compared"),
        }
        self.save()

    def put(self, **values: Any) -> None:
        """Set top-level fields and write."""
        self.values.update(values)
        self.save()

    def stage(self, name: str) -> dict[str, Any]:
        """What is noted of a stage; empty where nothing is."""
        found = (self.values.get("stages") or {}).get(name)
        return found if isinstance(found, dict) else {}

    def put_stage(self, name: str, values: dict[str, Any]) -> None:
        """Replace what is noted of a stage and write."""
        self.values.setdefault("stages", {})[name] = values
        self.save()

    def drop_stage(self, name: str) -> None:
        """Forget a stage that will be done anew."""
        if (self.values.get("stages") or {}).pop(name, None) is not None:
            self.save()

    def save(self) -> None:
        """Write the file."""
        if self.write:
            files.write_json(self.out / FILE, self.values)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that training rests on; those that are not installed are left out."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def revision() -> str:
    """The git revision of this code, with ``+`` where files differ from it; empty outside a checkout."""
    here = Path(__file__).resolve().parent
    if not (here.parent / ".git").exists():
        return ""  # installed: a repository around the environment is not ours
    try:
        head = _git(here, "rev-parse", "HEAD")
        return head + ("+" if _git(here, "status", "--porcelain", "--untracked-files=no", ".") else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()
