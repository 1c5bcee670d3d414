"""Texts that are equal but for one word, whatever their embeddings say: found by hashing, exactly.

Each text without each one of its words is a key; texts that share a key differ in one word at most (the
deletion neighbourhood of T. Bocek, E. Hunt, B. Stiller, "Fast Similarity Search in Large Dictionaries", 2007, on words
instead of letters). Where many texts share a key ("What is …?") only words that are alike are paired.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from curation.changes.compare import one_apart
from curation.changes.reading import read

MOST_WORDS = 200  # a text of more words has a high cosine with its variants anyway
_CROWD = 24  # texts with one key up to which each is paired with each
_BASE = np.uint64(0x9E3779B97F4A7C15)  # 2^64 divided by the golden ratio, odd


def variants(texts: Sequence[str], places: Sequence[int] | npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Pairs of texts that differ in one word at most, case, punctuation and function words aside; ascending.

    Args:
        places: of the texts to be looked at.

    Returns:
        (i, j), i < j, that count ``places``.
    """
    keys: list[npt.NDArray[np.uint64]] = []
    owners: list[npt.NDArray[np.int64]] = []
    removed: list[npt.NDArray[np.int64]] = []
    for number, at in enumerate(places):
        words = _words(texts[int(at)])
        if not 0 < len(words) <= MOST_WORDS:
            continue
        whole = _without_each(words)
        keys.append(whole)
        owners.append(np.full(len(whole), number, np.int64))
        removed.append(np.arange(-1, len(whole) - 1, dtype=np.int64))
    if not keys:
        return []
    key, owner, place = np.concatenate(keys), np.concatenate(owners), np.concatenate(removed)
    order = np.lexsort((owner, key))
    key, owner, place = key[order], owner[order], place[order]
    starts = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
    ends = np.append(starts[1:], len(key))
    out: set[tuple[int, int]] = set()
    for start, end in zip(starts[ends - starts > 1].tolist(), ends[ends - starts > 1].tolist(), strict=True):
        rows = dict(zip(owner[start:end].tolist(), place[start:end].tolist(), strict=True))
        if len(rows) > 1:
            out.update(_paired(rows, texts, places))
    return sorted(out)


def _paired(
    rows: dict[int, int], texts: Sequence[str], places: Sequence[int] | npt.NDArray[np.int64]
) -> Iterable[tuple[int, int]]:
    """Pairs of the texts with one key, given the place of the word that each of them is without (-1: none)."""
    if len(rows) <= _CROWD:
        return itertools.combinations(sorted(rows), 2)
    without = {
        number: _words(texts[int(places[number])])[place] if place >= 0 else "" for number, place in rows.items()
    }
    alike: defaultdict[str, set[int]] = defaultdict(set)
    for number, word in without.items():
        for key in {word, *(word[:i] + word[i + 1 :] for i in range(min(len(word), 24)))}:
            alike[key].add(number)
    out: set[tuple[int, int]] = set()
    for group in alike.values():
        members = sorted(group)
        # A crowd within the crowd is of equal words: its members are paired with the first alone.
        some = itertools.combinations(members, 2) if len(members) <= _CROWD else ((members[0], m) for m in members[1:])
        for a, b in some:
            if without[a] == without[b] or one_apart(without[a], without[b]):
                out.add((a, b))
    return out


def _words(text: str) -> list[str]:
    return [i.key for i in read(text) if i.kind not in _NOT]


_NOT = frozenset(("comma", "end", "stop", "link"))


def _without_each(words: Sequence[str]) -> npt.NDArray[np.uint64]:
    """Hashes of the row of words and of the row without its first, second … word: polynomials modulo 2^64."""
    values = np.array([hash_of(word) for word in words], np.uint64)
    size = len(values)
    powers = np.ones(size + 1, np.uint64)
    with np.errstate(over="ignore"):
        powers[1:] = np.multiply.accumulate(np.full(size, _BASE))
        before = np.concatenate([[np.uint64(0)], np.cumsum(values * powers[:size])])
        after = np.concatenate([[np.uint64(0)], np.cumsum(values[1:] * powers[: size - 1])]) if size > 1 else before[:1]
        # Without word k: those before keep their power, those after move one down.
        rest = before[:size] + (after[size - 1] - after[:size])
        return np.concatenate([before[size:], rest])


def hash_of(word: str) -> int:
    """64 bits that depend on nothing but the word."""
    known = _hashes.get(word)
    if known is None:
        if len(_hashes) > 300_000:
            _hashes.clear()
        data = word.encode("utf-8", "surrogatepass")
        known = _hashes[word] = int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")
    return known


_hashes: dict[str, int] = {}
