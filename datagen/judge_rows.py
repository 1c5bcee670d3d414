"""``datagen judge``: scores the rows of anybody's training data by a rubric, and sorts them by their score."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from curation.bias import BiasTally
from curation.drift import SHARE, Draw
from datagen import judging, pipeline, steps
from datagen import models as llms
from datagen.config import Config
from datagen.core.errors import UsageError
from datagen.core.record import Sample
from datagen.curate import Outcome, Work, finished, process
from datagen.judge_health import health
from datagen.models import Models
from datagen.output.curated import Curated


class Scored(Curated):
    """As :class:`Curated`; it also learns what is to be known of the judge.

    Args:
        fields: as of :class:`Curated`.
        config: which samples are drawn to be judged again.
    """

    def __init__(self, fields: Sequence[str], config: Config) -> None:
        super().__init__(fields, judged=True)
        self.bias = BiasTally()
        self.draw = Draw(config.judge.drift.samples, config.seed, SHARE)

    def write(
        self,
        samples: Iterable[Sample],
        locations: Mapping[str, str],
        out: Path,
        unchanged: Callable[[], None] = lambda: None,
    ) -> None:
        """As :meth:`Curated.write`."""
        super().write(self._seen(samples), locations, out, unchanged)

    def _seen(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        for sample in samples:
            self.bias.add(sample)
            self.draw.see(sample)
            yield sample


def judge(
    paths: Sequence[Path], out: Path, config: Config, listener: pipeline.Listener, fields: Sequence[str] = ()
) -> Outcome:
    """Judge rows, or go on with it: no reply is asked for twice.

    Args:
        paths: files or folders of rows.
        out: the folder for what passes and what does not.
        config: its sections ``judge``, ``generator`` (the endpoint), ``client`` and ``limits`` are used.
        listener: who shows progress.
        fields: names of the fields that hold the texts; empty: found by the row's form.

    Raises:
        DatagenError: wrong usage (exit code 2), or stopped early and resumable (3).
    """
    if not llms.uses_model(config):
        raise UsageError(
            "There is no model to judge with.",
            "No endpoint is named.",
            "Name one with --base-url URL, or set OPENAI_BASE_URL or OPENAI_API_KEY.",
        )
    held = config.judge.model_copy(update={"enabled": True})
    config = config.model_copy(update={"judge": held})

    models = Models()
    scored = Scored(fields, config)

    def prepare(work: Path) -> Work:
        nonlocal models
        models = llms.connect(config, work / "calls.sqlite")
        line = [
            *judging.stages(config, models),
            *judging.order_check(config, models),
            *steps.selection(config.curation, 0, config.judge.threshold, by_rubric=judging.thresholds(config, models)),
        ]
        judges = ", ".join(one.model for one in (models.judge, *models.panel))
        return Work(line, [f"Judging with {judges}."], pipeline.meters(config, models))

    try:
        report = process(paths, out, config, listener, scored, prepare)
        twice = judging.judged_again(config, models, scored.draw, listener.note)
    finally:
        from datagen.llm import connect as connections

        connections.close()
    told = health(scored.bias, twice)
    notes = [*report["notes"], *_scores(told), *(s["text"] for s in told["sentences"] if s["severity"] != "ok")]
    settings = {"judge": config.judge.model_dump(mode="json")}
    more = {"steps": ["judge", "select"], "settings": settings, "judge_health": told, "notes": notes}
    return finished(out, report | more)


def _scores(told: Mapping[str, Any]) -> list[str]:
    """How many rows have which score, in one line."""
    biases = told["biases"]
    if not biases["scored"]:
        return ["No row has a score."]
    levels = ", ".join(f"{level}: {count:,}" for level, count in biases["levels"].items())
    sums = [(found["samples"], found["mean"]) for found in biases["recipes"].values()]
    mean = sum(n * one for n, one in sums) / sum(n for n, _ in sums)
    return [f"Mean score {mean:.2f} of {biases['scored']:,} rows; rows by rounded score: {levels}."]
