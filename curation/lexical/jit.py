"""Compiles functions with numba, once for a machine: the machine code is kept in a cache folder.

numba itself looks for a place: beside the package, else in the user's cache folder; ``NUMBA_CACHE_DIR`` names
another. Where none can be written to, each process compiles for itself (about ten seconds).

Importing this module imports numba (half a second): only what has much to do should.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compile at the first call, or take the compiled code from the cache; runs without holding the GIL."""
    try:
        return cast(F, numba.njit(cache=True, nogil=True)(function))
    except RuntimeError:  # no place for a cache
        return cast(F, numba.njit(nogil=True)(function))
