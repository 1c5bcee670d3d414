"""Finds texts that repeat evaluation sets: word for word by n-grams, in other words by embeddings and what is said.

>>> from curation import decontaminate
>>> against = ["A robe takes 2 bolts of blue fiber and half that much white fiber. How many bolts does it take?"]
>>> found = decontaminate.match(["Name a planet.", against[0].upper()], against)
>>> [None if m is None else m.method for m in found]
[None, 'ngram']
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curation.decontaminate.against import Against as Against
    from curation.decontaminate.against import load_against as load_against
    from curation.decontaminate.check import CheckContaminated as CheckContaminated
    from curation.decontaminate.config import DecontaminateConfig as DecontaminateConfig
    from curation.decontaminate.matcher import Match as Match
    from curation.decontaminate.matcher import Matcher as Matcher
    from curation.decontaminate.matcher import match as match
    from curation.decontaminate.matcher import status as status
    from curation.decontaminate.own_split import DecontaminateSplit as DecontaminateSplit
    from curation.decontaminate.own_split import split_status as split_status
    from curation.decontaminate.stage import Decontaminate as Decontaminate

_HOMES = {
    "Against": "against",
    "CheckContaminated": "check",
    "Decontaminate": "stage",
    "DecontaminateConfig": "config",
    "DecontaminateSplit": "own_split",
    "Match": "matcher",
    "Matcher": "matcher",
    "load_against": "against",
    "match": "matcher",
    "split_status": "own_split",
    "status": "matcher",
}
__all__ = [
    "Against",
    "CheckContaminated",
    "Decontaminate",
    "DecontaminateConfig",
    "DecontaminateSplit",
    "Match",
    "Matcher",
    "load_against",
    "match",
    "split_status",
    "status",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
