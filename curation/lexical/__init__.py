"""Near-copies by the words they share, fast: MinHash bands with exact verification, or an exact join.

A text is the set of its shingles, runs of ``ngram`` words (Broder, "On the resemblance and containment of
documents", 1997); two texts' similarity is the Jaccard index of their sets. :func:`near_pairs` is all that other
modules need; the rest is how it is done:

- ``rows``: texts → sorted shingle hashes in one array, signatures, hashes of bands; batches, threads.
- ``kernel``, ``join``: the compiled parts. ``plain``: the same for small inputs, without numba.
- ``bands``: how signatures are cut. ``tables``: what the kernel knows of Unicode. ``jit``: compiling and its cache.
- ``engine``: which of them looks.
"""

from __future__ import annotations

from collections.abc import Sequence

from curation.lexical.engine import search


def near_pairs(
    texts: Sequence[str], threshold: float = 0.8, ngram: int = 3, num_perm: int = 128, threads: int = 2
) -> list[tuple[int, int, float]]:
    """Pairs of near-copies among texts.

    Args:
        texts: any texts.
        threshold: least Jaccard index of word shingles, in (0, 1].
        ngram: words in a shingle, 1 to 255.
        num_perm: MinHash permutations.
        threads: at work at once; the result is the same for any number.

    Returns:
        (i, j, similarity) with i < j, ascending by j. Of equal texts each is paired with the first alone.
    """
    near = search(texts, threshold, ngram, num_perm, threads=threads)
    out = list(zip(near.left.tolist(), near.right.tolist(), near.similarity.tolist(), strict=True))
    out += [(first, j, 1.0) for j, first in enumerate(near.firsts.tolist()) if first != j]
    return sorted(out, key=lambda pair: (pair[1], pair[0]))
