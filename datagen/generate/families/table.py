"""The table of task families."""

from __future__ import annotations

from typing import Any

from datagen.generate.families.base import Family
from datagen.generate.families.continuation import CONTINUATION
from datagen.generate.families.extraction import EXTRACTION
from datagen.generate.families.labels import SENTIMENT, TOPIC
from datagen.generate.families.questions import CLOSED_BOOK_QA, IN_CONTEXT_QA
from datagen.generate.families.texts import REWRITING, SUMMARISATION, TRANSLATION

FAMILIES: dict[str, Family[Any]] = {
    family.name: family
    for family in (
        SUMMARISATION,
        CLOSED_BOOK_QA,
        IN_CONTEXT_QA,
        TRANSLATION,
        SENTIMENT,
        TOPIC,
        EXTRACTION,
        REWRITING,
        CONTINUATION,
    )
}
"""All families by name, in the order of ``generator.tasks.families``."""
