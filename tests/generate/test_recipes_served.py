"""Tasks, style and conversation against a real server: planned, made, checked, compared, judged, all counted."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import pytest

from curation.config import JudgeConfig, RulesConfig
from curation.dedupe import DropDuplicates
from curation.judge import Judge
from curation.normalize import Normalize
from curation.rules import Rules
from curation.sketch import Sketch
from datagen.core.record import AnyRecord, Chunk, Sample, Task
from datagen.generate import attributes
from datagen.generate.config import GeneratorConfig
from datagen.generate.conversation import Conversation
from datagen.generate.families.table import FAMILIES
from datagen.generate.generate import Generate
from datagen.generate.plan import Plan
from datagen.generate.style import Style
from datagen.generate.tasks import Tasks
from datagen.llm import connect
from datagen.llm.connect import Endpoint
from tests.fakeserver import fake_server
from tests.generate.support import chunk, owed
from tests.runs import WORDS

CONFIG = GeneratorConfig(max_tokens=900)


def passages(count: int) -> list[Chunk]:
    """Passages of prose with a heading and a list, no two alike."""
    made = []
    for number in range(count):
        rng = random.Random(number)
        paragraphs = []
        for _ in range(3):
            sentences = []
            for _ in range(6):
                a, b, c = rng.sample(WORDS, 3)
                sentences.append(
                    f"The {a} of the {b} was made in {rng.randint(1900, 1999)} for those who look after the {c}."
                )
            paragraphs.append(" ".join(sentences))
        text = "\n\n".join([f"## Unit {number}", *paragraphs, "- an item\n- another item"])
        made.append(chunk(text, f"c{number}", path=f"doc-{number % 5}.md", start=1000 * number))
    return made


@pytest.fixture(scope="module")
def served() -> tuple[list[Chunk], list[Task], list[AnyRecord], list[AnyRecord]]:
    """Passages, tasks, what was made of them, and what curation says."""
    chunks = passages(40)
    recipes = [Tasks(CONFIG, "fake-model", 7), Style(CONFIG, "fake-model", 7), Conversation(CONFIG, "fake-model", 7)]
    plan = Plan([(recipes[0], 2.0), (recipes[1], 1.0), (recipes[2], 1.0)], attributes.load("", {}), 7, shots=1)
    plan.begin()
    tasks = [record for record in plan.emit(chunks) if isinstance(record, Task)]
    try:
        with fake_server(faults={"apology": 0.1, "500": 0.1, "schema": 0.1}) as server:
            endpoint = Endpoint(base_url=server.url, model="fake-model")
            made = Generate(recipes, endpoint).run(tasks)
            checked: Sequence[AnyRecord] = made
            for stage in (Normalize(), Rules(RulesConfig()), Sketch(3, 128)):
                checked = stage.run(checked)
            checked = DropDuplicates(0.8, guard=True).emit(checked)
            judged = Judge(JudgeConfig(), endpoint).run(checked)
    finally:
        connect.close()
    return chunks, tasks, made, judged


def test_every_sample_that_was_planned_is_accounted_for(
    served: tuple[list[Chunk], list[Task], list[AnyRecord], list[AnyRecord]],
) -> None:
    _, tasks, made, judged = served
    assert owed(made) == owed(judged) == sum(task.samples for task in tasks)
    samples = [record for record in made if isinstance(record, Sample)]
    assert {sample.family for sample in samples if sample.recipe == "tasks"} == set(FAMILIES)
    assert {sample.recipe for sample in samples} == {"tasks", "style", "conversation"}


def test_every_quote_stands_where_it_says(
    served: tuple[list[Chunk], list[Task], list[AnyRecord], list[AnyRecord]],
) -> None:
    chunks, _, made, _ = served
    texts = {passage.id: passage for passage in chunks}
    quotes = 0
    for sample in made:
        if isinstance(sample, Sample):
            passage = texts[sample.lineage.chunk]
            for quote in sample.lineage.quotes:
                assert passage.text[quote.start - passage.start : quote.end - passage.start] == quote.text
                quotes += 1
    assert quotes > 200


def test_every_kind_of_sample_passes_and_is_judged(
    served: tuple[list[Chunk], list[Task], list[AnyRecord], list[AnyRecord]],
) -> None:
    _, _, _, judged = served
    passing = [record for record in judged if isinstance(record, Sample) and record.verdict is None]
    assert all(sample.score is not None for sample in passing)
    kinds = Counter(sample.family or sample.recipe for sample in passing)
    # A translation that the fake server makes is never in the wanted language, its rewritten texts are never new.
    assert set(kinds) >= {*FAMILIES, "style", "conversation"} - {"translation"}, kinds
    assert (
        len([s for s in passing if s.recipe == "conversation" and len(s.messages) in (8, 10, 12)])
        == (kinds["conversation"])
    )
