"""Similarity of passages to examples of attacks, against harmless examples of the same words.

By character n-grams weighted by their rarity among the examples (TF-IDF: G. Salton, C. Buckley, "Term-weighting
approaches in automatic text retrieval", 1988), or by an embedding model. A passage counts by how much nearer it is to
an attack than to anything harmless.
"""

from __future__ import annotations

import functools
import hashlib
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from curation.malicious.config import Kind
from curation.malicious.finding import Signal
from curation.malicious.fold import fold

_FILE = Path(__file__).with_name("exemplars.txt")
LONG = 600  # characters of a text that is read only where something was seen
_BUCKETS = 8192
_SIZES = (3, 4, 5)
_SENTENCE = re.compile(r"[^\s.!?][^.!?\n]{11,400}")
_NGRAMS = (0.38, 0.03)  # similarity to an attack, and how much nearer it is than to a harmless example
_MAYBE = 0.18  # similarity of letters from which the embedding model is asked
_MEANING = (0.47, 0.0)
_WEIGHT = 0.55
_WEIGHT_LONG = 0.3  # in the middle of a long text a resemblance alone is not enough
_WORDS = 4

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


def signals(text: str, meaning: bool, about: Sequence[tuple[int, int]] = ()) -> Iterator[Signal]:
    """What is found in a folded text; spans are of that text.

    Args:
        meaning: ask an embedding model about passages that share some letters with an attack.
        about: stretches in which something was seen already; a text over 600 characters is read only there.
    """
    spans = [m.span() for m in _SENTENCE.finditer(text) if m[0].count(" ") >= _WORDS - 1]
    if len(text) > LONG:
        spans = [(a, b) for a, b in spans if any(a < end and start < b for start, end in about)]
    if not spans:
        return
    kinds = examples().kinds
    least, margin = _NGRAMS
    near = _by_letters(text, spans)
    attack, harmless = near[:, : len(kinds)].max(axis=1), near[:, len(kinds) :].max(axis=1)
    best = near[:, : len(kinds)].argmax(axis=1)
    sure = (attack >= least) & (attack - harmless >= margin)
    if meaning:
        asked = np.flatnonzero(attack >= _MAYBE)
        if len(asked):
            least, margin = _MEANING
            near = _by_meaning([text[a:b] for a, b in (spans[i] for i in asked)])
            attack[asked], harmless[asked] = near[:, : len(kinds)].max(axis=1), near[:, len(kinds) :].max(axis=1)
            best[asked] = near[:, : len(kinds)].argmax(axis=1)
            sure[asked] = (attack[asked] >= least) & (attack[asked] - harmless[asked] >= margin)
    for i in np.flatnonzero(sure):
        yield Signal(kinds[int(best[i])], *spans[i], _WEIGHT if len(text) <= LONG else _WEIGHT_LONG, "exemplar")


def by_meaning(method: str) -> bool:
    """Is an embedding model asked? With ``auto``, where there is one on this machine."""
    return method == "embeddings" or (method == "auto" and _model_here())


@functools.cache
def _model_here() -> bool:
    from curation import embed

    return embed.available()


def _by_letters(text: str, spans: Sequence[tuple[int, int]]) -> Matrix:
    rows, idf = _letters()
    out: Matrix = np.zeros((len(spans), rows.shape[0]), np.float32)
    for i, (start, end) in enumerate(spans):
        places, counts = _grams(text[start:end])
        weights = counts * idf[places]
        norm = float(np.linalg.norm(weights)) or 1.0
        out[i] = rows[:, places] @ (weights / norm)
    return out


@functools.cache
def _letters() -> tuple[Matrix, npt.NDArray[np.float32]]:
    """Unit rows of the examples (e, buckets), and the weight of each bucket."""
    made = [_grams(fold(text).text) for text in examples().texts]
    seen = np.zeros(_BUCKETS, np.float32)
    for places, _ in made:
        seen[places] += 1
    idf = (np.log((1 + len(made)) / (1 + seen)) + 1).astype(np.float32)
    rows: Matrix = np.zeros((len(made), _BUCKETS), np.float32)
    for row, (places, counts) in zip(rows, made, strict=True):
        row[places] = counts * idf[places]
        row /= np.linalg.norm(row) or 1
    return rows, idf


def _grams(text: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Buckets of the character n-grams of the words, and the logarithm of how often each is there, plus one."""
    counts: Counter[int] = Counter()
    for word in re.findall(r"\w+", text):
        padded = f" {word[:40]} ".encode("utf-8", "surrogatepass")
        for size in _SIZES:
            counts.update(zlib.crc32(padded[i : i + size]) % _BUCKETS for i in range(max(1, len(padded) - size + 1)))
    places = np.fromiter(counts, np.int64, len(counts))
    return places, (1 + np.log(np.fromiter(counts.values(), np.float32, len(counts)))).astype(np.float32)


def _by_meaning(passages: Sequence[str]) -> Matrix:
    from curation import embed

    model = embed.load()
    return cast(Matrix, model.encode(passages) @ _meanings().T)


@functools.cache
def _meanings() -> Matrix:
    from curation import embed

    return embed.load().encode(examples().texts)
