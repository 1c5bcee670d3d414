"""A model that reads two texts together and says whether they mean the same: for the borderline.

Cross-encoders: N. Reimers, I. Gurevych, "Sentence-BERT", 2019, section 4; the models are
those of sentence-transformers.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from curation.embed import cached_folder, offline, reachable

DEFAULT = "cross-encoder/quora-distilroberta-base"
OFF = "none"
_BATCH = 32


class Loaded(NamedTuple):
    """A cross-encoder, or why there is none.

    Attributes:
        model: the ``CrossEncoder`` of sentence-transformers, or None.
        name: of the model.
        why: the reason where there is none.
    """

    model: Any
    name: str
    why: str = ""


def load(name: str = "") -> Loaded:
    """The cross-encoder, loaded once in a process. Raises nothing: where there is none, ``why`` says so.

    The default model is asked for only where it lies in the hub's cache or a download is not forbidden.
    """
    return _load(name, offline())


def scores(model: Any, pairs: Sequence[tuple[str, str]]) -> list[float]:
    """How far each pair means the same, 0..1; the mean of both orders, so that order makes no difference."""
    if not pairs:
        return []
    both = [(a, b) for a, b in pairs] + [(b, a) for a, b in pairs]
    found = np.asarray(model.predict(both, batch_size=_BATCH, show_progress_bar=False), np.float64)
    if found.ndim == 2:  # one column a class: the last says yes
        found = np.exp(found - found.max(axis=1, keepdims=True))
        found = found[:, -1] / found.sum(axis=1)
    elif found.size and (found.min() < 0 or found.max() > 1):
        found = 1 / (1 + np.exp(-np.clip(found, -50, 50)))
    half = len(pairs)
    return [float(x) for x in (found[:half] + found[half:]) / 2]


@functools.lru_cache(maxsize=2)
def _load(name: str, forbidden: bool) -> Loaded:
    chosen = name or DEFAULT
    if name == OFF:
        return Loaded(None, OFF, "it is switched off")
    if importlib.util.find_spec("sentence_transformers") is None:
        return Loaded(None, chosen, "sentence-transformers is not installed: pip install 'datagen[semantic]'")
    local = Path(chosen).is_dir() or cached_folder(chosen) is not None
    if not local and (forbidden or not reachable()):
        why = "downloads are forbidden (HF_HUB_OFFLINE)" if forbidden else "the hub does not answer"
        return Loaded(None, chosen, f"it is not on this machine and {why}")
    try:
        from sentence_transformers import CrossEncoder

        return Loaded(CrossEncoder(chosen), chosen)
    except Exception as error:  # the hub, torch and transformers have exceptions of their own
        first = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        return Loaded(None, chosen, first.rstrip("."))
