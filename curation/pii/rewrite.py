"""What becomes of the findings: a placeholder, a made-up value, a keyed hash; and where the rest of the text is."""

from __future__ import annotations

import bisect
import hashlib
import hmac
import os
import re
from collections.abc import Sequence

from curation.pii.config import PiiConfig
from curation.pii.normal import view
from curation.pii.surrogate import Surrogates
from curation.pii.types import IDENTIFIERS, NAMED, TYPES, Span
from datagen.core.errors import UsageError

_LETTERS = re.compile(r"[^\W\d_]+")
_HASH_LENGTH = 16


class Edits:
    """What was changed in a text, to carry offsets over.

    Args:
        changes: ``(start, end, length of what stands there now)``, ascending, none overlapping another.
    """

    def __init__(self, changes: Sequence[tuple[int, int, int]]) -> None:
        self._changes = list(changes)
        self._starts = [start for start, _, _ in changes]
        self._moved = [0]
        for start, end, length in changes:
            self._moved.append(self._moved[-1] + length - (end - start))

    def moved(self, place: int, *, end: bool = False) -> int:
        """Where an offset of the old text is in the new one.

        Args:
            place: the offset.
            end: does it end a span? One that lay within a changed value is then put behind what stands for it.
        """
        index = bisect.bisect_right(self._starts, place - end) - 1
        if index < 0:
            return place
        start, stop, length = self._changes[index]
        if place >= stop:
            return place + self._moved[index + 1]
        return start + self._moved[index] + (length if end else 0)


def acted_on(config: PiiConfig) -> frozenset[str]:
    """The types that are acted upon."""
    if config.act_on == "identifiers":
        return IDENTIFIERS
    return frozenset(TYPES) if config.act_on == "all" else frozenset(config.act_on)


def redact(text: str, spans: Sequence[Span], config: PiiConfig = PiiConfig()) -> str:
    """A text without what was found in it, as far as its type is acted upon.

    Args:
        text: as it was searched.
        spans: what :func:`curation.pii.find` found in it.
        config: ``action`` and ``act_on`` decide.

    Returns:
        The new text; with ``reject`` the text as it is.

    Raises:
        UsageError: ``hash`` without a key, ``replace`` without Faker.
    """
    return rewrite(text, spans, config)[0]


def rewrite(text: str, spans: Sequence[Span], config: PiiConfig, names: Sequence[str] = ()) -> tuple[str, Edits]:
    """The same as :func:`redact`, with the way from old offsets to new ones.

    Args:
        text, spans, config: as there.
        names: words of people's names known from elsewhere, as from the other messages of a sample.
    """
    types = acted_on(config)
    chosen = [span for span in sorted(spans) if span.type in types]
    if config.action == "reject" or not chosen:
        return text, Edits(())
    made = _values(text, spans, chosen, config, names)
    out: list[str] = []
    changes: list[tuple[int, int, int]] = []
    last = 0
    for span, new in zip(chosen, made, strict=True):
        if span.start < last:
            continue
        out += [text[last : span.start], new]
        changes.append((span.start, span.end, len(new)))
        last = span.end
    return "".join((*out, text[last:])), Edits(changes)


def name_words(text: str, spans: Sequence[Span]) -> list[str]:
    """The words of the people's names that were found in a text."""
    people = (view(text[span.start : span.end]).text for span in spans if span.type == "PERSON")
    return [word for person in people for word in _LETTERS.findall(person)]


def _values(
    text: str, spans: Sequence[Span], chosen: Sequence[Span], config: PiiConfig, names: Sequence[str]
) -> list[str]:
    if config.action == "redact":
        return [f"<{span.type}>" for span in chosen]
    if config.action == "hash":
        key = hash_key(config)
        return [f"<{s.type}:{_hash(key, s.type, text[s.start : s.end])}>" for s in chosen]
    makes = Surrogates(config.seed, config.locale, [*names, *name_words(text, spans)])
    return [makes.make(span.type, text[span.start : span.end]) for span in chosen]


def hash_key(config: PiiConfig) -> bytes:
    """The key of the hashes.

    Raises:
        UsageError: the environment variable is not set.
    """
    key = os.environ.get(config.key_env, "")
    if not key:
        raise UsageError(
            "Personal data cannot be hashed.",
            f"A hash without a key can be undone by trying, and {config.key_env} is not set.",
            f"Set a secret of your own: export {config.key_env}=…",
        )
    return key.encode("utf-8", "surrogateescape")


def _hash(key: bytes, kind: str, value: str) -> str:
    """HMAC-SHA-256 (RFC 2104), shortened, of a value without what does not tell it from others."""
    return hmac.new(key, normalised(kind, value).encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[
        :_HASH_LENGTH
    ]


def normalised(kind: str, value: str) -> str:
    """A value in the form in which two ways to write it are equal."""
    plain = view(value).text.casefold()
    if kind in NAMED or kind in ("ADDRESS", "EMAIL_ADDRESS", "URL", "SPECIAL_CATEGORY"):
        return " ".join(plain.split())
    return "".join(c for c in plain if c.isalnum())
