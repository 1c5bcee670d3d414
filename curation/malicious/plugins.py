"""The plugins of detect-secrets, on text: no files, no network."""

from __future__ import annotations

import functools
import importlib.util
import re
from collections.abc import Iterator
from typing import Any

from curation.malicious.finding import Finding
from curation.malicious.secrets import image, placeholder

# Those that judge by entropy or by a word before are noisy on prose and technical pages; our own rules do that part.
_LEFT_OUT = (
    "HighEntropyString",
    "KeywordDetector",
    "IPPublicDetector",
    "BasicAuthDetector",
    "IbmCosHmac",
    "PrivateKeyDetector",
    "JwtTokenDetector",
)
_ONE_WORD = ("AWS", "GitHub", "GitLab", "OpenAI", "OAuth", "SendGrid")  # names that are not cut at their capitals
_CANDIDATE = re.compile(r"[^\s\"'`<>]{16,400}")
_MIX = re.compile(r"\d")
_NEAR = 80  # characters before a candidate that plugins want to see


def available() -> bool:
    """Is detect-secrets installed?"""
    return importlib.util.find_spec("detect_secrets") is not None


@functools.cache
def plugins() -> tuple[Any, ...]:
    """Its plugins that know a form."""
    if not available():
        return ()
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    kinds: list[Any] = list(get_mapping_from_secret_type_to_class().values())
    return tuple(kind() for kind in sorted(kinds, key=lambda k: k.__name__) if not kind.__name__.endswith(_LEFT_OUT))


def found(text: str) -> Iterator[Finding]:
    """What they find near words that may be secrets (16 characters or more, with a digit)."""
    ready = plugins()
    if not ready:
        return
    last = 0
    for candidate in _CANDIDATE.finditer(text):
        if candidate.start() < last or not _MIX.search(candidate[0]) or image(text, candidate.start()):
            continue
        low = max(last, text.rfind("\n", 0, candidate.start()) + 1, candidate.start() - _NEAR)
        piece = text[low : candidate.end()]
        last = candidate.end()
        for plugin in ready:
            for secret in set(plugin.analyze_string(piece)):
                at = piece.find(secret) if isinstance(secret, str) and len(secret) >= 12 else -1
                if at >= 0 and not placeholder(secret):
                    yield Finding("secret", low + at, low + at + len(secret), 0.85, _snake(type(plugin).__name__))


def _snake(name: str) -> str:
    """``AWSKeyDetector`` as ``aws_key``."""
    name = name.removesuffix("Detector")
    for own in _ONE_WORD:
        name = name.replace(own, own.capitalize())
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
