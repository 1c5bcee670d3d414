"""YAML from a file that somebody else may have written, read with its size, its aliases and its numbers bounded.

PyYAML's safe loader runs no code, but a few lines may stand for far more than they hold: an alias of a list of
aliases multiplies at each step ("billion laughs", CWE-776), and so does a merge key (``<<``). The loader itself keeps
one object for all aliases; whoever copies the values afterwards does not.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from yaml import Node

MOST_BYTES = 2_000_000
"""Of a file: PyYAML reads some 200 kB a second."""
MOST_VALUES = 200_000
"""Values that a file may stand for, every alias counted as if it were written out."""
MOST_DIGITS = 400
"""Characters of a number: one in base 60, as YAML 1.1 has it, costs the square of its length."""
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


def read_yaml(path: Path) -> Any:
    """The values of a YAML file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no YAML, or too much of it; the text says what.
    """
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"{path.name} has over {MOST_BYTES // 1_000_000} MB")
    return parse_yaml(data.decode("utf-8"), path.name)


def parse_yaml(text: str, name: str) -> Any:
    """The values of a YAML text.

    Args:
        text: one document.
        name: what it is called in errors.

    Raises:
        ValueError: it is no YAML, or it stands for too much.
    """
    import yaml

    loader = None
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if root is None:
            return None
        if _size(root, {}) > MOST_VALUES:
            raise ValueError(f"{name} stands for over {MOST_VALUES:,} values with its aliases written out")
        return loader.construct_document(root)
    except RecursionError as error:
        raise ValueError(f"{name} is nested too deeply") from error
    except (yaml.YAMLError, TypeError, AttributeError, LookupError, OverflowError) as error:
        # What is no YAMLError comes from tags on values that they do not fit, as in `!!timestamp x`.
        raise ValueError(f"{name} is no YAML") from error
    finally:
        if loader is not None:
            loader.dispose()


def _size(node: Node, known: dict[int, int]) -> int:
    """Values that a node stands for. Raises ValueError for one that holds itself, or a number out of bounds."""
    import yaml

    if isinstance(node, yaml.ScalarNode):
        if node.tag in _NUMBERS and len(node.value) > MOST_DIGITS:
            raise ValueError("a number in it has too many digits")
        return 1
    found = known.get(id(node))
    if found is None:
        known[id(node)] = 0  # under way
        inside = node.value if isinstance(node, yaml.SequenceNode) else [part for pair in node.value for part in pair]
        found = known[id(node)] = 1 + sum(_size(part, known) for part in inside)
    elif not found:
        raise ValueError("a list or mapping in it holds itself")
    return found
