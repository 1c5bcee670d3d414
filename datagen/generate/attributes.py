"""Planned diversity: lists of attribute values, and draws from them that are even and need no state."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

from datagen.core.errors import UsageError
from datagen.core.hashing import fraction
from datagen.llm import prompts

FILE = "generate/attributes.yaml"
MAX_BYTES = 1_000_000
# Kronecker sequences with the fractional parts of square roots of primes are of low discrepancy, each by
# itself and all together (L. Kuipers, H. Niederreiter, "Uniform Distribution of Sequences", 1974, ch. 2.3).
_STEPS = tuple(math.sqrt(prime) % 1 for prime in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47))


def load(folder: str, replaced: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """The lists of the attributes file, some of them replaced; empty ones and zero weights left out.

    Args:
        folder: the user's prompts folder, or "".
        replaced: attribute → value → weight, stronger than the file.

    Raises:
        UsageError: the file is no mapping of lists, or a weight is no number from 0 up.
    """
    import yaml

    path = prompts.locate(FILE, folder)
    try:
        data = path.read_bytes()
        tree = yaml.safe_load(data.decode("utf-8")) if len(data) <= MAX_BYTES else None
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise _wrong(f"It cannot be read ({type(error).__name__})") from error
    if tree is None:
        tree = {}
    if not isinstance(tree, dict):
        raise _wrong("It is no mapping of attributes to lists, or over 1 MB")
    lists = {str(name): _weights(str(name), values) for name, values in tree.items()}
    lists |= {name: dict(values) for name, values in replaced.items()}
    kept = {name: {v: w for v, w in values.items() if w > 0} for name, values in lists.items()}
    return {name: values for name, values in kept.items() if values}


def _weights(name: str, values: object) -> dict[str, float]:
    if values is None:
        return {}
    if isinstance(values, list):
        values = dict.fromkeys(map(str, values), 1)
    if not isinstance(values, dict):
        raise _wrong(f"{name} is neither a list of values nor a mapping of values to weights")
    found: dict[str, float] = {}
    for value, weight in values.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < math.inf:
            raise _wrong(f"The weight of {name}: {value} is no number from 0 up")
        found[str(value)] = float(weight)
    return found


def _wrong(why: str) -> UsageError:
    return UsageError(f"The file {FILE} cannot be used.", f"{why}.", "Correct it, or take the shipped one.")


def draw(axes: Mapping[str, Mapping[str, float]], key: object, position: int) -> dict[str, str]:
    """The value of each attribute for one sample.

    Along consecutive positions every value gets its share, and so does, in the long run, every
    combination; another key begins elsewhere.

    Args:
        axes: attribute → value → weight, weights positive.
        key: JSON value that names the sequence.
        position: in the sequence, from 0.
    """
    drawn: dict[str, str] = {}
    for place, (name, weights) in enumerate(sorted(axes.items())):
        at = (fraction([key, name]) + position * _STEPS[place % len(_STEPS)]) % 1.0
        drawn[name] = pick(weights, at)
    return drawn


def pick(weights: Mapping[str, float], at: float) -> str:
    """The value at a place in [0, 1) when the values are laid out side by side, as long as their weights."""
    total = sum(weights.values())
    for value, end in zip(weights, itertools.accumulate(weights.values()), strict=True):
        if at * total < end:
            return value
    return list(weights)[-1]  # rounding


def count(rate: float, key: object, position: int, turn: int = 0) -> int:
    """How many of something falls to one position if ``rate`` of them fall to each on average, spread evenly.

    Each ``turn`` begins where the one before it left off, so that 0.5 takes the other half next.
    """
    begin = (fraction(key) + turn * rate) % 1.0
    return math.floor(begin + rate * (position + 1)) - math.floor(begin + rate * position)
