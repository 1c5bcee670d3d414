"""How much a passage is worded like an attack: by its words, and by the examples that it resembles.

Two logistic regressions (D. R. Cox, "The regression analysis of binary sequences", 1958), one upon the other. The first
sums weights of words, kinds of words and pairs of either; a feature counts once, and all features of a passage have
length one together, so that long ones do not score by their length. The second weighs that sum and the likeness to the
nearest attack and to the nearest harmless example. All weights lie readable in ``wording.tsv``, which
:mod:`curation.malicious.fit` makes.
"""

from __future__ import annotations

import functools
import hashlib
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from curation.malicious import exemplars
from curation.malicious.config import Kind
from curation.malicious.finding import WORDING, Signal
from curation.malicious.grammar import grammar
from curation.malicious.passages import LONG, UNSPACED, passages

FILE = Path(__file__).with_name("wording.tsv")
KINDS = (
    # Classes of the patterns' file that are a feature beside the word itself; of several, the first.
    "CREDENTIAL", "LANGUAGE", "SHAPE", "OUTPUT", "PERSONAL", "SNIPPET", "ORDERS", "MACHINE", "DROP", "LOOSE", "LEAK",
    "PUT", "UNDO", "EARLIER",
)  # fmt: skip
BY_LETTERS = (":letters words", ":letters attack", ":letters harmless", ":letters bias")
BY_MEANING = (
    ":meaning words",
    ":meaning attack",
    ":meaning harmless",
    ":meaning attack sense",
    ":meaning harmless sense",
    ":meaning bias",
)
_TOKEN = re.compile(r"\w+(?:['-]\w+)*|[?!？！]")
_DIGITS = re.compile(r"\d+")
_MARKER = re.compile(r"\[(?:removed|secret): \w{1,40}\]")  # what neutralise leaves is no wording
_MOST = 200  # words of a passage that are read
_UNKNOWN = 6
_WORDS = 3
_LEAST = 0.25  # probability below which nothing is said
_MAYBE = 0.1  # the same, from which the embedding model is asked
_WEIGHT = 0.95  # of a passage that is certainly worded so; more than SUSPECT it does not make
_WEIGHT_LONG = 0.3  # in the middle of a long text

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Wording:
    """Weights of the features, of the first sum's parts by name (those that begin with ``:``), and the bias."""

    weights: dict[str, float]
    bias: float
    sha256: str

    def words(self, passage: str) -> float:
        """The first sum, in log odds, of a folded passage."""
        seen = features(passage)
        return sum(self.weights.get(feature, 0.0) for feature in seen) * length(seen) + self.bias

    def probabilities(self, columns: Vector, names: Sequence[str]) -> Vector:
        """How probable it is that passages are attacks (p,), of what is known of them (p, k) in the order of names."""
        weights = np.array([self.weights.get(name, 0.0) for name in names])
        return np.asarray(1 / (1 + np.exp(-columns @ weights[:-1] - weights[-1])))


def features(passage: str) -> set[str]:
    """Words, kinds of words, and pairs of either in a folded passage; ``^`` stands for its beginning."""
    words = _words(passage)
    kinds = [_kinds().get(word, word) for word in words]
    out = {*words, *kinds}
    for row in (words, kinds):
        out.update(f"{a} {b}" for a, b in pairwise(("^", *row)))
    return out


def length(seen: set[str]) -> float:
    """The value of each feature of a passage; some unknown ones are added, so that two words alone say little."""
    return 1 / math.sqrt(len(seen) + _UNKNOWN)


def signals(text: str, meaning: bool = False, about: Sequence[tuple[int, int]] = ()) -> Iterator[Signal]:
    """What is found in a folded text; spans are of that text.

    Args:
        meaning: ask an embedding model too.
        about: stretches in which something was seen already; a text over 600 characters is read only there.

    Raises:
        DatagenError: the embedding model cannot be loaded.
    """
    spans = passages(text, about, _WORDS)
    if not spans:
        return
    if len(text) <= LONG:
        spans.append((len(text) - len(text.lstrip()), len(text.rstrip())))
    shares, kinds = judged([text[a:b] for a, b in spans], meaning)
    weight = _WEIGHT if len(text) <= LONG else _WEIGHT_LONG
    best = max(shares[:-1], default=0.0)
    for i, (start, end) in enumerate(spans):
        whole = i == len(spans) - 1 and len(text) <= LONG
        if shares[i] >= _LEAST and not (whole and shares[i] <= best):
            yield Signal(kinds[i], start, end, weight * float(shares[i]), WORDING)


def judged(texts: Sequence[str], meaning: bool) -> tuple[Vector, list[Kind]]:
    """How probable it is that folded passages are attacks (p,), and the kind of the attack that each resembles most.

    Raises:
        DatagenError: the embedding model cannot be loaded.
    """
    weights = wording()
    texts = [_MARKER.sub(" ", text) for text in texts]
    known = exemplars.examples().kinds
    near = exemplars.by_letters(texts)
    columns = np.column_stack([[weights.words(text) for text in texts], *nearest(near)])
    shares = weights.probabilities(columns, BY_LETTERS)
    kinds = [known[int(i)] for i in near[:, : len(known)].argmax(axis=1)]
    asked = np.flatnonzero(shares >= _MAYBE) if meaning else np.zeros(0, np.int64)
    if len(asked):
        sense = nearest(exemplars.by_meaning([texts[int(i)] for i in asked]))
        shares[asked] = weights.probabilities(np.column_stack([columns[asked], *sense]), BY_MEANING)
    return shares, kinds


def nearest(likeness: exemplars.Matrix) -> tuple[Vector, Vector]:
    """Of the likeness to each example (p, e) the greatest to an attack and to a harmless one (p,)."""
    attacks = len(exemplars.examples().kinds)
    return (
        likeness[:, :attacks].max(axis=1).astype(np.float64),
        likeness[:, attacks:].max(axis=1).astype(np.float64),
    )


def _words(passage: str) -> list[str]:
    """At most 200 words; of a script without blanks, pairs of characters."""
    out: list[str] = []
    for found in _TOKEN.finditer(passage):
        word = found[0]
        if not word.isascii() and UNSPACED.search(word):
            out += [word[i : i + 2] for i in range(min(_MOST, max(1, len(word) - 1)))]
        else:
            out.append(_DIGITS.sub("#", word[:40]))
        if len(out) >= _MOST:
            break
    return out


@functools.cache
def _kinds() -> dict[str, str]:
    out: dict[str, str] = {}
    for name in KINDS:
        for word in grammar().classes[name]:
            out.setdefault(word, f"@{name.lower()}")
    return out


@functools.cache
def wording() -> Wording:
    """The weights of the file, read once in a process."""
    raw = FILE.read_bytes()
    weights: dict[str, float] = {}
    for line in raw.decode().splitlines():
        if line and not line.startswith("#\t# "):
            feature, _, weight = line.rpartition("\t")
            weights[feature] = float(weight)
    return Wording(weights, weights.pop("", 0.0), hashlib.sha256(raw).hexdigest())
