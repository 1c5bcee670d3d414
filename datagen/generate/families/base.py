"""What a task family is: its metric, the reply it wants, and how a sample is built of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from datagen.core.record import Chunk, Quote, Verdict

STAGE = "tasks"  # named in verdicts

R = TypeVar("R", bound=BaseModel)


class Strict(BaseModel):
    """Base of replies: surplus keys are ignored, missing ones are an error, the schema allows no others."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": False})


@dataclass(frozen=True, slots=True)
class Brief:
    """What is wanted of one sample.

    Attributes:
        chunk: the passage.
        start, end: the input's span in ``chunk.text``: the whole of it, or one paragraph.
        form: what kind of result, as in ``"one sentence"``; for translations the language; "" where a family has none.
        choices: the closed set that the reply has to choose from (labels, languages), else ().
        wording: how the instruction is to be phrased.
        language: of instruction and result, as in ``"German"``; "" follows the document.
        input_first: does the input stand before the instruction?
        place: a number in [0, 1) for whatever else is drawn.
    """

    chunk: Chunk
    start: int
    end: int
    form: str = ""
    choices: tuple[str, ...] = ()
    wording: str = ""
    language: str = ""
    input_first: bool = False
    place: float = 0.0

    @property
    def text(self) -> str:
        """The input."""
        return self.chunk.text[self.start : self.end]

    def quote(self, start: int, end: int) -> Quote:
        """A quote of ``chunk.text[start:end]``, with its span in the document."""
        return Quote(text=self.chunk.text[start:end], start=self.chunk.start + start, end=self.chunk.start + end)

    def source(self) -> Quote:
        """The input as a quote."""
        return self.quote(self.start, self.end)

    def told(self, instruction: str, text: str | None = None) -> str:
        """The user's message: the instruction and the input, in the order that was drawn."""
        parts = [instruction.strip(), self.text if text is None else text]
        return "\n\n".join(reversed(parts) if self.input_first else parts)


@dataclass(frozen=True, slots=True)
class Made:
    """A sample's content.

    Attributes:
        request: the user's message.
        output: the reference answer.
        quotes: what it rests on, with spans of the document.
        verdict: why it is no use, or None.
        attributes: what only the making showed, beside what was planned.
    """

    request: str
    output: str
    quotes: tuple[Quote, ...]
    verdict: Verdict | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Family(Generic[R]):
    """One row of the table.

    Attributes:
        name: the ``family`` of its samples.
        metric: how answers are compared with the reference later; see docs/recipes/tasks.md.
        build: makes the content of a sample from a reply.
        reply: the form of the reply; None where no model is asked.
        input: what the sample is about: the whole passage, one paragraph of it, or nothing that is shown.
        forms: the list of ``generate/tasks/lists.yaml`` from which a form is drawn; "" for none.
        choices: the list whose values the reply chooses from; "" for none.
        chooses: the field of the reply that holds the choice.
    """

    name: str
    metric: str
    build: Callable[[Brief, R], Made]
    reply: type[R] | None
    input: Literal["passage", "paragraph"] = "passage"
    forms: str = ""
    choices: str = ""
    chooses: str = ""

    @property
    def prompt(self) -> str:
        """The prompt file's name."""
        return f"generate/tasks/{self.name}.md.j2"

    def held_to(self, schema: dict[str, Any], choices: tuple[str, ...]) -> dict[str, Any]:
        """The schema with the choice bound to the closed set."""
        if not choices:
            return schema
        properties = schema["properties"]
        bound = {**properties[self.chooses], "enum": list(choices)}
        return {**schema, "properties": {**properties, self.chooses: bound}}


def chosen(said: str, choices: tuple[str, ...]) -> str:
    """The choice that was meant, spelt as in the list; "" where it is none of them."""
    wanted = said.strip().strip(".\"'").casefold()
    return next((choice for choice in choices if choice.casefold() == wanted), "")


def unknown(said: str, choices: tuple[str, ...]) -> Verdict:
    """A verdict on a choice outside the closed set."""
    return Verdict(stage=STAGE, reason="unknown_label", evidence=f"{said[:80]!r} is none of {', '.join(choices)[:200]}")


def copied(output: str, text: str, most: float) -> Verdict | None:
    """A verdict on a result of which more than a share is one stretch of the input."""
    from datagen.generate.textual import longest_run
    from datagen.generate.tfidf import words

    run, size = longest_run(output, text), len(words(output))
    if run <= most * size:
        return None
    evidence = f"{run} of its {size} words are one stretch of the input, at most {most:.0%} wanted"
    return Verdict(stage=STAGE, reason="copy", evidence=evidence)
