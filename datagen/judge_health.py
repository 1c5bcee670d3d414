"""What a report says of the judge: the figures of its known biases, and sentences about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from curation.bias import BiasReport, BiasTally
from curation.calibrate_findings import SEVERITIES, Finding
from curation.calibrate_order import drift

_SEVERITY = {"none": "ok", "note": "note", "warning": "warn", "alarm": "warn"}
_NAMES = {
    "family": "judgements by a judge of the generator's family",
    "unscored": "judgements that could not be read",
    "length_answer": "rank correlation of score and length of the answer",
    "length_whole": "rank correlation of score and length of the sample",
    "top_share": "samples with the top score",
    "entropy": "bits in the scores, of 2.32",
    "recipes": "points between the best and the worst recipe",
    "order": "preferences that outlast a swap of the two replies",
    "drift": "samples that change sides when judged again",
}
_SHARES = frozenset({"family", "unscored", "top_share", "order", "drift"})


def health(tally: BiasTally, twice: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """The biases of a judge, in the form that reports show.

    Args:
        tally: has seen the samples.
        twice: of samples that were judged a second time ``id``, ``before``, ``after`` and ``threshold``.

    Returns:
        ``sentences``: ``[{"severity": "ok"|"note"|"warn", "text"}]``, the gravest first; ``figures``: name → value;
        ``biases``: the findings with numbers, as of :meth:`curation.bias.BiasReport.as_dict`.
    """
    found = tally.finish(drifted=_drifted(twice) if twice else None)
    return {
        "sentences": [
            {"severity": _SEVERITY[one.severity], "text": f"{one.sentence} {one.advice}".strip()}
            for one in sorted(found.findings, key=lambda one: -SEVERITIES.index(one.severity))
        ],
        "figures": _figures(found),
        "biases": found.as_dict(),
    }


def _drifted(twice: Sequence[Mapping[str, Any]]) -> Any:
    return drift(
        {one["id"]: one["before"] for one in twice},
        {one["id"]: one["after"] for one in twice},
        {one["id"]: one["threshold"] for one in twice},
    )


def _figures(found: BiasReport) -> dict[str, Any]:
    return {
        "samples with a judge's score": found.scored,
        "samples without a readable judgement": found.unscored,
        **{f"share at {level} when rounded": count / found.scored for level, count in sorted(found.levels.items())},
        **{
            _NAMES[one.name]: _told(one)
            for one in found.findings
            if one.name in _NAMES and one.figure.value is not None
        },
    }


def _told(one: Finding) -> str:
    """The number, its 95 % interval and what it rests on, as in ``"84% (71% to 92%), of 50"``."""
    form = ".0%" if one.name in _SHARES else ".2f"
    figure = one.figure
    text = f"{figure.value:{form}}"
    if figure.low is not None and figure.high is not None:
        text += f" ({figure.low:{form}} to {figure.high:{form}})"
    return f"{text}, of {one.rows:,}"
