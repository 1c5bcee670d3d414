"""Plans what is asked of each passage: which recipes, which kinds of sample, with which examples."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from datagen.core.hashing import digest, fraction
from datagen.core.record import AnyRecord, Chunk, Task
from datagen.core.stage import Fold, Shard
from datagen.generate import attributes
from datagen.generate.recipe import Recipe
from datagen.generate.related import Related
from datagen.generate.rounds import MOST_PASSES, Rounds
from datagen.generate.shots import Selection, Shots

MOST_CALLS = 1001  # of one recipe on one passage in one pass: the configuration allows a thousand


class Accepted(Protocol):
    """What came of earlier rounds."""

    @property
    def passing(self) -> int:
        """Samples that pass so far."""
        ...

    def instructions(self, chunk: str) -> tuple[str, ...]:
        """Instructions of passing samples made of a chunk."""
        ...

    def seeds(self, recipe: str, key: str) -> tuple[str, ...]:
        """A few instructions of passing samples of a recipe, drawn by a key."""
        ...


class Plan(Fold):
    """Makes the tasks of each chunk that has no verdict.

    What is planned for a document depends on that document and the configuration alone, so a new document
    changes nothing for the others.

    Args:
        recipes: with the calls of each for a chunk, on average.
        lists: attribute → value → weight, from :func:`datagen.generate.attributes.load`.
        seed: of the run.
        shots, selection: k-shot examples shown, and how they are chosen.
        rounds: sizes of the rounds.
        accepted: what came of earlier rounds; None where there is one round.
    """

    name = "plan"
    version = 1
    produces = "task"
    may_repeat = True

    def __init__(
        self,
        recipes: Sequence[tuple[Recipe, float]],
        lists: Mapping[str, Mapping[str, float]],
        seed: int,
        *,
        shots: int = 0,
        selection: Selection = "fixed",
        rounds: Rounds | None = None,
        accepted: Accepted | None = None,
    ) -> None:
        self.recipes = recipes
        self.seed = seed
        self.rounds = rounds or Rounds()
        self.barrier = self.rounds.bounded
        self.accepted = accepted
        self.requested = 0
        self._shots = {recipe.name: Shots(recipe.pool, selection, shots, seed) for recipe, _ in recipes}
        self._axes = {
            recipe.name: {**{name: lists[name] for name in recipe.uses if name in lists}, **recipe.axes()}
            for recipe, _ in recipes
        }
        self._started = False

    def fingerprint(self) -> dict[str, Any]:
        """Nothing: its output is named by its content, and holds all that was planned."""
        return {}

    def begin(self) -> None:
        """Forget the last run."""
        self.requested = 0
        self._started = False

    def see(self, shard: Shard) -> None:
        """Where a target bounds the rounds: note how much a pass over all passages owes."""
        if self.rounds.bounded:
            for key, task in self._ordered(shard, 0):
                self.rounds.note(key, task.samples)

    def emit(self, shard: Shard) -> list[AnyRecord]:
        """The tasks of this round on the chunks of a shard, in document order."""
        if not self._started:
            self._started = True
            self.rounds.start()
        begin, end = self.rounds.begin, self.rounds.end
        out: list[Task] = []
        for turn in range(int(begin), min(int(end) + 1, MOST_PASSES)):
            out += [task for key, task in self._ordered(shard, turn) if begin <= turn + key < end]
        places = {record.id: place for place, record in enumerate(shard) if isinstance(record, Chunk)}
        out.sort(key=lambda task: places[task.chunk.id])  # a server that caches prefixes sees each passage once
        self.requested += sum(task.samples for task in out)
        return list(out)

    def again(self) -> bool:
        """Is there another round? Then :meth:`emit` gives its tasks for each shard."""
        if self.accepted is None:
            return False
        return self.rounds.again(self.requested, self.accepted.passing)

    def _ordered(self, shard: Shard, turn: int) -> Iterable[tuple[float, Task]]:
        """The tasks of one pass with their places in the order of the whole, in [0, 1)."""
        chunks = [record for record in shard if isinstance(record, Chunk) and record.verdict is None]
        for path, passages in _by_document(chunks).items():
            related = Related(passages)  # of one document: a partner elsewhere would change with what is beside it
            shift = fraction([self.seed, path])
            order = sorted(range(len(passages)), key=lambda i: fraction([self.seed, passages[i].id]))
            ranks = {place: rank for rank, place in enumerate(order)}
            drawn: Counter[str] = Counter()
            for place, chunk in enumerate(passages):
                key = (ranks[place] + shift) / len(passages)
                for recipe, rate in self.recipes:
                    if not recipe.takes(chunk) or (turn and not recipe.asks):  # rules find the same each time
                        continue
                    for call in range(attributes.count(rate, [self.seed, path, recipe.name], place, turn)):
                        number = turn * MOST_CALLS + call
                        task = self._task(recipe, chunk, number, drawn[recipe.name], turn, related)
                        drawn[recipe.name] += task.samples
                        yield key, task

    def _task(self, recipe: Recipe, chunk: Chunk, number: int, drawn: int, turn: int, related: Related) -> Task:
        owed = recipe.owes(chunk)
        axes = self._axes[recipe.name]
        key = [self.seed, chunk.path, recipe.name, turn]
        slots = tuple(
            {name: value for name, value in attributes.draw(axes, key, drawn + i).items() if value} for i in range(owed)
        )
        partner = related.of(chunk) if recipe.wants_related(slots) else None
        avoid: tuple[str, ...] = ()
        seeds: tuple[str, ...] = ()
        if self.accepted is not None and turn:
            avoid = self.accepted.instructions(chunk.id)
        if self.accepted is not None and self.rounds.number > 1:
            seeds = self.accepted.seeds(recipe.name, chunk.id)
        bare = chunk.model_copy(update={"sketch": None})
        others = (partner.model_copy(update={"sketch": None}),) if partner is not None else ()
        shots = self._shots[recipe.name].choose(chunk)
        told = [recipe.name, chunk.id, [c.id for c in others], number, slots, shots, seeds, avoid]
        return Task(
            id=digest(told),
            recipe=recipe.name,
            split=chunk.split,
            samples=owed,
            chunk=bare,
            related=others,
            slots=slots,
            shots=shots,
            seeds=seeds,
            avoid=avoid,
            number=number,
        )


def _by_document(chunks: Sequence[Chunk]) -> dict[str, list[Chunk]]:
    found: dict[str, list[Chunk]] = defaultdict(list)
    for chunk in chunks:
        found[chunk.path].append(chunk)
    return found
