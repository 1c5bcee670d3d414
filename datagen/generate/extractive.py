"""The ``extractive`` recipe: question–answer pairs by rules, for machines without a model.

Every answer is one verbatim span of the document. The recipe would rather make nothing than an odd
question, and says in each sample's lineage that no model was used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from datagen.core.record import AnyRecord, Chunk, Quote, Sample
from datagen.core.stage import Map, Shard
from datagen.generate.extract import code, definitions, docstrings, entries, lists, prose, sections, tables
from datagen.generate.extract.english import is_english
from datagen.generate.extract.passage import Candidate, Passage
from datagen.generate.samples import question_answer

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


class Extractive(Map):
    """Chunks in, samples out; a chunk with a verdict, or not in English, gives none."""

    name = "extractive"
    version = 1
    produces = "sample"

    def fingerprint(self) -> dict[str, Any]:
        return {"pairs": PAIRS_A_CHUNK}

    def run(self, shard: Shard) -> list[AnyRecord]:
        """Make the samples of each chunk, in the order of the chunks and of their places in the text."""
        made: list[AnyRecord] = []
        for record in shard:
            if isinstance(record, Chunk) and record.verdict is None:
                made.extend(extract(record))
        return made


def extract(chunk: Chunk) -> list[Sample]:
    """The samples of one chunk, at most :data:`PAIRS_A_CHUNK`, in the order in which they stand in the text.

    For each, ``answer == quote.text == document.text[quote.start:quote.end]``.
    """
    if not is_english(chunk.text):
        return []
    passage = Passage.of(chunk)
    found = [candidate for finder in FINDERS for candidate in finder(passage)]
    samples = []
    for index, candidate in enumerate(choose(found, PAIRS_A_CHUNK)):
        answer = chunk.text[candidate.start : candidate.end]
        quote = Quote(text=answer, start=chunk.start + candidate.start, end=chunk.start + candidate.end)
        samples.append(question_answer(chunk, "extractive", candidate.question, answer, [quote], index=index))
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
