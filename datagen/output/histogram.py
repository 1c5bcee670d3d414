"""Distributions counted in one pass: scores by criterion, and how long samples are in tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

_MAX_LENGTHS = (128, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 12288, 16384, 32768, 65536, 131072)
_COVER = 0.99  # of the kept samples fit the suggested length whole
_CHARACTERS_A_TOKEN = 4.0  # rule of thumb for English, used only where no chunk was counted
_TOKENS_A_TURN = 5  # what a ChatML template adds to a turn: start, role, line end, end, line end
_MOST_BINS = 28


class Scores:
    """Counts of scores, to two decimals."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[float]] = {}

    def add(self, scores: Mapping[str, float]) -> None:
        """Count one sample's scores."""
        for name, value in scores.items():
            self._counts.setdefault(name, Counter())[round(value, 2)] += 1

    def as_dict(self) -> dict[str, Any]:
        """``{criterion: {"count", "mean", "values": {"4.5": n}}}``, criteria and values ascending."""
        out: dict[str, Any] = {}
        for name, counts in sorted(self._counts.items()):
            total = counts.total()
            out[name] = {
                "count": total,
                "mean": round(sum(value * n for value, n in counts.items()) / total, 3),
                "values": {f"{value:g}": n for value, n in sorted(counts.items())},
            }
        return out


class Lengths:
    """Lengths of kept samples, counted in characters and told in tokens.

    A sample's tokens are its characters by the tokens a character that the run's own chunks have (by
    the tokenizer that cut them, or its estimate), and what a chat template adds to each turn.
    """

    def __init__(self) -> None:
        self._counts: Counter[tuple[int, int]] = Counter()
        self._characters = 0
        self._tokens = 0

    def calibrate(self, characters: int, tokens: int) -> None:
        """Learn from a chunk how many tokens a character is."""
        if tokens > 0:
            self._characters += characters
            self._tokens += tokens

    def add(self, characters: int, turns: int) -> None:
        """Count a sample."""
        self._counts[characters, turns] += 1

    def as_dict(self) -> dict[str, Any] | None:
        """Bins, percentiles and the length to train with, in tokens; None without samples."""
        if not self._counts:
            return None
        rate = self._tokens / self._characters if self._characters and self._tokens else 1 / _CHARACTERS_A_TOKEN
        tokens: Counter[int] = Counter()
        for (characters, turns), n in self._counts.items():
            tokens[max(1, round(characters * rate) + turns * _TOKENS_A_TURN)] += n
        ordered = sorted(tokens.items())
        total = tokens.total()
        longest = ordered[-1][0]
        suggested = next((m for m in _MAX_LENGTHS if _within(ordered, m) >= _COVER * total), longest)
        step = _step(_percentile(ordered, total, 0.995))
        bins = Counter[int]()
        for length, n in ordered:
            bins[min((length - 1) // step, _MOST_BINS - 1)] += n
        return {
            "estimate": "the run's chunks, as they were counted when cut" if self._tokens else "4 characters a token",
            "characters_per_token": round(1 / rate, 2),
            "bins": [
                {"from": i * step + 1, "to": longest if i == _MOST_BINS - 1 else (i + 1) * step, "count": bins[i]}
                for i in range(max(bins) + 1)
            ],
            "median": _percentile(ordered, total, 0.5),
            "p99": _percentile(ordered, total, 0.99),
            "longest": longest,
            "suggested_max_length": suggested,
            "longer": total - _within(ordered, suggested),
            "total": total,
        }


def _within(ordered: list[tuple[int, int]], most: int) -> int:
    return sum(n for length, n in ordered if length <= most)


def _percentile(ordered: list[tuple[int, int]], total: int, share: float) -> int:
    """The least length that at least ``share`` of all have."""
    seen = 0
    for length, n in ordered:
        seen += n
        if seen >= share * total:
            return length
    return ordered[-1][0]


def _step(most: int) -> int:
    """A round bin width with which ``most`` falls within the bins."""
    step = 4
    while step * _MOST_BINS < most:
        step *= 2
    return step
