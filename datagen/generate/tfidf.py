"""How alike texts are by the words they share, rare words counting more."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]

# Scripts that write no space between words: each character is a word.
_SINGLE = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_SINGLE}]|[^\W_{_SINGLE}]+")
_COMMON = 0.5  # share of the texts from which a word says nothing about any of them
_FEW = 4  # texts below which that share is not looked at


def words(text: str) -> list[str]:
    """The words of a text, case folded, in order."""
    return _WORD.findall(text.casefold())


class Index:
    """TF-IDF vectors of texts, with logarithmic term frequency (G. Salton, C. Buckley, "Term-weighting
    approaches in automatic text retrieval", 1988), and their cosines with others.

    Args:
        texts: n of them.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.size = len(texts)
        counted = [Counter(words(text)) for text in texts]
        held = Counter(word for counts in counted for word in counts)
        most = self.size * _COMMON if self.size >= _FEW else self.size
        self._idf = {word: math.log((self.size + 1) / n) for word, n in held.items() if n <= most}
        rows: dict[str, list[tuple[int, float]]] = {word: [] for word in self._idf}
        for place, counts in enumerate(counted):
            weights = self._weights(counts)
            norm = math.sqrt(sum(w * w for w in weights.values()))
            for word, weight in weights.items():
                rows[word].append((place, weight / norm))
        self._places = {word: np.array([place for place, _ in row], np.int64) for word, row in rows.items()}
        self._values = {word: np.array([value for _, value in row], np.float64) for word, row in rows.items()}

    def cosines(self, text: str) -> Vector:
        """(n,) cosine of each text with another one, in 0..1; 0 where they share no word that counts."""
        weights = self._weights(Counter(words(text)))
        if not weights:
            return np.zeros(self.size)
        weight = np.fromiter(weights.values(), np.float64, len(weights))
        held = [self._places[word] for word in weights]
        values = np.concatenate([self._values[word] for word in weights])
        values *= np.repeat(weight / math.sqrt(weight @ weight), [len(places) for places in held])
        return np.bincount(np.concatenate(held), values, self.size).astype(np.float64, copy=False)

    def _weights(self, counts: Counter[str]) -> dict[str, float]:
        idf = self._idf
        return {
            word: idf[word] if n == 1 else (1 + math.log(n)) * idf[word] for word, n in counts.items() if word in idf
        }
