"""Families whose result is one label of a closed set: sentiment and topic."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from datagen.core.record import Verdict
from datagen.generate.families.base import STAGE, Brief, Family, Made, Strict, chosen, unknown
from datagen.generate.ground import locate
from datagen.generate.textual import count

MIN_WORDS = 4  # of a stretch whose sentiment is asked for: less shows none

# How the closed set is written below the instruction (opening, between, closing): signs alone, so that it fits any
# language.
_SIGNS = (("", " / ", ""), ("- ", "\n- ", ""), ("", ", ", ""), ("[", " | ", "]"))


def listed(labels: Sequence[str], place: float) -> str:
    """The closed set as text, in one of a few layouts and turned, so that neither order nor form is learnt.

    Args:
        place: in [0, 1), what layout and order follow from.
    """
    number = int(place * len(_SIGNS) * len(labels))
    opening, between, closing = _SIGNS[number // len(labels)]
    shift = number % len(labels)
    return opening + between.join([*labels[shift:], *labels[:shift]]) + closing


class Sentiment(Strict):
    """What a model gives for the sentiment of a stretch of the passage."""

    quote: str = Field(description="One or a few sentences, copied from the passage character by character.")
    label: str
    instruction: str


def felt(brief: Brief, reply: Sentiment) -> Made:
    """The sentiment of a verbatim stretch."""
    label = chosen(reply.label, brief.choices)
    span = locate(reply.quote, brief.text)
    instruction = f"{reply.instruction.strip()}\n{listed(brief.choices, brief.place)}"
    if span is None:
        evidence = f"not in the passage: {reply.quote[:200]!r}"
        verdict = Verdict(stage=STAGE, reason="ungrounded", evidence=evidence)
        return Made(brief.told(instruction, reply.quote.strip()), label or reply.label, (), verdict)
    quote = brief.quote(brief.start + span[0], brief.start + span[1])
    problem = None if label else unknown(reply.label, brief.choices)
    if count(quote.text) < MIN_WORDS:
        evidence = f"{count(quote.text)} words, at least {MIN_WORDS} wanted"
        problem = Verdict(stage=STAGE, reason="too_short", evidence=evidence)
    return Made(brief.told(instruction, quote.text), label or reply.label, (quote,), problem)


class Topic(Strict):
    """What a model gives for the topic of a paragraph."""

    label: str
    instruction: str


def filed(brief: Brief, reply: Topic) -> Made:
    """The topic of a paragraph."""
    label = chosen(reply.label, brief.choices)
    instruction = f"{reply.instruction.strip()}\n{listed(brief.choices, brief.place)}"
    problem = None if label else unknown(reply.label, brief.choices)
    return Made(brief.told(instruction), label or reply.label, (brief.source(),), problem)


SENTIMENT = Family("sentiment", "accuracy_f1", felt, Sentiment, choices="sentiment", chooses="label")
TOPIC = Family("topic", "accuracy_f1", filed, Topic, input="paragraph", choices="topic", chooses="label")
