"""``datagen judge calibrate``: the judge measured against people's ratings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Optional

import typer

from datagen.cli_progress import printable

EPILOG = (
    "Examples:  datagen judge calibrate ratings.jsonl   |   "
    "datagen judge calibrate ratings.jsonl --precision 0.95 --criterion accuracy   |   "
    "datagen judge calibrate other.jsonl --column human=stars --column judge=gpt_score"
)


def calibrate(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Ratings: JSONL, JSON or Parquet with people's and the judge's scores.",
            show_default=False,
        ),
    ],
    precision: Annotated[
        Optional[float],  # noqa: UP045 - typer reads this form on every Python we support
        typer.Option(
            "--precision",
            metavar="P",
            min=0.01,
            max=0.999,
            help="Share of the kept that people shall accept; exit code 1 where no threshold gives it. Default: 0.9.",
        ),
    ] = None,
    criterion: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--criterion", metavar="NAME", help="Only this criterion; repeat for several."),
    ] = None,
    column: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--column", metavar="NAME=COLUMN", help="Where the file has what; see docs/calibration.md."),
    ] = None,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", "-o", metavar="DIR", help="Default: FILE-calibration, beside FILE.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object for programs.")] = False,
) -> None:
    """Measure the judge against people's ratings, and choose the threshold that gives a wanted precision.

    Writes calibration.json and calibration.html.
    """
    from datagen import calibration
    from datagen.core.errors import UsageError
    from datagen.core.text import scrub

    columns = {}
    for given in column or ():
        name, sign, meant = given.partition("=")
        if not sign or not meant:
            raise UsageError(
                f"--column {given} is not understood.",
                "It has no NAME=COLUMN.",
                "Write it as in --column human=rating.",
            )
        columns[name.strip()] = meant.strip()
    outcome = calibration.calibrate_file(file, out, precision=precision, criteria=criterion or (), columns=columns)
    if as_json:
        typer.echo(scrub(json.dumps(outcome.data, ensure_ascii=False, allow_nan=False, sort_keys=True)))
    else:
        typer.echo(printable(outcome.text()))
    raise typer.Exit(outcome.exit_code)
