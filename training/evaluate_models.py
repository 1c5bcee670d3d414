"""The models that a training left, one at a time: the base, and the base with the adapter of each stage.

Where stages left adapters, one base is loaded and the adapters are switched on and off, so that memory is one model's.
Where they left whole models (the method ``full``), each is loaded in its turn and dropped before the next.
"""

from __future__ import annotations

import contextlib
import gc
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from training.config import TINY, TrainConfig
from training.errors import TrainingError

BASE, SFT, DPO = "base", "sft", "dpo"
NAMES = {BASE: "base", SFT: "SFT", DPO: "SFT + DPO"}
"""The models by the name that people read."""


def settled(out: Path, config: TrainConfig) -> TrainConfig:
    """The configuration with the tiny base's folder in place of its name."""
    return config.model_copy(update={"base": str(out / "base")}) if config.base == TINY else config


def trained_config(out: Path) -> TrainConfig:
    """The configuration that a training in ``out`` had.

    Raises:
        TrainingError: there is none.
    """
    try:
        return TrainConfig.model_validate(json.loads((out / "training.json").read_text(encoding="utf-8"))["config"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            f"There is no training in {out}.",
            f"Its training.json is missing or damaged ({type(error).__name__}).",
            "Train first, with `datagen train RUN`.",
        ) from error


class Variants:
    """The base and what was trained on it.

    Args:
        out: the folder of a training.
        config: as it was trained with.

    Attributes:
        names: ``base``, and ``sft`` and ``dpo`` where they are there.

    Raises:
        TrainingError: the folder holds nothing trained.
    """

    def __init__(self, out: Path, config: TrainConfig) -> None:
        self.config = settled(out, config)
        self._folders = {name: out / "adapters" / name for name in (SFT, DPO)}
        self._folders = {
            name: at for name, at in self._folders.items() if (at / "config.json").is_file() or _adapter(at)
        }
        if not self._folders:
            raise TrainingError(
                f"There is nothing trained in {out}.",
                "It holds no adapters/sft and no adapters/dpo.",
                "Train first, with `datagen train RUN`.",
            )
        self.names = (BASE, *self._folders)
        self._switched: Any = None

    def tokenizer(self) -> Any:
        """The base's, with a chat template that marks replies.

        Raises:
            TrainingError: as :func:`training.base.load_tokenizer` and :func:`training.template.prepare`.
        """
        from training import base, template

        found = base.load_tokenizer(self.config)
        template.prepare(found, self.config.chat_template)
        return found

    @contextlib.contextmanager
    def use(self, name: str) -> Iterator[Any]:
        """One of the models, in evaluation mode, until the context ends.

        Raises:
            TrainingError: it cannot be loaded.
        """
        from training import base

        adapters = [one for one, at in self._folders.items() if _adapter(at)]
        if not adapters:
            model = base.load_model(self.config, None if name == BASE else self._folders[name])
            try:
                yield model
            finally:
                del model
                _free()
            return
        model = self._with_adapters(adapters)
        if name == BASE:
            with model.disable_adapter():
                yield model
        else:
            model.set_adapter(name, inference_mode=True)
            yield model

    def _with_adapters(self, names: list[str]) -> Any:
        if self._switched is None:
            from peft import PeftModel

            from training import base

            model = base.load_model(self.config)
            try:
                with base.quiet():
                    model = PeftModel.from_pretrained(model, str(self._folders[names[0]]), adapter_name=names[0])
                    for name in names[1:]:
                        model.load_adapter(str(self._folders[name]), adapter_name=name)
            except Exception as error:  # a dozen kinds, all of them a broken folder or another base
                raise TrainingError(
                    f"The adapters of {self._folders[names[0]].parent} do not fit the base.",
                    f"peft says: {base.first_sentence(error)}",
                    "Train again, or give the base they were trained on.",
                ) from error
            self._switched = model.eval()
        return self._switched

    def close(self) -> None:
        """Give the memory back."""
        self._switched = None
        _free()


def _adapter(folder: Path) -> bool:
    return (folder / "adapter_config.json").is_file()


def _free() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
