"""What was found, counted by type, with an example that shows nothing: ``j•••@e•••••.com``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from curation.pii.config import PiiConfig
from curation.pii.normal import view
from curation.pii.rewrite import acted_on
from curation.pii.types import Span
from datagen.core.record import Audit

STAGE = "pii"
DOT = "•"
_LONGEST = 48
_WORD = re.compile(r"[^\W_]+")
_LETTERED = frozenset({"PERSON", "LOCATION", "ORGANIZATION", "ADDRESS", "EMAIL_ADDRESS", "URL"})
_LEAST = 3  # letters of a word whose first one may be shown


def mask(value: str, kind: str) -> str:
    """A value with every letter and digit hidden: of names, addresses and e-mails the first letter of each word stays,
    of e-mails the end of the domain too."""
    plain = " ".join(view(value).text[: 4 * _LONGEST].split())
    plain = "".join(c for c in plain if c.isprintable())[:_LONGEST]
    ending = re.search(r"\.[A-Za-z]{2,6}$", plain) if kind == "EMAIL_ADDRESS" and len(plain) < _LONGEST else None
    body = plain[: ending.start()] if ending else plain

    def hide(match: re.Match[str]) -> str:
        word = match[0]
        if kind in _LETTERED and len(word) >= _LEAST and word[0].isalpha():
            return word[0] + DOT * (len(word) - 1)
        return DOT * len(word)

    return _WORD.sub(hide, body) + (ending[0] if ending else "")


def audit(texts: Sequence[str], spans: Sequence[Sequence[Span]], config: PiiConfig = PiiConfig()) -> list[Audit]:
    """Count findings by type.

    Args:
        texts: the texts.
        spans: what was found in each.
        config: decides what is said to have been done about each type.

    Returns:
        One for each type that was found, the most frequent first, the example masked.
    """
    acted = acted_on(config)
    counts: dict[str, int] = {}
    examples: dict[str, str] = {}
    for text, found in zip(texts, spans, strict=True):
        for span in found:
            counts[span.type] = counts.get(span.type, 0) + 1
            if span.type not in examples:
                examples[span.type] = mask(text[span.start : span.end], span.type)
    return [
        Audit(
            stage=STAGE, kind=kind, action=config.action if kind in acted else "none", count=n, example=examples[kind]
        )
        for kind, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]


def evidence(audits: Iterable[Audit]) -> str:
    """Findings for a verdict, as in ``2 EMAIL_ADDRESS (j•••@e•••••.com), 1 US_SSN (•••-••-••••)``."""
    return ", ".join(f"{a.count} {a.kind} ({a.example})" for a in audits)
