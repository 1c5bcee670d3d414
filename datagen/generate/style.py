"""The ``style`` recipe: the author's own paragraphs as answers, each with an instruction that leads to it.

Instruction back-translation (Li et al., "Self-Alignment with Instruction Backtranslation", 2023, arXiv:2308.06259),
with the user's documents in the place of a web corpus: the model writes instructions alone, so that what a student
model learns to say is what the author wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from datagen.core.hashing import fraction
from datagen.core.record import AnyRecord, Chunk, Message, Quote, Sample, Task, Verdict
from datagen.generate import examples
from datagen.generate.config import GeneratorConfig
from datagen.generate.paragraphs import Span, paragraphs
from datagen.generate.passages import line, listed
from datagen.generate.recipe import Asking
from datagen.generate.textual import longest_run, refers
from datagen.generate.tfidf import words
from datagen.llm.ask import Unusable
from datagen.llm.backend import Backend, CallFailed, Request
from datagen.llm.fence import fence

PROMPT = "generate/style.md.j2"
EXAMPLES = "generate/style.examples.jsonl"
GIVES_AWAY = 8  # words in a row that an instruction may not share with its answer
NAMES = 3  # words of a title from which it names the document rather than the subject


class Led(BaseModel):
    """The instruction of one paragraph. Surplus keys are ignored, missing ones are an error."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": False})
    number: int
    instruction: str


class Instructions(BaseModel):
    """A whole reply."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": False})
    instructions: list[Led]


class Style(Asking):
    """Asks for the instructions of a passage's paragraphs, all in one call.

    Args:
        config, model, seed, gold: as :class:`Asking` takes them.
    """

    name = "style"
    uses = ("persona",)
    prompt_names = (PROMPT,)

    def __init__(self, config: GeneratorConfig, model: str, seed: int, gold: Sequence[Sample] = ()) -> None:
        super().__init__(config, model, seed, gold)
        self.pool = examples.pool_of(EXAMPLES, config, self.gold)

    def fingerprint(self) -> dict[str, Any]:
        """Which paragraphs are taken, too."""
        return {**super().fingerprint(), "style": self.config.style.model_dump(mode="json")}

    def takes(self, chunk: Chunk) -> bool:
        """Only passages with a paragraph of prose of the wanted length."""
        return super().takes(chunk) and bool(self._all(chunk))

    def owes(self, chunk: Chunk) -> int:
        """One for each paragraph, ``samples_per_chunk`` at most."""
        return min(len(self._all(chunk)), self.config.samples_per_chunk)

    def asked(self, task: Task) -> Request:
        """The question put to the model."""
        chunk = task.chunk
        messages = self.prompt.render(
            title=line(chunk.title),
            heading=line(" > ".join(chunk.heading)),
            paragraphs=[
                {
                    "number": number,
                    "text": chunk.text[start:end],
                    "fence": fence(f"paragraph_{number}", chunk.text),
                    "persona": task.slots[number - 1].get("persona", ""),
                }
                for number, (start, end) in enumerate(self._chosen(task), 1)
            ],
            examples=[
                {"instruction": told[0], "answer": told[1], "fence": fence("answer", told[1])}
                for i in task.shots
                if (told := examples.exchange(self.pool[i]))
            ],
            avoid=listed(task.avoid, "asked"),
        )
        return self.request(task, messages, Instructions)

    async def make(self, backend: Backend | None, task: Task) -> list[AnyRecord]:
        """A sample for each paragraph that got an instruction; the others as a failure."""
        request = self.asked(task)
        try:
            answer = await self.ask(backend, request, Instructions)
        except (Unusable, CallFailed) as error:
            return self.failed(task, error)
        spans = self._chosen(task)
        chunk = task.chunk
        made: list[AnyRecord] = []
        for place, instruction in sorted(_placed(answer.value.instructions, len(spans)).items()):
            start, end = spans[place]
            text = chunk.text[start:end]
            sample = self.sample(
                task,
                (Message(role="user", content=instruction), Message(role="assistant", content=text)),
                (Quote(text=text, start=chunk.start + start, end=chunk.start + end),),
                request=request,
                reply=answer.reply,
                index=place,
                verdict=_problem(instruction, text, chunk),
            )
            made.append(sample)
        return made + self.short(task, answer.reply, task.samples - len(made))

    def _all(self, chunk: Chunk) -> tuple[Span, ...]:
        return paragraphs(chunk, self.config.style.min_words, self.config.style.max_words)

    def _chosen(self, task: Task) -> list[Span]:
        """The paragraphs of a task, in document order; further calls on the passage go on to others."""
        found = self._all(task.chunk)
        order = sorted(range(len(found)), key=lambda i: fraction([self.seed, task.chunk.id, i]))
        begin = task.number * task.samples
        return sorted(found[order[(begin + i) % len(order)]] for i in range(task.samples))


def _placed(found: Sequence[Led], wanted: int) -> dict[int, str]:
    """The instruction of each paragraph by its place from 0, the first where there are several.

    Where the numbers make no sense but there are just as many instructions as paragraphs (some models count from
    0), they are taken in order.
    """
    told = [(led.number, led.instruction.strip()) for led in found]
    if len(told) == wanted and sorted(number for number, _ in told) != list(range(1, wanted + 1)):
        told = [(number, text) for number, (_, text) in enumerate(told, 1)]
    placed: dict[int, str] = {}
    for number, text in told:
        if 1 <= number <= wanted and text:
            placed.setdefault(number - 1, text)
    return placed


def _problem(instruction: str, answer: str, chunk: Chunk) -> Verdict | None:
    run = longest_run(instruction, answer)
    if run >= GIVES_AWAY:
        evidence = f"{run} words in a row are the answer's, under {GIVES_AWAY} wanted"
        return Verdict(stage="style", reason="gives_away", evidence=evidence)
    said = refers(instruction)
    if said and said.casefold() not in answer.casefold():  # a paragraph about documents may be asked about them
        return Verdict(stage="style", reason="refers_to_prompt", evidence=f"“{said}”")
    title = words(chunk.title)
    if len(title) >= NAMES and longest_run(instruction, chunk.title) == len(title) > longest_run(answer, chunk.title):
        return Verdict(stage="style", reason="names_document", evidence=f"“{chunk.title[:100]}”")
    return None
