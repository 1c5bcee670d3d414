"""What the figures of a calibration come to, in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from curation.agreement import Agreement
from curation.calibrate_bootstrap import Figure

if TYPE_CHECKING:
    from curation.calibrate import Ceiling

STRENGTHS = ((0.0, "no better than chance"), (0.2, "slight"), (0.4, "fair"), (0.6, "moderate"), (0.8, "substantial"))
"""Upper ends and names of agreement by kappa, as Landis and Koch have them ("The measurement of observer agreement for
categorical data", 1977); what is higher is almost perfect."""
_LEANS = 0.1  # rank correlation of length with the judge's excess from which it is said
_SHRINKS = 0.1  # of a rank correlation, from which it is worth saying that length explains part of it


def strength(kappa: float) -> str:
    """A name for a kappa, as in ``"substantial"``."""
    return next((name for most, name in STRENGTHS if kappa <= most), "almost perfect")


def shown(figure: Figure, form: str = ".2f") -> str:
    """A figure with its interval, as in ``"0.71 (0.65 to 0.76)"``; "undefined" where it is."""
    if figure.value is None:
        return "undefined"
    if figure.low is None or figure.high is None:
        return f"{figure.value:{form}}"
    return f"{figure.value:{form}} ({figure.low:{form}} to {figure.high:{form}})"


def on_criterion(name: str, judge: Agreement, ceiling: Ceiling | None) -> Iterator[str]:
    """Sentences on one criterion: agreement, ceiling, bias, length."""
    if not judge.rows:
        yield f"{name}: no rating has both a person's and the judge's score."
        return
    if judge.kappa.value is None:
        yield f"{name}: kappa is undefined, since judge and people gave one and the same score throughout."
        return
    yield (
        f"{name}: agreement with people is {strength(judge.kappa.value)}, kappa {shown(judge.kappa)} "
        f"over {judge.rows:,} ratings."
    )
    if ceiling and ceiling.people.kappa.value is not None and ceiling.judge.kappa.value is not None:
        yield f"{name}: {_beside(ceiling.people.kappa, ceiling.judge.kappa)}"
    bias, lean = judge.bias, judge.lean
    if bias.value is not None and _not_zero(bias):
        yield f"{name}: the judge gives {abs(bias.value):.2f} {'more' if bias.value > 0 else 'less'} than people do."
    if lean.value is not None and abs(lean.value) >= _LEANS and _not_zero(lean):
        yield (
            f"{name}: the {'longer' if lean.value > 0 else 'shorter'} an answer, the more the judge gives beyond "
            f"people (rank correlation {shown(lean)})."
        )
    plain, partial = judge.spearman.value, judge.partial.value
    if plain is not None and partial is not None and plain - partial >= _SHRINKS:
        yield (
            f"{name}: with length held fixed the rank correlation falls from {plain:.2f} to {partial:.2f}: "
            "part of the agreement is that both go by length."
        )


def on_sight(blind: float | None) -> Iterator[str]:
    """A sentence where people saw what the judge said."""
    if blind is not None and blind < 1:
        yield (
            f"{1 - blind:.0%} of the ratings were made with the judge's scores in sight, which pulls people towards "
            "them: figures from hidden scores are the ones to believe."
        )


def on_judges(models: int, rubrics: int) -> Iterator[str]:
    """A sentence where the figures are of several judges or rubrics together."""
    mixed = [f"{n:,} {name}" for n, name in ((models, "judges"), (rubrics, "rubrics")) if n > 1]
    if mixed:
        yield f"The figures and the threshold are of {' and '.join(mixed)} together; the groups show each by itself."


def _not_zero(figure: Figure) -> bool:
    """Does the interval leave zero out?"""
    return figure.low is not None and figure.high is not None and (figure.low > 0 or figure.high < 0)


def _beside(people: Figure, judge: Figure) -> str:
    said = f"two people agree at {shown(people)} on the samples that both rated, and there the judge at {shown(judge)}"
    if judge.high is not None and people.low is not None and judge.high < people.low:
        return f"{said}: the judge is worse than a second person."
    if judge.low is not None and people.high is not None and judge.low > people.high:
        return f"{said}: nearer to each person than they are to each other."
    return f"{said}: no clear difference from a second person."
