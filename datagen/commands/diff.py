"""``datagen diff A B``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

EPILOG = (
    "Examples:  datagen diff runs/first runs/second   |   datagen diff clean-1 clean-2 --examples 10   |   "
    "datagen diff old.jsonl new.jsonl --json --exit-code"
)


def diff(
    a: Annotated[
        Path,
        typer.Argument(metavar="A", help="A run, an output of `datagen curate`, or rows.", show_default=False),
    ],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another of the same kind.", show_default=False)],
    examples: Annotated[
        int, typer.Option("--examples", metavar="N", min=0, max=1000, help="Samples to show of each kind of change.")
    ] = 3,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 1 where the results differ.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object for programs.")] = False,
) -> None:
    """Show what two runs have in common and what differs: samples, verdicts, scores, reasons, settings, cost."""
    from datagen import diff as differ
    from datagen import diff_show

    result = differ.diff(a, b, examples)
    typer.echo(json.dumps(result) if as_json else diff_show.text(result))
    raise typer.Exit(1 if exit_code and not result["same_results"] else 0)
