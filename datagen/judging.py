"""The stages that score samples with a model, as a run and ``datagen judge`` have them."""

from __future__ import annotations

from collections.abc import Callable

from datagen.config import Config
from datagen.core.errors import UsageError
from datagen.core.stage import Fold, Map
from datagen.models import Models


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
