"""``datagen judge``: rows by a rubric, and the judge itself by people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from typer.core import TyperGroup

from datagen.cli_progress import printable
from datagen.commands import calibrate

ROWS = "rows"
EPILOG = (
    "Examples:  datagen judge data.jsonl --out judged --base-url http://localhost:8000/v1   |   "
    "datagen judge data.jsonl --out judged --rubric mine.md   |   datagen judge calibrate ratings.jsonl"
)


class _FilesOrCommand(TyperGroup):
    """``judge FILES`` is ``judge rows FILES``: what is no command's name is a file's."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, "--help", "-h"):
            args = [ROWS, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_FilesOrCommand, no_args_is_help=True, rich_markup_mode=None)


@app.callback(epilog=EPILOG)
def _group() -> None:
    """Score rows by a rubric (`datagen judge FILES`), or measure the judge against people (`calibrate`)."""


@app.command(ROWS, epilog=EPILOG)
def judge(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILES", help="JSONL, JSON, Parquet or Arrow in any usual form, or a folder.", show_default=False
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for kept.jsonl, rejected.jsonl, report.json.")
    ],
    rubric: Annotated[
        Optional[str],  # noqa: UP045 - typer reads this form on every Python we support
        typer.Option("--rubric", metavar="NAME", help="Rubric for every row, by name or file. Default: by the row."),
    ] = None,
    base_url: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--base-url", metavar="URL", help="OpenAI-compatible endpoint of the judge."),
    ] = None,
    provider: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--provider", metavar="NAME", help="Preset, as of `run`."),
    ] = None,
    model: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--model", metavar="NAME", help="Judge model; default: the endpoint's only model."),
    ] = None,
    threshold: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option("--threshold", metavar="S", min=1, max=5, help="Least score of a kept row; default: 4."),
    ] = None,
    max_usd: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option("--max-usd", metavar="X", min=0, help="Stop, resumable, before spending more US dollars."),
    ] = None,
    field: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--field", metavar="NAME", help="Field that holds a text; repeat. Default: by the row's form."),
    ] = None,
    config: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--config", "-c", metavar="FILE", help="Configuration; its section `judge` is used."),
    ] = None,
    settings: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--set", metavar="A.B=C", help="Override one configuration key; repeat for several."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object for programs.")] = False,
) -> None:
    """Score rows of training data 1-5 by a rubric, each with the judge's reasons, and sort them by a threshold."""
    from datagen import config as configuration
    from datagen import judge_rows
    from datagen.cli_progress import Progress

    options: dict[str, Any] = {
        "judge.rubric": rubric,
        "judge.threshold": threshold,
        "generator.base_url": base_url,
        "generator.provider": provider,
        "generator.model": model,
        "limits.max_usd": max_usd,
    }
    named = {key: value for key, value in options.items() if value is not None}
    settled = configuration.load(config or configuration.default_file(), settings or [], named)
    with Progress() as progress:
        outcome = judge_rows.judge(files, out, settled, progress, fields=field or ())
    typer.echo(json.dumps(outcome.report, ensure_ascii=False) if as_json else printable(outcome.text()))
    raise typer.Exit(outcome.exit_code)


app.command(epilog=calibrate.EPILOG)(calibrate.calibrate)
