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
from collections import Counter
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

Matrix = npt.NDArray[np.float32]


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
    columns, idf = _letters()
    out: Matrix = np.zeros((len(passages), columns.shape[1]), np.float32)
    for row, passage in zip(out, passages, strict=True):
        places, counts = _grams(passage)
        weights = counts * idf[places]
        row[:] = (weights / (float(np.linalg.norm(weights)) or 1.0)) @ columns[places]
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


@functools.cache
def _letters() -> tuple[Matrix, npt.NDArray[np.float32]]:
    """The examples as unit columns (buckets, e), and the weight of each bucket."""
    made = [_grams(fold(text).text) for text in examples().texts]
    seen = np.zeros(_BUCKETS, np.float32)
    for places, _ in made:
        seen[places] += 1
    idf = (np.log((1 + len(made)) / (1 + seen)) + 1).astype(np.float32)
    rows: Matrix = np.zeros((len(made), _BUCKETS), np.float32)
    for row, (places, counts) in zip(rows, made, strict=True):
        row[places] = counts * idf[places]
        row /= np.linalg.norm(row) or 1
    return np.ascontiguousarray(rows.T), idf


def _grams(text: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Buckets of the character n-grams of the words, and the logarithm of how often each is there, plus one."""
    counts: Counter[int] = Counter()
    for word in re.findall(r"\w+", text):
        padded = f" {word[:40]} ".encode("utf-8", "surrogatepass")
        for size in _SIZES:
            counts.update(zlib.crc32(padded[i : i + size]) % _BUCKETS for i in range(max(1, len(padded) - size + 1)))
    places = np.fromiter(counts, np.int64, len(counts))
    return places, (1 + np.log(np.fromiter(counts.values(), np.float32, len(counts)))).astype(np.float32)


@functools.cache
def _meanings() -> Matrix:
    from curation import embed

    return embed.load().encode(examples().texts)
