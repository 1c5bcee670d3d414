"""Families whose result is a text made of the input: summaries, translations, rewritten paragraphs."""

from __future__ import annotations

from pydantic import Field

from datagen.core.record import Verdict
from datagen.generate.families.base import STAGE, Brief, Family, Made, Strict, chosen, copied, unknown
from datagen.generate.textual import count, shared

SHORTER = 0.6  # a summary's words at most, as a share of the input's
SUMMARY_COPIES, REWRITING_COPIES, TRANSLATION_COPIES = 0.8, 0.7, 0.5  # of the result in one stretch of the input
RELATED = 0.1  # least share of a rewritten text's words that are the input's
LENGTHS = (0.2, 4.0)  # characters of a translation, as a share of the original's: between dense and wordy scripts


class Summary(Strict):
    """What a model gives for a summary."""

    instruction: str
    summary: str


def summarised(brief: Brief, reply: Summary) -> Made:
    """A summary of the passage: clearly shorter, and not one stretch of it."""
    output = reply.summary.strip()
    said, of = count(output), count(brief.text)
    verdict = copied(output, brief.text, SUMMARY_COPIES)
    if said > SHORTER * of:
        evidence = f"{said} words for {of}, at most {SHORTER:.0%} wanted"
        verdict = Verdict(stage=STAGE, reason="not_shorter", evidence=evidence)
    return Made(brief.told(reply.instruction), output, (brief.source(),), verdict)


class Rewriting(Strict):
    """What a model gives for a rewritten paragraph."""

    instruction: str
    rewriting: str


def rewritten(brief: Brief, reply: Rewriting) -> Made:
    """The paragraph in another form: changed, and still about the same."""
    output = reply.rewriting.strip()
    verdict = copied(output, brief.text, REWRITING_COPIES)
    if verdict is None and shared(output, brief.text) < RELATED:
        evidence = f"{shared(output, brief.text):.0%} of its words are the input's, at least {RELATED:.0%} wanted"
        verdict = Verdict(stage=STAGE, reason="unrelated", evidence=evidence)
    return Made(brief.told(reply.instruction), output, (brief.source(),), verdict)


class Translation(Strict):
    """What a model gives for a translation. The language comes first, so that the rest follows from it."""

    language: str = Field(description="The language translated into, one of those offered.")
    instruction: str
    translation: str


def translated(brief: Brief, reply: Translation) -> Made:
    """The paragraph in another language; which one the curation rules check."""
    output = reply.translation.strip()
    language = chosen(reply.language, brief.choices)
    length = len(output) / max(1, len(brief.text))
    verdict = copied(output, brief.text, TRANSLATION_COPIES)
    if not LENGTHS[0] <= length <= LENGTHS[1]:
        evidence = f"{length:.2f} times as long as the original, {LENGTHS[0]:g} to {LENGTHS[1]:g} wanted"
        verdict = Verdict(stage=STAGE, reason="odd_length", evidence=evidence)
    if not language:
        verdict = unknown(reply.language, brief.choices)
    return Made(brief.told(reply.instruction), output, (brief.source(),), verdict, {"form": language or "unknown"})


SUMMARISATION = Family("summarisation", "rouge", summarised, Summary, forms="summary")
REWRITING = Family("rewriting", "rouge", rewritten, Rewriting, input="paragraph", forms="rewriting")
TRANSLATION = Family(
    "translation", "bleu_chrf", translated, Translation, input="paragraph", choices="languages", chooses="language"
)
