"""The k-shot examples of a family: shipped replies, or gold samples of the user's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from datagen.core.errors import UsageError
from datagen.core.record import Chunk, Message, Sample, Task
from datagen.generate.config import GeneratorConfig
from datagen.generate.examples import MAX_BYTES, exchange
from datagen.generate.families.base import Brief, Family
from datagen.generate.recipe import sample_of
from datagen.llm import prompts
from datagen.llm.fence import fence


@dataclass(frozen=True, slots=True)
class Example:
    """One example.

    Attributes:
        sample: what it is, or what its reply makes.
        reply: the reply as JSON text; "" for a gold sample, of which only the result is known.
    """

    sample: Sample
    reply: str = ""

    def as_reply(self) -> dict[str, str]:
        """``passage``, its ``fence``, and ``reply``, as prompts show a shipped example."""
        text = self.sample.source
        return {"passage": text, "fence": fence("passage", text), "reply": self.reply}

    def as_sample(self) -> dict[str, str]:
        """``request`` and ``output``, as prompts show a gold sample."""
        request, output = exchange(self.sample) or ("", "")
        return {"request": request, "output": output}


class _Row(BaseModel):
    passage: str
    reply: dict[str, Any]


def load(family: Family[Any], config: GeneratorConfig, gold: Sequence[Sample]) -> list[Example]:
    """The examples that a family's prompt may show: gold samples of the family, else the shipped ones.

    Raises:
        UsageError: a line of the examples file is not ``{"passage", "reply"}`` with a reply of the family's form.
    """
    if not config.shots:
        return []
    own = [Example(sample) for sample in gold if sample.family == family.name and exchange(sample)]
    found = own or _read(family, prompts.locate(f"generate/tasks/{family.name}.examples.jsonl", config.prompts))
    # What is never shown shapes nothing.
    return found[: config.shots] if config.selection == "fixed" else found


def _read(family: Family[Any], path: Path) -> list[Example]:
    found: list[Example] = []
    for number, row in enumerate(_lines(path), 1):
        if not row.strip():
            continue
        try:
            found.append(_example(family, _Row.model_validate_json(row)))
        except ValidationError as error:
            raise UsageError(
                f"Line {number} of {path.name} is no example.",
                f"{error.errors()[0]['msg']}.",
                'Each line needs "passage" and "reply", the reply as the prompt describes it.',
            ) from error
    return found


def _example(family: Family[Any], row: _Row) -> Example:
    assert family.reply is not None
    reply = family.reply.model_validate(row.reply)
    chunk = Chunk(id="example", path="", sha256="", start=0, end=len(row.passage), text=row.passage)
    choice = str(row.reply.get(family.chooses, ""))
    made = family.build(Brief(chunk, 0, len(row.passage), choices=(choice,) if choice else ()), reply)
    messages = (Message(role="user", content=made.request), Message(role="assistant", content=made.output))
    task = Task(id="", recipe="tasks", samples=1, chunk=chunk)
    sample = sample_of(
        task, "tasks", messages, made.quotes, verdict=made.verdict, family=family.name, metric=family.metric
    )
    return Example(sample, reply.model_dump_json())


def _lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ValueError("it is over 10 MB")
        return data.decode("utf-8-sig").split("\n")
    except (OSError, ValueError) as error:
        raise UsageError(
            f"Could not read the examples {path.name}.", f"{error}.", "Correct the file, or take the shipped one."
        ) from error
