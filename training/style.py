"""How far the style of texts is from an author's: divergence of their character trigrams.

Character n-grams are among the most telling marks of an author (E. Stamatatos, "A Survey of Modern Authorship
Attribution Methods", JASIST 2009). Two distributions of them are compared by the Jensen-Shannon divergence (J. Lin,
"Divergence Measures Based on the Shannon Entropy", IEEE Transactions on Information Theory 1991), in bits: 0 is the
same distribution, 1 nothing in common.

A short text has few of the trigrams that its author uses, so the figure falls with the length of the texts. It can
only be read against texts of about the same length: here against the references of the same prompts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from training.bootstrap import Floats, Measure

N = 3
KINDS = 2_000
"""Trigrams that are told apart, the author's most frequent; all others count as one."""
MAX_CHARACTERS = 2_000_000
"""Of the author's text that are counted; beyond a million the shares hardly move."""
_SPACE = re.compile(r"\s+")


class Style:
    """The style of an author.

    Args:
        texts: of theirs; the longer the better.

    Raises:
        ValueError: they hold no trigram.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        counted: Counter[str] = Counter()
        left = MAX_CHARACTERS
        for text in texts:
            counted.update(_trigrams(text[:left]))
            left -= len(text)
            if left <= 0:
                break
        if not counted:
            raise ValueError("there is no text to know a style by")
        frequent = sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:KINDS]
        self._place = {gram: i for i, (gram, _) in enumerate(frequent)}
        shares = np.array([count for _, count in frequent] + [0.0])
        shares[-1] = counted.total() - shares.sum()
        self._shares: Floats = shares / shares.sum()

    def distance(self, texts: Sequence[str]) -> Measure:
        """Divergence of ``texts`` from the author, in bits, as sums over the texts; undefined where all are empty."""
        table = np.zeros((len(texts), len(self._place) + 1))
        for i, text in enumerate(texts):
            for gram, count in Counter(_trigrams(text[:MAX_CHARACTERS])).items():
                table[i, self._place.get(gram, -1)] += count
        return Measure(table, self._divergence)

    def _divergence(self, sums: Floats) -> Floats:
        totals = sums.sum(axis=1, keepdims=True)
        shares = sums / np.where(totals > 0, totals, np.nan)
        middle = (shares + self._shares) / 2
        out: Floats = (_relative(shares, middle) + _relative(np.broadcast_to(self._shares, shares.shape), middle)) / 2
        return out


def _relative(p: Floats, q: Floats) -> Floats:
    """Kullback-Leibler divergence of each row, in bits; q is 0 nowhere where p is not."""
    with np.errstate(all="ignore"):
        terms = np.where(p > 0, p * np.log2(np.where(p > 0, p, 1) / np.where(q > 0, q, 1)), 0.0)
    terms[np.isnan(p)] = np.nan
    out: Floats = terms.sum(axis=1)
    return out


def _trigrams(text: str) -> list[str]:
    plain = _SPACE.sub(" ", text)
    return [plain[i : i + N] for i in range(len(plain) - N + 1)]
