"""``datagen judge calibrate``: reads ratings, measures the judge, writes calibration.json and calibration.html."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.agreement import Agreement
from curation.calibrate import Calibration, calibrate
from curation.calibrate_words import shown
from datagen.calibration_page import render
from datagen.calibration_rows import Ratings
from datagen.calibration_rows import read_ratings as read_ratings
from datagen.core.errors import UsageError, from_os_error
from datagen.core.files import write_if_changed
from datagen.output.text import clip, pretty_json
from datagen.output.words import plural

JSON, HTML = "calibration.json", "calibration.html"
PRECISION = 0.9
_WIDE = 22  # characters of a name in the table


@dataclass(frozen=True)
class Outcome:
    """What a calibration found.

    Attributes:
        folder: where calibration.json and calibration.html are.
        data: the contents of calibration.json.
        calibration: the figures.
        read: the ratings they rest on.
        wanted: was a precision asked for?
    """

    folder: Path
    data: dict[str, Any]
    calibration: Calibration
    read: Ratings
    wanted: bool

    @property
    def exit_code(self) -> int:
        """0; 1 where a precision was asked for, and no threshold gives it or the other half shows that it does not."""
        threshold = self.calibration.threshold
        high = threshold.shown.precision.high if threshold.shown else None
        missed = threshold.value is None or (high is not None and high < threshold.wanted)
        return 1 if self.wanted and missed else 0

    def text(self) -> str:
        """For people."""
        found = self.calibration
        people = ", ".join(f"{name} {count:,}" for name, count in list(found.reviewers.items())[:6])
        lines = [
            f"{plural(found.ratings, 'rating')} of {plural(found.samples, 'sample')}"
            + (f" ({people})" if people else "")
        ]
        if found.replaced:
            lines.append(f"  {plural(found.replaced, 'rating')} made again by the same person: the last one counts")
        for reason, (numbers, count) in self.read.left_out.items():
            where = ", ".join(map(str, numbers)) + (", …" if count > len(numbers) else "")
            lines.append(f"  left out {plural(count, 'row')}: {reason} (line {where})")
        lines += ["", *self._table(), ""]
        lines += [sentence for sentence in found.sentences if sentence != found.threshold.sentence]
        lines += ["", f"Threshold: {found.threshold.sentence}"]
        if found.threshold.value is not None:
            lines.append(f"  set it with --set judge.threshold={found.threshold.value:g}")
        return "\n".join([*lines, f"  figures  {self.folder / JSON}", f"  page     {self.folder / HTML}"])

    def _table(self) -> list[str]:
        heads = ("ratings", "kappa (95 %)", "Spearman (95 %)", "exact", "within 1", "bias")
        rows: list[tuple[str, ...]] = [("", *heads)]
        for name, found in self.calibration.criteria.items():
            rows.append(_row(name, found.judge))
            if found.ceiling:
                rows.append(_row("  two people", found.ceiling.people))
                rows.append(_row("  judge, same samples", found.ceiling.judge))
        for kind, groups in self.calibration.groups.items():
            rows.append((f"overall by {kind}" if kind != "judge" else "overall, judge", *[""] * len(heads)))
            rows += [
                _row(f"  {value}", group.agreement)
                if group.agreement
                else (_name(f"  {value}"), f"{group.rows:,}", "too few", "", "", "", "")
                for value, group in groups.items()
            ]
        widths = [max(len(row[i]) for row in rows) for i in range(len(heads) + 1)]
        return [
            "  ".join(
                [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
            ).rstrip()
            for row in rows
        ]


def calibrate_file(
    path: Path,
    out: Path | None = None,
    *,
    precision: float | None = None,
    criteria: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
) -> Outcome:
    """Measure the judge whose scores stand beside people's in a file, and write what was found.

    Args:
        path: JSONL, a JSON array or Parquet.
        out: folder for the results; None: the file's name with ``-calibration``, beside it.
        precision: wanted of the threshold; None: :data:`PRECISION`, and it does not matter if none is found.
        criteria: to look at; empty: all.
        columns: see :func:`~datagen.calibration_rows.read_ratings`.

    Raises:
        DatagenError: the file holds no rating, a criterion is not in it, or the results cannot be written.
    """
    read = read_ratings(path, columns)
    try:
        found = calibrate(read.ratings, precision=precision or PRECISION, criteria=criteria)
    except ValueError as error:
        named = sorted({name for rating in read.ratings for name in rating.human if name in rating.judge})
        raise UsageError(
            "The judge cannot be calibrated on that.",
            f"The reason: {error}.",
            f"Name some of: {', '.join(['overall', *named[:20]])}.",
        ) from error
    folder = out if out is not None else path.with_name(f"{path.stem}-calibration")
    left = {reason: {"rows": count, "lines": lines} for reason, (lines, count) in read.left_out.items()}
    data = {"file": path.name, "rows": read.rows, "left_out": left, **found.as_dict()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_if_changed(folder / JSON, pretty_json(data))
        write_if_changed(folder / HTML, render(path.name, found, read).encode())
    except OSError as error:
        raise from_os_error(error, "write the calibration") from error
    return Outcome(folder, data, found, read, precision is not None)


def _row(name: str, found: Agreement) -> tuple[str, ...]:
    exact, near, bias = found.exact.value, found.near.value, found.bias.value
    return (
        _name(name),
        f"{found.rows:,}",
        shown(found.kappa),
        shown(found.spearman),
        "" if exact is None else f"{exact:.0%}",
        "" if near is None else f"{near:.0%}",
        "" if bias is None else f"{bias:+.2f}",
    )


def _name(name: str) -> str:
    return clip(name.replace("\n", " "), _WIDE)
