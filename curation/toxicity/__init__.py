"""Hate against protected groups, and profanity, in plain texts and as a stage.

>>> from curation import toxicity
>>> toxicity.score(["Nobody should hate immigrants."])
[0.09]
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from curation.toxicity.config import ToxicityConfig

if TYPE_CHECKING:
    from curation.toxicity.scoring import Status, scan, score, status
    from curation.toxicity.stage import Toxicity
    from curation.toxicity.statements import Finding, find

__all__ = ["Finding", "Status", "Toxicity", "ToxicityConfig", "find", "scan", "score", "status"]

# The command line loads the configuration alone; the rest is loaded when it is asked for.
_HOMES = {
    "Finding": "statements",
    "find": "statements",
    "Status": "scoring",
    "scan": "scoring",
    "score": "scoring",
    "status": "scoring",
    "Toxicity": "stage",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
