"""The stage that makes samples: each task goes to its recipe."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any

from datagen.core.record import AnyRecord, Failure, Sample, Task
from datagen.core.stage import Map, Shard
from datagen.generate.recipe import Recipe
from datagen.llm.backend import Backend
from datagen.llm.connect import Endpoint


class Generate(Map):
    """Does every task of a shard. What is no task passes through.

    Args:
        recipes: those whose tasks may come.
        endpoint: the model's, resolved; None where no recipe asks one.
        name: of the stage, as in ``"preference"``.
    """

    version = 1
    produces = "sample"

    def __init__(self, recipes: Sequence[Recipe], endpoint: Endpoint | None, name: str = "generate") -> None:
        self.name = name
        self.recipes = {recipe.name: recipe for recipe in recipes}
        self.endpoint = endpoint
        self.waits = endpoint is not None

    def fingerprint(self) -> dict[str, Any]:
        """Of each recipe its version and fingerprint; all prompts under ``prompts``."""
        prints = {name: recipe.fingerprint() for name, recipe in self.recipes.items()}
        prompts = {name: digest for found in prints.values() for name, digest in found.pop("prompts", {}).items()}
        versions = {name: recipe.version for name, recipe in self.recipes.items()}
        return {"recipes": prints, "versions": versions, "prompts": prompts}

    def run(self, shard: Shard) -> list[AnyRecord]:
        """Samples and failures in the order of the tasks."""
        from datagen.llm.each import ask_each

        tasks = [record for record in shard if isinstance(record, Task)]
        if self.endpoint is None:
            results = [_finished(self._make(None, task)) for task in tasks]
        else:
            results = ask_each(self.name, self.endpoint, tasks, self._make)
        made = iter(results)
        return [r for record in shard for r in (next(made) if isinstance(record, Task) else [record])]

    async def _make(self, backend: Backend | None, task: Task) -> list[AnyRecord]:
        records = await self.recipes[task.recipe].make(backend, task)
        samples = sum(isinstance(r, Sample) for r in records)
        accounted = samples + sum(r.samples for r in records if isinstance(r, Failure))
        if task.samples and accounted != task.samples:
            raise AssertionError(f"the recipe {task.recipe} accounts for {accounted} of {task.samples} samples")
        return records


def _finished(work: Coroutine[Any, Any, list[AnyRecord]]) -> list[AnyRecord]:
    """The result of a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        found: list[AnyRecord] = done.value
        return found
    raise AssertionError("a recipe that asks no model must not wait")
