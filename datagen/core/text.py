"""Text as UTF-8 can hold it."""

from __future__ import annotations

import re

_SURROGATE = re.compile("[\ud800-\udfff]")


def scrub(text: str) -> str:
    """``text`` with lone surrogates, which UTF-8 cannot hold, as U+FFFD, one for one.

    They are possible in the JSON escapes that a model or a file sends (RFC 8259, section 8.2).
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", text)
    return text
