"""The family ``extraction``: facts of a passage as a JSON object with stated keys."""

from __future__ import annotations

import json

from pydantic import Field

from datagen.core.record import Quote, Verdict
from datagen.generate.families.base import STAGE, Brief, Family, Made, Strict
from datagen.generate.ground import locate

MOST_FIELDS = 12


class Entry(Strict):
    """One key with its values."""

    key: str = Field(pattern="^[a-z][a-z0-9_]{0,39}$")
    quotes: list[str] = Field(description="Values, each copied from the passage; empty if it does not state one.")


class Extraction(Strict):
    """What a model gives for an extraction."""

    entries: list[Entry]
    instruction: str


def extracted(brief: Brief, reply: Extraction) -> Made:
    """A JSON object: a string for one value, a list for several, null for none; each value stands in the passage."""
    values: dict[str, str | list[str] | None] = {}
    quotes: list[Quote] = [brief.source()]
    verdict = None
    for entry in reply.entries[:MOST_FIELDS]:
        found: list[str] = []
        for said in entry.quotes:
            span = locate(said, brief.text)
            if span is None:
                evidence = f"{entry.key}: not in the passage: {said[:200]!r}"
                verdict = verdict or Verdict(stage=STAGE, reason="ungrounded", evidence=evidence)
                found.append(said)
                continue
            quote = brief.quote(brief.start + span[0], brief.start + span[1])
            found.append(" ".join(quote.text.split()))  # as it stands, line breaks aside
            quotes.append(quote)
        values[entry.key] = (found[0] if len(found) == 1 else found) if found else None
    if not any(values.values()):
        verdict = Verdict(stage=STAGE, reason="no_evidence", evidence="no key has a value")
    instruction = reply.instruction.strip()
    if any(key not in instruction for key in values):
        # The keys are stated, whatever the model forgot.
        instruction = f"{instruction}\n{json.dumps(dict.fromkeys(values, '…'), ensure_ascii=False)}"
    output = json.dumps(values, ensure_ascii=False)
    return Made(brief.told(instruction), output, tuple(dict.fromkeys(quotes)), verdict)


EXTRACTION = Family("extraction", "field_f1", extracted, Extraction, forms="extraction")
