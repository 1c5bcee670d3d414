"""The stages that score samples with a model, as a run and ``datagen judge`` have them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from datagen.config import Config
from datagen.core.errors import StoppedEarly, UsageError
from datagen.core.hashing import digest
from datagen.core.record import AnyRecord, Sample
from datagen.core.stage import Fold, Map
from datagen.models import Models

if TYPE_CHECKING:
    from curation.drift import Draw


def stages(config: Config, models: Models) -> list[Map | Fold]:
    """The judge or the panel, the weights, and where it is wanted the check of claims against their source."""
    from curation.faithfulness import Faithfulness
    from curation.judge import Judge
    from curation.scoring import Weigh

    folder = config.generator.prompts
    line: list[Map | Fold] = [Judge(config.judge, models.judge, folder, models.panel), Weigh(config.judge, folder)]
    if config.judge.faithfulness.enabled:
        line.append(Faithfulness(config.judge.faithfulness, models.judge, folder))
    return line


def check_families(config: Config, models: Models, note: Callable[[str], None]) -> None:
    """Say loudly that judge and generator are of one family: models score their own kind's texts too high.

    Raises:
        UsageError: so it is, and ``judge.strict`` is set.
    """
    from curation.bias import same_family

    judges = [models.judge, *models.panel] if models.judge is not None else []
    if not judges or not all(same_family(models.generator.model, one.model) for one in judges):
        return
    what = f"The judge {judges[0].model} is of the same family of models as the generator {models.generator.model}."
    why = "Models score texts of their own family too high."
    fix = "Name another judge with --judge-model, or a panel (judge.panel) that has one."
    if config.judge.strict:
        raise UsageError(what, why, fix)
    note(f"Warning: {what} {why} {fix}")


def thresholds(config: Config, models: Models) -> dict[str, float]:
    """The thresholds that rubrics state for samples that are judged by them."""
    from curation.scoring import thresholds_of

    return thresholds_of(config.judge, config.generator.prompts) if models.judge is not None else {}


def order_check(config: Config, models: Models) -> list[Map | Fold]:
    """The comparison of pairs in both orders, where some of them are wanted."""
    if models.judge is None or not config.judge.swap.share:
        return []
    from curation.pairwise_stage import CheckOrder

    return [CheckOrder(config.judge.swap, models.judge, config.generator.prompts, config.seed)]


def drift(
    config: Config,
    models: Models,
    place: Any,
    records: Callable[[], Iterable[AnyRecord]],
    before: Any,
    note: Callable[[str], None],
) -> dict[str, Any] | None:
    """Judge some of a run's samples again, once everything else is done.

    What was asked before is in the call log; what came of it is known from ``before``, so that the same run asks
    nothing twice. A batch is not sent for it, as it may take a day.

    Args:
        place: what the records follow from, as JSON values.
        records: gives all records after the last stage.
        before: what this function returned for the same run in an earlier session, or None.
        note: shows a line.

    Returns:
        ``{"key", "samples": [{"id", "before", "after", "threshold"}]}``, with the scores without any cap and None for
        what could not be read; None where nobody judges, nothing is drawn, or the run had to stop asking.
    """
    wanted = config.judge.drift.samples
    if models.judge is None or not wanted or models.judge.batch:
        return None
    from curation.drift import SHARE, Draw
    from curation.judge import Judge

    judge = Judge(config.judge, models.judge, config.generator.prompts, models.panel).fingerprint()
    key = digest([place, wanted, config.seed, judge, config.judge.threshold, thresholds(config, models)])
    if isinstance(before, dict) and before.get("key") == key:
        return before
    draw = Draw(wanted, config.seed, SHARE)
    for record in records():
        if isinstance(record, Sample):
            draw.see(record)
    rows = judged_again(config, models, draw, note)
    return {"key": key, "samples": rows} if rows else None


def judged_again(config: Config, models: Models, draw: Draw, note: Callable[[str], None]) -> list[dict[str, Any]]:
    """Judge what was drawn again: the ``samples`` of :func:`drift`; none where nothing is drawn or asking stopped."""
    from curation.drift import rejudge
    from curation.judge import Judge
    from datagen.llm.connect import open_backend
    from datagen.llm.loop import run

    drawn = draw.drawn()
    if not drawn or models.judge.batch:
        return []
    judge = Judge(config.judge, models.judge, config.generator.prompts, models.panel)
    backend = open_backend(models.judge)

    async def score(sample: Sample) -> float | None:
        return (await judge.scored(backend, sample, again=True)).score

    note(f"Judging {len(drawn):,} of {draw.judged:,} samples again, to see whether the judge says the same twice.")
    try:
        found = run(rejudge(drawn, score))
    except StoppedEarly as error:
        note(f"Whether the judge says the same twice could not be found out: {error.what}")
        return []
    own, least = thresholds(config, models), config.judge.threshold
    return [
        {"id": one.id, "before": one.before, "after": one.after, "threshold": own.get(one.rubric, least)}
        for one in found
    ]
