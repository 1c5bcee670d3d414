"""Stable hashes of values: the same value gives the same text on every machine and Python version."""

from __future__ import annotations

import hashlib
import json
from typing import Any

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def canonical(value: Any) -> str:
    """JSON with sorted keys and no white space; raises TypeError or ValueError for what JSON cannot hold."""
    return _encode(value)


def digest(value: Any, length: int = 32) -> str:
    """BLAKE2b (RFC 7693) of ``canonical(value)`` as ``length`` hexadecimal characters."""
    return digest_canonical(canonical(value).encode("utf-8", "surrogatepass"), length=length)


def digest_canonical(*parts: bytes, length: int = 32) -> str:
    """The same of a value that is in canonical form already, in UTF-8; its parts are joined."""
    return hashlib.blake2b(b"".join(parts), digest_size=32).hexdigest()[:length]


def sha256(data: bytes) -> str:
    """SHA-256 (FIPS 180-4) of bytes as 64 hexadecimal characters."""
    return hashlib.sha256(data).hexdigest()


def fraction(value: Any) -> float:
    """A number in [0, 1) that depends on nothing but the value: a seeded draw that needs no state."""
    return int(digest(value, 13), 16) / 16**13
