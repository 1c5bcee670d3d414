"""``datagen judge``: scores the rows of anybody's training data by a rubric, and sorts them by their score."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from datagen import judging, pipeline, steps
from datagen import models as llms
from datagen.config import Config
from datagen.core.errors import UsageError
from datagen.curate import Outcome, Work, finished, process
from datagen.output.curated import Curated


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

    def prepare(work: Path) -> Work:
        models = llms.connect(config, work / "calls.sqlite")
        line = [
            *judging.stages(config, models),
            *steps.selection(config.curation, 0, config.judge.threshold, by_rubric=judging.thresholds(config, models)),
        ]
        judges = ", ".join(one.model for one in (models.judge, *models.panel))
        return Work(line, [f"Judging with {judges}."], pipeline.meters(config, models))

    try:
        report = process(paths, out, config, listener, Curated(fields, judged=True), prepare)
    finally:
        from datagen.llm import connect as connections

        connections.close()
    settings = {"judge": config.judge.model_dump(mode="json")}
    return finished(out, report | {"steps": ["judge", "select"], "settings": settings})
