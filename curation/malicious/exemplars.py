"""Similarity of passages to examples of attacks, against harmless examples of the same words.

By character n-grams weighted by their rarity among the examples (TF-IDF: G. Salton, C. Buckley, "Term-weighting
approaches in automatic text retrieval", 1988), or by an embedding model. What it says of a passage is weighed in
:mod:`curation.malicious.wording`.
"""

from __future__ import annotations

import functools
import hashlib
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from curation.malicious.config import Kind
from curation.malicious.fold import fold

_FILE = Path(__file__).with_name("exemplars.txt")
_BUCKETS = 8192
_SIZES = (3, 4, 5)
_REMEMBERED = 8192  # words whose n-grams are kept at hand, about 1 kB each

Matrix = npt.NDArray[np.float32]
Vector = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Examples:
    """The file.

    Attributes:
        texts: attacks first, then harmless ones.
        kinds: of the attacks.
        sha256: of the file.
    """

    texts: tuple[str, ...]
    kinds: tuple[Kind, ...]
    sha256: str


@functools.cache
def examples() -> Examples:
    """The examples, read once in a process."""
    raw = _FILE.read_bytes()
    attacks: list[tuple[Kind, str]] = []
    harmless: list[str] = []
    kind = ""
    for line in raw.decode().splitlines():
        if line.startswith("["):
            kind = line.strip("[] ")
        elif line and not line.startswith("#"):
            if kind == "harmless":
                harmless.append(line)
            else:
                attacks.append((cast(Kind, kind), line))
    texts = (*(text for _, text in attacks), *harmless)
    return Examples(texts, tuple(kind for kind, _ in attacks), hashlib.sha256(raw).hexdigest())


def by_letters(passages: Sequence[str]) -> Matrix:
    """Similarity (p, e), 0..1, of folded passages to each example by their character n-grams."""
    known = _letters()
    out: Matrix = np.zeros((len(passages), known.count), np.float32)
    for row, passage in zip(out, passages, strict=True):
        places, counts = _grams(passage)
        weights = counts * known.idf[places]
        weights /= float(np.linalg.norm(weights)) or 1.0
        sizes = known.starts[places + 1] - known.starts[places]
        ends = np.cumsum(sizes)
        at = np.arange(ends[-1] if len(ends) else 0) + np.repeat(known.starts[places] + sizes - ends, sizes)
        row[:] = np.bincount(known.owners[at], known.values[at] * np.repeat(weights, sizes), known.count)
    return out


def by_meaning(passages: Sequence[str]) -> Matrix:
    """The same, -1..1, by an embedding model.

    Raises:
        DatagenError: it cannot be loaded.
    """
    from curation import embed

    return cast(Matrix, embed.load().encode(passages) @ _meanings().T)


def asks_meaning(method: str) -> bool:
    """Is an embedding model asked? With ``auto``, where there is one on this machine."""
    return method == "embeddings" or (method == "auto" and _model_here())


def model_asked(method: str) -> str:
    """The name of the embedding model that is asked; empty: none."""
    if not asks_meaning(method):
        return ""
    from curation import embed

    return embed.model_name()


@functools.cache
def _model_here() -> bool:
    from curation import embed

    return embed.available()


@dataclass(frozen=True, slots=True)
class _Letters:
    """Of each n-gram's bucket the examples that have it: few of all, so lists and no table.

    Attributes:
        count: of examples.
        idf: (buckets,) weight of each.
        starts: (buckets + 1,) where the list of each begins.
        owners, values: numbers of examples, and the share of the n-gram in them, unit length.
    """

    count: int
    idf: Vector
    starts: Places
    owners: Places
    values: Vector


@functools.cache
def _letters() -> _Letters:
    made = [_grams(fold(text).text) for text in examples().texts]
    seen = np.bincount(np.concatenate([places for places, _ in made]), minlength=_BUCKETS)
    idf = (np.log((1 + len(made)) / (1 + seen)) + 1).astype(np.float32)
    shares = []
    for places, counts in made:
        weights = counts * idf[places]
        shares.append(weights / (np.linalg.norm(weights) or 1))
    buckets = np.concatenate([places for places, _ in made])
    order = np.argsort(buckets, kind="stable")
    owners = np.repeat(np.arange(len(made)), [len(places) for places, _ in made])
    starts = np.concatenate(([0], np.cumsum(seen))).astype(np.int64)
    return _Letters(len(made), idf, starts, owners[order], np.concatenate(shares)[order].astype(np.float32))


def _grams(text: str) -> tuple[Places, Vector]:
    """Buckets of the character n-grams of the words, and the logarithm of how often each is there, plus one."""
    words = re.findall(r"\w+", text)
    if not words:
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    counts = np.bincount(np.concatenate([_of_word(word[:40]) for word in words]), minlength=_BUCKETS)
    places = np.flatnonzero(counts)
    return places, (1 + np.log(counts[places])).astype(np.float32)


@functools.lru_cache(maxsize=_REMEMBERED)
def _of_word(word: str) -> Places:
    """The bucket of each n-gram of a word."""
    padded = f" {word} ".encode("utf-8", "surrogatepass")
    return np.array(
        [zlib.crc32(padded[i : i + size]) % _BUCKETS for size in _SIZES for i in range(max(1, len(padded) - size + 1))],
        np.int64,
    )


@functools.cache
def _meanings() -> Matrix:
    from curation import embed

    return embed.load().encode(examples().texts)
