"""An index of the word n-grams of evaluation texts.

n-gram overlap as a sign of contamination: T. Brown et al., "Language Models are Few-Shot Learners", 2020, appendix C
(13-grams). Questions are short, so shorter n-grams are taken here and the share that is covered decides.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from curation.minhash import shingle_all

COMMON = 3  # evaluation texts that may share an n-gram before it says nothing of one of them
COMMON_SHARE = 0.01  # the same as a share of all
LEAST = 3  # n-grams of an evaluation text that have to be found, where it has so many


class Ngrams:
    """n-grams of texts, by their 64-bit hashes (see :mod:`curation.minhash`).

    Args:
        texts: the evaluation texts.
        ngram: words in one; a text with fewer is one n-gram as a whole.
    """

    def __init__(self, texts: Sequence[str], ngram: int) -> None:
        self.ngram = ngram
        first: dict[str, int] = {}
        for i, text in enumerate(texts):
            first.setdefault(text, i)  # a text that is there often is no boilerplate
        hashes, owners = _hashes(list(first), ngram)
        owners = np.fromiter(first.values(), np.int64, len(first))[owners]
        order = np.argsort(hashes, kind="stable")
        hashes, owners = hashes[order], owners[order]
        held = np.unique(hashes, return_counts=True)[1]
        common = held > max(COMMON, COMMON_SHARE * len(first))
        telling = ~np.repeat(common, held)
        self._hashes, self._owners = hashes[telling], owners[telling]
        self._sizes = np.bincount(self._owners, minlength=len(texts))

    def covered(self, texts: Sequence[str]) -> list[tuple[int, float] | None]:
        """For each text the evaluation text of which it covers most, and the share of its n-grams; None: of none.

        Boilerplate, which several evaluation texts share, counts for none of them.
        """
        hashes, owners = _hashes(texts, self.ngram)
        low = np.searchsorted(self._hashes, hashes, "left")
        high = np.searchsorted(self._hashes, hashes, "right")
        hit = np.flatnonzero(high > low)
        found: dict[int, dict[int, int]] = {}
        for place in hit:
            counts = found.setdefault(int(owners[place]), {})
            for item in self._owners[low[place] : high[place]]:
                counts[int(item)] = counts.get(int(item), 0) + 1
        out: list[tuple[int, float] | None] = [None] * len(texts)
        for text, counts in found.items():
            shares = [
                (n / self._sizes[item], -item) for item, n in counts.items() if n >= min(LEAST, self._sizes[item])
            ]
            if shares:
                share, item = max(shares)
                out[text] = (-item, float(share))
        return out


def _hashes(texts: Sequence[str], ngram: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """The n-grams of all texts and whose each is."""
    parts: list[npt.NDArray[np.uint64]] = []
    owners: list[npt.NDArray[np.int64]] = []
    begun = 0
    for batch in shingle_all(texts, ngram):
        sizes = np.diff(batch.bounds)
        parts.append(np.asarray(batch.shingles, np.uint64))
        owners.append(np.repeat(np.arange(begun, begun + len(sizes)), sizes))
        begun += len(sizes)
    if not parts:
        return np.empty(0, np.uint64), np.empty(0, np.int64)
    return np.concatenate(parts), np.concatenate(owners)
