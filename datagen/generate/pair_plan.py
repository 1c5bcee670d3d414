"""Plans rejected replies: which kept samples get one, how, and with which flaw."""

from __future__ import annotations

from collections import Counter
from typing import Any

from datagen.core.hashing import digest
from datagen.core.record import AnyRecord, Chunk, Sample, Task
from datagen.core.stage import Map, Shard
from datagen.generate import attributes
from datagen.generate.config import PreferenceConfig
from datagen.llm import flaws

RECIPE = "preference"
_NEVER = frozenset({RECIPE, "gold", "chat", "style", "extractive"})  # people's own words, and what no model wrote


class PlanPairs(Map):
    """Puts a task behind each kept sample that is to get a rejected reply.

    As for the samples themselves, what is planned for a document depends on it alone.

    Args:
        config: the preference section's.
        seed: of the run.
        folder: the user's prompts folder, or "".
    """

    name = "plan_pairs"
    version = 1
    produces = "sample"

    def __init__(self, config: PreferenceConfig, seed: int, folder: str = "") -> None:
        self.config = config
        self.seed = seed
        self.flaws = flaws.load(folder)

    def fingerprint(self) -> dict[str, Any]:
        """Shares, weights, seed, and which flaws go with which question."""
        return {
            "share": self.config.share,
            "ways": dict(self.config.ways),
            "flaws": dict(self.config.flaws),
            "file": self.flaws.sha256,
            "seed": self.seed,
        }

    def run(self, shard: Shard) -> list[AnyRecord]:
        """The shard with tasks."""
        out: list[AnyRecord] = []
        seen: Counter[str] = Counter()
        planned: Counter[str] = Counter()
        for record in shard:
            out.append(record)
            if not isinstance(record, Sample) or record.verdict is not None or record.recipe in _NEVER:
                continue
            if record.messages[-1].role != "assistant" or record.messages[-1].tool_calls:
                continue
            path = record.lineage.path
            place = seen[path]
            seen[path] += 1
            if attributes.count(self.config.share, [self.seed, path, RECIPE], place):
                slot = self._slot(record, planned[path])
                planned[path] += 1
                if slot:
                    out.append(_task(record, slot))
        return out

    def _slot(self, sample: Sample, position: int) -> dict[str, str]:
        """The way and, where it is planted, the flaw; empty where nothing fits."""
        fitting = self.flaws.fitting(sample.attributes.get("type", ""), self.config.flaws.items())
        ways: dict[str, float] = {way: weight for way, weight in self.config.ways.items() if weight > 0}
        if not fitting:
            ways.pop("planted", None)
        if not ways:
            return {}
        axes = {"way": ways, "flaw": fitting} if fitting else {"way": ways}
        slot = attributes.draw(axes, [self.seed, sample.lineage.path, RECIPE], position)
        if slot["way"] != "planted":
            slot.pop("flaw", None)  # it is whatever the judge finds
        return slot


def _task(sample: Sample, slot: dict[str, str]) -> Task:
    made = sample.lineage
    chunk = Chunk(
        id=made.chunk,
        path=made.path,
        sha256=made.sha256,
        split=sample.split,
        start=made.start,
        end=made.end,
        heading=made.heading,
        page=made.page,
        text=sample.source[: made.end - made.start],
    )
    return Task(
        id=digest([RECIPE, sample.id, slot]),
        recipe=RECIPE,
        split=sample.split,
        samples=1,
        chunk=chunk,
        slots=(slot,),
        sample=sample,
    )
