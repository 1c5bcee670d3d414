"""What the kernel has to know of each code point, made from the definitions in :mod:`curation.words`."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curation.words import JOINERS
from datagen.core.typography import SINGLE, TYPOGRAPHIC, marks

# Kinds of code points. Those of one word: WORD begins it, MARK and JOIN go on with it.
SIGN, SPACE, WORD, MARK, JOIN, ALONE, NOTHING, SEVERAL = range(8)
KIND_SHIFT = 21  # an entry is the kind above the folded code point, of which there are fewer than 2^21
_PARTS = ((0, 0x33500), (0xE0000, 0xE0200))  # where Unicode 17 has anything but private use; the rest is all signs


class Tables(NamedTuple):
    """Two-level table: entry of code point c is ``entries[blocks[c >> 8] << 8 | c & 255]``.

    Attributes:
        blocks: (4352,) number of each 256 code points' block; -1 where all are signs that do not change.
        entries: kind and folded code point; for SEVERAL the place in ``several`` instead.
        several: runs of entries, each after their number: what folds to more than one (ß to ss).
    """

    blocks: npt.NDArray[np.int32]
    entries: npt.NDArray[np.uint32]
    several: npt.NDArray[np.uint32]


@functools.cache
def tables() -> Tables:
    """The tables of this Python's version of Unicode; made once a process, in some hundredths of a second."""
    points = np.concatenate([np.arange(start, stop) for start, stop in _PARTS])
    letters = list(map(chr, points.tolist()))
    places = {c: place for place, c in enumerate(letters)}
    kinds = np.full(len(points), SIGN, np.uint32)
    kinds[np.fromiter(map(str.isspace, letters), np.bool_, len(letters))] = SPACE
    kinds[[places[c] for c in JOINERS]] = JOIN
    kinds[[places[chr(c)] for c in marks()]] = MARK
    kinds[np.fromiter(map(str.isalnum, letters), np.bool_, len(letters))] = WORD
    kinds[places["_"]] = WORD
    for first, last in SINGLE:
        part = (points >= first) & (points <= last) & ((kinds == WORD) | (kinds == MARK))
        kinds[part] = ALONE
    own = kinds << np.uint32(KIND_SHIFT) | points.astype(np.uint32)
    entries = own.copy()
    several: list[int] = []
    changed = {place: f for place, (c, f) in enumerate(zip(letters, map(str.casefold, letters), strict=True)) if c != f}
    changed |= {places[c]: c for c in map(chr, TYPOGRAPHIC)}
    for place, folded in changed.items():
        folded = folded.translate(TYPOGRAPHIC)
        if len(folded) == 1:
            entries[place] = own[places[folded]]
        elif not folded:
            entries[place] = NOTHING << KIND_SHIFT
        else:
            entries[place] = SEVERAL << KIND_SHIFT | len(several)
            several += [len(folded), *(int(own[places[c]]) for c in folded)]
    blocks = np.full(0x1100, -1, np.int32)
    blocks[np.unique(points >> 8)] = np.arange(len(points) // 256)
    return Tables(blocks, entries, np.array(several, np.uint32))
