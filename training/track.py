"""Sends the metrics to MLflow, Weights & Biases, Trackio or TensorBoard too, by the trainer's own callbacks.

Each stage is a run of its own, named ``NAME-sft`` and ``NAME-dpo``: a tracker takes no step twice. Addresses, accounts
and offline modes are set by the environment variables of the tracker itself (``MLFLOW_TRACKING_URI``,
``WANDB_MODE`` and so on).
"""

from __future__ import annotations

import copy
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from training.config import Tracker
from training.errors import TrainingError

PROJECT = "datagen"


@dataclass(frozen=True)
class _Service:
    """Modules of which one must be there, the callback of transformers, and a variable with our default."""

    name: str
    modules: tuple[str, ...]
    callback: str
    defaults: tuple[tuple[str, str], ...] = ()


SERVICES = {
    "mlflow": _Service("MLflow", ("mlflow",), "MLflowCallback", (("MLFLOW_EXPERIMENT_NAME", PROJECT),)),
    "wandb": _Service("Weights & Biases", ("wandb",), "WandbCallback", (("WANDB_PROJECT", PROJECT),)),
    "trackio": _Service("Trackio", ("trackio",), "TrackioCallback"),
    "tensorboard": _Service("TensorBoard", ("tensorboard", "tensorboardX"), "TensorBoardCallback"),
}


def callbacks(tracker: Tracker, out: Path, name: str = "") -> list[TrainerCallback]:
    """The callbacks of a tracker; none for ``"none"``.

    Args:
        tracker: as in the configuration.
        out: the output folder; TensorBoard's files go to ``out/tensorboard``.
        name: of the runs; the name of ``out``'s parent without it.

    Raises:
        TrainingError: the tracker's package is not installed.
    """
    if tracker == "none":
        return []
    service = SERVICES[tracker]
    if not any(importlib.util.find_spec(module) for module in service.modules):
        package = service.modules[0]
        raise TrainingError(
            f"{service.name} cannot be used here.",
            f"The package {package} is not installed.",
            f"Install it with pip install {package}, or leave out --track; metrics.jsonl is written in any case.",
        )
    for variable, value in service.defaults:
        os.environ.setdefault(variable, value)
    return [Tracked(tracker, out, name or out.resolve().parent.name or PROJECT)]


class Tracked(TrainerCallback):
    """Passes events on to a fresh callback of the tracker for each stage."""

    def __init__(self, tracker: str, out: Path, name: str) -> None:
        self.tracker = tracker
        self.out = out
        self.name = name
        self.inner: Any = None
        self._args: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """A stage begins: a run of its own begins."""
        if not state.is_world_process_zero:
            return
        from transformers.integrations import integration_utils

        self._end()
        stage = type(args).__name__.removesuffix("Config").lower()
        self._args = copy.copy(args)
        self._args.run_name = f"{self.name}-{stage}"
        self._args.project = PROJECT
        self.inner = getattr(integration_utils, SERVICES[self.tracker].callback)()
        if self.tracker == "tensorboard":
            self.inner.logging_dir = str(self.out / "tensorboard" / stage)
        self._pass("on_train_begin", state, control, kwargs)

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Figures."""
        self._pass("on_log", state, control, kwargs)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The stage is done: its run is ended."""
        self._pass("on_train_end", state, control, kwargs)
        self._end()

    def _pass(self, event: str, state: Any, control: Any, kwargs: dict[str, Any]) -> None:
        if self.inner is not None:
            getattr(self.inner, event)(self._args, state, control, **kwargs)

    def _end(self) -> None:
        """End a run that the tracker itself would leave open, so that the next stage is not added to it."""
        if self.inner is not None and self.tracker == "wandb":
            import wandb  # type: ignore[import-not-found]

            wandb.finish()
        if self.inner is not None and self.tracker == "mlflow":
            import mlflow  # type: ignore[import-not-found]

            if mlflow.active_run() is not None:
                mlflow.end_run()
        self.inner = None
