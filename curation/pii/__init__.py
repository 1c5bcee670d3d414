"""Personal data: found in texts, then masked, replaced by made-up values, hashed, or counted.

The names here are loaded on first use: importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curation.pii.config import PiiConfig as PiiConfig
    from curation.pii.counts import audit as audit
    from curation.pii.counts import mask as mask
    from curation.pii.installed import status as status
    from curation.pii.rewrite import redact as redact
    from curation.pii.search import find as find
    from curation.pii.stage import Pii as Pii
    from curation.pii.types import Span as Span

_HOMES = {
    "Pii": "stage",
    "PiiConfig": "config",
    "Span": "types",
    "audit": "counts",
    "find": "search",
    "mask": "counts",
    "redact": "rewrite",
    "status": "installed",
}
__all__ = ["Pii", "PiiConfig", "Span", "audit", "find", "mask", "redact", "status"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
