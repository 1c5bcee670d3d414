"""Values in base64 (RFC 4648, section 4): decoded, searched, and reported where they stand encoded."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator

from curation.pii.names import full_name
from curation.pii.page import Found, Page

_BASE64 = re.compile(r"(?<![\w+/=.-])[A-Za-z0-9+/]{12,4000}={0,2}(?![\w+/=])")
_TEXT = re.compile(r"[^\W\d_][\w .,:;@'+()&/\"{}\[\]|=-]{5,}")


def encoded(page: Page, search: Callable[[str], list[Found]]) -> Iterator[Found]:
    """Base64 words that hold personal data once decoded.

    Args:
        page: the text.
        search: what is asked of each decoded text.
    """
    for match in page.matches(_BASE64):
        value = match[0]
        if (
            len(value) % 4
            or (value.isalpha() and (value.islower() or value.istitle() or value.isupper()))
            or value.isdigit()
        ):
            continue
        try:
            plain = base64.b64decode(value, validate=True).decode("utf-8")
        except (binascii.Error, ValueError):
            continue
        if not _TEXT.fullmatch(plain):
            continue
        if full_name(plain):
            yield Found(match.start(), match.end(), "PERSON", 0.6)
            continue
        inner = search(plain)
        if inner:
            best = max(inner, key=lambda found: found.score)
            yield Found(match.start(), match.end(), best.type, min(best.score, 0.8))
