"""The ``extractive`` recipe: question–answer pairs by rules, for machines without a model.

Every answer is one verbatim span of the document. The recipe would rather make nothing than an odd
question, and says in each sample's lineage that no model was used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from datagen.core.record import AnyRecord, Chunk, Message, Quote, Sample, Task
from datagen.generate.extract import code, definitions, docstrings, entries, lists, prose, sections, tables
from datagen.generate.extract.english import is_english
from datagen.generate.extract.passage import Candidate, Passage
from datagen.generate.recipe import Recipe, sample_of
from datagen.llm.backend import Backend

PAIRS_A_CHUNK = 4
FINDERS: tuple[Callable[[Passage], Iterator[Candidate]], ...] = (
    sections.find,
    definitions.find,
    entries.find,
    code.find,
    lists.find,
    tables.find,
    docstrings.find,
    prose.find,
)
_MAX_QUESTION = 200  # characters


class Extractive(Recipe):
    """Pairs by rules; a passage that is not in English gives none."""

    name = "extractive"
    asks = False

    def fingerprint(self) -> dict[str, Any]:
        """The one number that shapes its output."""
        return {"pairs": PAIRS_A_CHUNK}

    def owes(self, chunk: Chunk) -> int:
        """Unknown beforehand."""
        return 0

    async def make(self, backend: Backend | None, task: Task) -> list[AnyRecord]:
        """The pairs of the task's passage, by their places in the text."""
        return list(extract(task))


def extract(task: Task) -> list[Sample]:
    """The samples of one passage, at most :data:`PAIRS_A_CHUNK`, in the order in which they stand in the text.

    For each, ``answer == quote.text == document.text[quote.start:quote.end]``.
    """
    chunk = task.chunk
    if not is_english(chunk.text):
        return []
    passage = Passage.of(chunk)
    found = [candidate for finder in FINDERS for candidate in finder(passage)]
    samples = []
    for index, candidate in enumerate(choose(found, PAIRS_A_CHUNK)):
        answer = chunk.text[candidate.start : candidate.end]
        quote = Quote(text=answer, start=chunk.start + candidate.start, end=chunk.start + candidate.end)
        messages = (Message(role="user", content=candidate.question), Message(role="assistant", content=answer))
        samples.append(sample_of(task, Extractive.name, messages, [quote], index=index))
    return samples


def choose(found: Iterable[Candidate], most: int) -> list[Candidate]:
    """At most ``most`` candidates: no question and no passage twice, the best kinds first, kinds mixed.

    A kind's second candidate counts less than its first, so that a list of twenty options does
    not push out the one definition.
    """
    taken: list[Candidate] = []
    pool = sorted(
        (c for c in found if len(c.question) <= _MAX_QUESTION), key=lambda c: (-c.weight, c.start, c.question)
    )
    while pool and len(taken) < most:
        kinds = [c.kind for c in taken]
        best = max(pool, key=lambda c: (c.weight - 2 * kinds.count(c.kind), -c.start))
        pool.remove(best)
        if not any(_overlap(best, other) or best.question == other.question for other in taken):
            taken.append(best)
    return sorted(taken, key=lambda c: (c.start, c.end))


def _overlap(a: Candidate, b: Candidate) -> bool:
    """Whether two answers share more than half of the shorter one."""
    shared = min(a.end, b.end) - max(a.start, b.start)
    return shared > 0.5 * min(a.end - a.start, b.end - b.start)
