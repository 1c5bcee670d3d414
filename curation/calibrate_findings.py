"""What a bias figure comes to: how grave it is, a sentence, and what to do about it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from curation.calibrate_bootstrap import Figure
from curation.calibrate_families import family_of, same_family
from curation.calibrate_threshold import share
from curation.calibrate_words import shown

Severity = Literal["none", "note", "warning", "alarm"]
"""``none``: as it should be. ``note``: worth knowing. ``warning``: the scores mislead. ``alarm``: to be said loudly."""
SEVERITIES: tuple[Severity, ...] = ("none", "note", "warning", "alarm")
LEAST = 20
"""Samples under which a figure is shown and not graded."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One figure about a judge.

    Attributes:
        name: as in ``"length_answer"``.
        figure: the number and its 95 % interval.
        rows: samples or pairs it rests on.
        severity: see :data:`Severity`.
        sentence: what it says.
        advice: what to do about it; "" where there is nothing to do.
    """

    name: str
    figure: Figure
    rows: int
    severity: Severity
    sentence: str
    advice: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        told = {"severity": self.severity, "sentence": self.sentence, "advice": self.advice}
        return {"name": self.name, **self.figure.as_dict(), "rows": self.rows, **told}


def on_length(name: str, what: str, figure: Figure, graded: Figure, rows: int, doubling: float | None) -> Finding:
    """Of the rank correlation of score and length.

    Args:
        name, what: of the finding, and of the length in words.
        figure: over all samples.
        graded: the same within recipes, by which it is graded.
        rows: samples.
        doubling: by how much the score grows with each doubling of the length.
    """
    if figure.value is None:
        return Finding(
            name, figure, rows, "none", f"Whether scores go by {what} can't be said: one of them is constant."
        )
    sentence = f"The rank correlation of the score with {what} is {shown(figure)}"
    if graded is not figure and graded.value is not None:
        sentence += f", within recipes {shown(graded)}"
    if doubling is not None:
        sentence += f"; each doubling of the length comes with {doubling:+.2f} in the score"
    value, low, high = graded.value or 0.0, graded.low or 0.0, graded.high or 0.0
    severity: Severity = "none"
    if rows >= LEAST and (low > 0 or high < 0):  # its interval leaves zero out
        severity = "warning" if abs(value) >= 0.4 else "note" if abs(value) >= 0.2 else "none"
    advice = (
        "See in a calibration whether people's scores go by length as much: the partial correlation tells. If they "
        "don't, use another judge, or say in the rubric that length earns nothing."
    )
    return Finding(name, figure, rows, severity, f"{sentence}.", advice if severity != "none" else "")


def on_spread(levels: Mapping[int, int]) -> tuple[Finding, Finding]:
    """Of the share at the top score, and of the entropy of the scores."""
    rows = sum(levels.values())
    if not rows:
        none = "No sample has a score."
        return Finding("top_share", Figure(None), 0, "none", none), Finding("entropy", Figure(None), 0, "none", none)
    top = share(levels.get(5, 0), rows)
    most = max(levels, key=lambda level: (levels[level], level))
    part = levels[most] / rows
    grade: Severity = "none" if rows < LEAST or part < 0.6 else "warning" if part >= 0.8 else "note"
    advice = (
        "A judge that gives nearly everything one score tells good from bad no better than no judge. Use a stronger "
        "one, a rubric with anchors that are harder to reach, or scores from log-probabilities."
    )
    said = (
        f"The whole scores hold {entropy(levels):.2f} bits of a possible {math.log2(5):.2f}; the commonest is {most}."
    )
    return (
        Finding("top_share", top, rows, "none", f"{shown(top, '.0%')} of the samples have the top score."),
        Finding("entropy", Figure(entropy(levels)), rows, grade, said, advice if grade != "none" else ""),
    )


def entropy(levels: Mapping[int, int]) -> float | None:
    """Shannon's entropy of the scores in bits: 0 where all are the same, 2.32 where all five are equally common."""
    rows = sum(levels.values())
    return -math.fsum(n / rows * math.log2(n / rows) for n in levels.values() if n) + 0.0 if rows else None


def on_recipes(means: Mapping[str, tuple[int, float]]) -> Finding:
    """Of the mean score by recipe: (samples, mean) each."""
    rows = sum(n for n, _ in means.values())
    large = {name: mean for name, (n, mean) in means.items() if n >= LEAST}
    if len(large) < 2:
        return Finding("recipes", Figure(None), rows, "none", "Fewer than two recipes have enough samples to compare.")
    best, worst = max(large, key=lambda n: (large[n], n)), min(large, key=lambda n: (large[n], n))
    apart = large[best] - large[worst]
    severity: Severity = "note" if apart >= 1 else "none"
    sentence = f"The mean score runs from {large[worst]:.2f} ({worst}) to {large[best]:.2f} ({best})."
    advice = "Read some of both: either one recipe is worse, or the rubric does not fit it."
    return Finding("recipes", Figure(apart), rows, severity, sentence, advice if severity != "none" else "")


def on_families(pairs: Mapping[tuple[str, str], int]) -> Finding:
    """Of generator and judge: samples by (generator, judge)."""
    rows = sum(pairs.values())
    same = {pair: n for pair, n in pairs.items() if same_family(*pair)}
    told = {pair: n for pair, n in pairs.items() if same_family(*pair) is None}
    if same:
        generator, judge = max(same, key=lambda pair: (same[pair], pair))
        figure = Figure(sum(same.values()) / rows)
        if generator.strip().lower() == judge.strip().lower():
            lead = f"THE JUDGE IS THE GENERATOR: {judge} scored what it had written itself"
        else:
            family = family_of(judge)
            lead = f"JUDGE AND GENERATOR ARE OF ONE FAMILY ({family}): {judge} scored what {generator} had written"
        sentence = f"{lead}, in {figure.value:.0%} of the judgements. Models score their own family's texts too high."
        return Finding(
            "family",
            figure,
            rows,
            "alarm",
            sentence,
            "Name a judge of another family, or a panel with one.",
        )
    if told:
        generator, judge = max(told, key=lambda pair: (told[pair], pair))
        names = f"{generator or 'an unnamed model'} (generator) and {judge or 'an unnamed model'} (judge)"
        return Finding(
            "family",
            Figure(None),
            rows,
            "note",
            f"Whether {names} are of one family can't be told by their names.",
            "See to it yourself that they are not: models score their own family's texts too high.",
        )
    sentence = "Generator and judge are of different families." if pairs else "No model judged what a model wrote."
    return Finding("family", Figure(0.0 if pairs else None), rows, "none", sentence)


def on_unscored(unscored: int, scored: int) -> Finding:
    """Of judgements that could not be read."""
    figure = share(unscored, unscored + scored)
    value = figure.value or 0.0
    severity: Severity = "warning" if value >= 0.05 else "note" if value >= 0.01 else "none"
    sentence = f"{unscored:,} of {unscored + scored:,} judgements could not be read."
    advice = "Look at their raw replies in failed.jsonl; a longer judgement or another judge may help."
    return Finding("unscored", figure, unscored + scored, severity, sentence, advice if severity != "none" else "")
