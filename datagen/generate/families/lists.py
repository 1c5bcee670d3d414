"""The lists that the recipe ``tasks`` draws from: wordings, forms, labels. A file that users edit."""

from __future__ import annotations

import math
from pathlib import Path

from datagen.core.errors import UsageError
from datagen.llm import prompts

FILE = "generate/tasks/lists.yaml"
MAX_BYTES = 1_000_000
MAX_VALUES = 200  # of one list: labels are shown in every instruction
MAX_VALUE = 200  # characters

Lists = dict[str, dict[str, float]]


def load(folder: str) -> Lists:
    """Every list of the shipped file, those replaced that the user's file has too.

    Args:
        folder: the user's prompts folder, or "".

    Returns:
        List → value → weight, in the order of the file; weights are positive, no list is empty.

    Raises:
        UsageError: the file is no mapping of lists, names an unknown one, has an empty one or a weight that is no
            number from 0 up.
    """
    shipped = _read(prompts.shipped() / FILE)
    own = _read(prompts.locate(FILE, folder))
    if surplus := set(own) - set(shipped):
        raise _wrong(f"It has the list {min(surplus)!r}, which no family draws from; known are {', '.join(shipped)}")
    return shipped | own


def _read(path: Path) -> Lists:
    import yaml

    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        tree = yaml.safe_load(data.decode("utf-8")) if len(data) <= MAX_BYTES else None
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise _wrong(f"It cannot be read ({type(error).__name__})") from error
    if not isinstance(tree, dict):
        raise _wrong("It is no mapping of names to lists, or over 1 MB")
    return {str(name): _weights(str(name), values) for name, values in tree.items()}


def _weights(name: str, values: object) -> dict[str, float]:
    if isinstance(values, list):
        values = dict.fromkeys(values, 1) if all(isinstance(value, str) for value in values) else None
    if not isinstance(values, dict) or len(values) > MAX_VALUES:
        raise _wrong(f"{name} is neither a list of texts nor a mapping of texts to weights, or over {MAX_VALUES} long")
    found: dict[str, float] = {}
    for value, weight in values.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < math.inf:
            raise _wrong(f"The weight of {name}: {str(value)[:80]!r} is no number from 0 up")
        if not str(value).strip() or len(str(value)) > MAX_VALUE:
            raise _wrong(f"A value of {name} is empty or over {MAX_VALUE} characters")
        if weight:
            found[str(value)] = float(weight)
    if not found:
        raise _wrong(f"{name} has no value")
    return found


def _wrong(why: str) -> UsageError:
    return UsageError(f"The file {FILE} cannot be used.", f"{why}.", "Correct it, or take the shipped one.")
