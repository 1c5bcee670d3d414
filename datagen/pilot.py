"""What a user wants to know after a few samples: is the data any good, how long will it take, how much will it cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datagen.config import Config
from datagen.core.record import Sample, Task
from datagen.estimate import Ended, Estimate, Whole, estimate
from datagen.finished import Finished
from datagen.llm import prices
from datagen.llm.cached import CallLog, Seen

MAX_SHOWN = 600  # characters of a question or an answer
_NOT_OF_A_SAMPLE = frozenset({"probe", "canary"})  # asked once, however large the run


@dataclass(frozen=True)
class Shown:
    """A sample as people read it; ``reason`` is why it was rejected, "" where it is kept."""

    recipe: str
    question: str
    answer: str
    score: float | None
    reason: str
    document: str


@dataclass(frozen=True)
class Pilot:
    """The samples of a pilot, kept ones first, and what the whole run would take."""

    samples: tuple[Shown, ...]
    estimate: Estimate

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        rows = [{"kept": not shown.reason, **vars(shown)} for shown in self.samples]
        return {"samples": rows, "estimate": self.estimate.as_dict()}

    def text(self) -> str:
        """For people."""
        lines = []
        for number, shown in enumerate(self.samples, 1):
            fate = f"rejected: {shown.reason}" if shown.reason else "kept"
            score = "" if shown.score is None else f", score {shown.score:.1f}"
            lines.append(f"{number}. {shown.recipe}, {fate}{score}, from {shown.document}")
            lines += [f"   Q: {_short(shown.question)}", f"   A: {_short(shown.answer)}", ""]
        return "\n".join([*lines, self.estimate.text()])


def look(folder: Path, config: Config, whole: Whole, log: CallLog, count: int) -> Pilot:
    """The first samples of a pilot that has just finished, and the estimate.

    Args:
        folder: its run folder.
        config: its configuration.
        whole: what the whole run is to do.
        log: its call log, with the calls it asked for in ``seen``.
        count: samples to show at most.

    Raises:
        UsageError: the prices cannot be read.
    """
    finished = Finished(folder)
    samples = [r for r in finished.records("select") if isinstance(r, Sample) and r.task]
    by_task: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_task[sample.task].append(sample)
    ended = [
        Ended(
            task.recipe,
            task.samples,
            sum(s.score is not None for s in by_task[task.id]),
            sum(s.verdict is None for s in by_task[task.id]),
        )
        for task in finished.records("plan")
        if isinstance(task, Task)
    ]
    found = estimate(ended, _calls(log), whole, prices.load(config.limits.prices).of)
    first = sorted(samples, key=lambda s: s.verdict is not None)[:count]
    return Pilot(tuple(_shown(sample) for sample in first), found)


def _calls(log: CallLog) -> list[Seen]:
    """The pilot's calls: as it asked for them; of purposes whose work was done already, as they are in the log."""
    seen = log.seen or []
    purposes = {call.purpose for call in seen}
    earlier = [call for call in log.calls() if call.purpose not in purposes]
    return [call for call in [*seen, *earlier] if call.purpose not in _NOT_OF_A_SAMPLE]


def _shown(sample: Sample) -> Shown:
    asked = [message.content for message in sample.messages if message.role == "user"]
    reason = sample.verdict.reason if sample.verdict is not None else ""
    answer = sample.messages[-1].content
    return Shown(sample.recipe, _last(asked), answer, sample.score, reason, sample.lineage.path)


def _last(texts: Sequence[str]) -> str:
    return texts[-1] if texts else ""


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"
