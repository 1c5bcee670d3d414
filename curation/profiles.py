"""Which rules a sample is held to: a label is not too short, and an author's own words are not to be judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from curation.language import code_of
from datagen.core.record import Sample

Shape = Literal["prose", "short", "label", "json", "own"]
"""What an answer is: ``prose``; ``short`` (a name, a value, a span); ``label``; ``json`` (one object); ``own`` (a
person's own words, which nothing but emptiness speaks against)."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What is looked at in a kind of sample.

    Attributes:
        answer: see :data:`Shape`.
        asks: is the first user message an instruction to be checked? False for people's chats.
        shows_input: does the instruction hold the text it is about? It may then speak of that text, and an answer
            out of its words is no echo.
        echo: is an answer out of the question's words alone no answer?
        language: which the answer has to be in: the ``source``'s, the one that was ``stated`` (else the source's), the
            ``target`` of a translation (else any), or ``any``.
        question_language: is the instruction held to a language too?
        many: may one input rightly carry several samples? They are then compared without it, but with the answer.
        by_form: is a result of another form (a language, a register) another sample, though the input is the same?
    """

    answer: Shape = "prose"
    asks: bool = True
    shows_input: bool = False
    echo: bool = True
    language: Literal["source", "stated", "target", "any"] = "stated"
    question_language: bool = True
    many: bool = False
    by_form: bool = False


DEFAULT = Profile()
_CLASS = Profile(answer="label", shows_input=True, echo=False, language="any", question_language=False)

RECIPES: dict[str, Profile] = {
    "style": Profile(answer="own", echo=False, language="source"),
    "chat": Profile(answer="own", asks=False, echo=False, language="any", question_language=False),
}
"""Recipes whose samples are held to other rules than questions and answers."""

WITH_INPUT = Profile(shows_input=True, echo=False)
"""An instruction with an input below it, as the recipe ``instruct`` makes them."""

FAMILIES: dict[str, Profile] = {
    "summarisation": Profile(shows_input=True, echo=False, question_language=False, by_form=True),
    "closed_book_qa": Profile(answer="short", echo=False),
    "in_context_qa": Profile(
        answer="short", shows_input=True, echo=False, language="any", question_language=False, many=True
    ),
    "translation": Profile(shows_input=True, language="target", question_language=False, by_form=True),
    "sentiment": _CLASS,
    "topic": _CLASS,
    "extraction": Profile(
        answer="json", shows_input=True, echo=False, language="any", question_language=False, many=True
    ),
    "rewriting": Profile(shows_input=True, echo=False, language="source", question_language=False, by_form=True),
    "continuation": Profile(answer="own", shows_input=True, echo=False, language="any", question_language=False),
}
"""The task families. Samples of another one are held to :data:`DEFAULT`."""

UNTOUCHED = frozenset({"gold"})
"""Recipes whose samples the user vouches for: no stage rejects, compares, scores or changes them."""


def profile_of(sample: Sample) -> Profile:
    """The rules of a sample, by its family, else by its recipe."""
    if sample.recipe == "instruct" and any("\n\n" in m.content for m in sample.messages[:1]):
        return WITH_INPUT
    return FAMILIES.get(sample.family) or RECIPES.get(sample.recipe, DEFAULT)


def stated_language(sample: Sample) -> str:
    """ISO 639-1 code of the language that was planned for the answer, or "" where none is stated or known."""
    if sample.family == "translation":
        return code_of(sample.attributes.get("form", ""))
    return code_of(sample.attributes.get("language", ""))
