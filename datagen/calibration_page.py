"""Writes calibration.html: one file without script, that asks for nothing from outside."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from curation.agreement import LEVELS, Agreement
from curation.calibrate import Calibration
from curation.calibrate_bootstrap import Figure
from curation.calibrate_threshold import Point, Threshold
from curation.calibrate_words import shown, strength
from datagen.calibration_rows import Ratings
from datagen.output.templating import TEMPLATES, environment
from datagen.output.text import scrub
from datagen.output.words import number, plain, plural

_SHADES = 9  # steps of a cell's shade, as calibration.css has them
_MARGIN = 8.0  # beside the chart of intervals, so that a dot at the end is whole


@dataclass(frozen=True, slots=True)
class Mark:
    """A figure on a line: x of its dot and of the ends of its interval (None where there is none)."""

    x: float
    low: float | None
    high: float | None
    told: str


@dataclass(frozen=True, slots=True)
class Scale:
    """A line of figures from ``least`` to 1 over ``width`` units."""

    least: float
    width: float

    @property
    def zero(self) -> float:
        """x of 0."""
        return self.at(0.0)

    def at(self, value: float) -> float:
        """x of a value."""
        inside = min(1.0, max(self.least, value))
        return round(_MARGIN + (inside - self.least) / (1 - self.least) * (self.width - 2 * _MARGIN), 2)

    def mark(self, figure: Figure) -> Mark | None:
        """The figure on this line; None where it is undefined."""
        if figure.value is None:
            return None
        low, high = (None if v is None else self.at(v) for v in (figure.low, figure.high))
        return Mark(self.at(figure.value), low, high, shown(figure))


@dataclass(frozen=True, slots=True)
class Curve:
    """Precision and recall on the half that did not choose, by threshold.

    Attributes:
        width, height: of the drawing area; y runs down.
        precision, recall: points of the lines, as SVG has them.
        band: the interval of the precision, as a polygon.
        ticks: (x, label) below.
        levels: (y, label) at the side.
        wanted: y of the wanted precision.
        chosen: x of the threshold, or None.
    """

    width: float
    height: float
    precision: str
    recall: str
    band: str
    ticks: list[tuple[float, str]]
    levels: list[tuple[float, str]]
    wanted: float
    chosen: float | None


def render(name: str, found: Calibration, read: Ratings) -> str:
    """The page as HTML.

    Args:
        name: of the file that was read.
        found: the figures.
        read: the ratings, for what was left out.
    """
    from markupsafe import Markup

    css = "".join((TEMPLATES / part).read_text(encoding="utf-8") for part in ("report.css", "calibration.css"))
    kappas = [c.judge.kappa for c in found.criteria.values()]
    kappas += [k for c in found.criteria.values() if c.ceiling for k in (c.ceiling.people.kappa, c.ceiling.judge.kappa)]
    least = min([0.0, *(k.low if k.low is not None else k.value for k in kappas if k.value is not None)])
    first = next(iter(found.criteria))
    said = [sentence for sentence in found.sentences if sentence != found.threshold.sentence]
    further = [s for s in said if any(s.startswith(f"{c}: ") for c in found.criteria if c != first)]
    template = environment(html=True, number=number, plural=plural, percent=_percent, signed=_signed).get_template(
        "calibration.html.j2"
    )
    text = template.render(
        policy=f"default-src 'none'; style-src '{_hash(css)}'; img-src 'none'; base-uri 'none'; form-action 'none'",
        css=Markup(css),  # ours, and hashed above
        name=name,
        found=found,
        read=read,
        leading=[s for s in said if s not in further],
        further=further,
        headline=_headline(first, found.criteria[first].judge),
        first=found.criteria[first].judge,
        scale=Scale(least, 112.0),
        shaded=_shaded,
        levels=LEVELS,
        curve=curve(found.threshold, 860.0, 230.0),
        points=_thinned(found.threshold.curve),
    )
    return scrub(text)


def curve(threshold: Threshold, width: float, height: float) -> Curve | None:
    """The chart of precision and recall, or None with fewer than two thresholds that keep something."""
    points = [other for _, other in threshold.curve if other.kept]
    if len(points) < 2:
        return None
    least, most = points[0].threshold, points[-1].threshold

    def x(value: float) -> float:
        return round((value - least) / (most - least) * width, 2)

    def line(of: Callable[[Point], float | None]) -> str:
        drawn = [(p.threshold, value) for p in points if (value := of(p)) is not None]
        return " ".join(f"{x(at)},{round((1 - value) * height, 2)}" for at, value in drawn)

    upper = line(lambda p: p.precision.high)
    lower = " ".join(reversed(line(lambda p: p.precision.low).split()))
    steps = [i / 2 for i in range(2, 11)]
    value = threshold.value
    return Curve(
        width,
        height,
        precision=line(lambda p: p.precision.value),
        recall=line(lambda p: p.recall.value),
        band=f"{upper} {lower}",
        ticks=[(x(at), f"{at:g}") for at in steps if least <= at <= most],
        levels=[(round((1 - at) * height, 2), f"{at:.0%}") for at in (0.0, 0.25, 0.5, 0.75, 1.0)],
        wanted=round((1 - threshold.wanted) * height, 2),
        chosen=x(value) if value is not None and least <= value <= most else None,
    )


def _headline(name: str, judge: Agreement) -> str:
    whole = "" if name == "overall" else f" on {plain(name)}"
    if not judge.rows:
        return f"No rating has both a person's and the judge's score{whole}"
    if judge.kappa.value is None:
        return f"How far the judge agrees with people{whole} is undefined: all scores are the same"
    return f"The judge's agreement with people{whole} is {strength(judge.kappa.value)}: kappa {judge.kappa.value:.2f}"


def _shaded(found: Agreement) -> list[list[tuple[int, int]]]:
    """The confusion matrix as (count, shade): shade by the share in what people gave that score."""
    return [[(n, round(n / max(1, sum(row)) * _SHADES)) for n in row] for row in found.confusion]


def _thinned(points: Sequence[tuple[Point, Point]], most: int = 41) -> list[tuple[Point, Point]]:
    every = -(-len(points) // most) if points else 1
    return list(points[::every])


def _percent(figure: Figure) -> str:
    return "–" if figure.value is None else f"{figure.value:.0%}"


def _signed(figure: Figure) -> str:
    return "–" if figure.value is None else f"{figure.value:+.2f}"


def _hash(content: str) -> str:
    """The source expression of CSP level 3 for an inline element with that content."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
