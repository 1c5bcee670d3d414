"""``datagen review``: the page on which people check a run, and their reviews to and from files."""

from __future__ import annotations

import enum
import json
from pathlib import Path
from typing import Annotated, Optional

import typer

from datagen.cli_progress import printable

EPILOG = (
    "Examples:  datagen review runs/docs   |   datagen review runs/docs --as Ana --order random --blind   |   "
    "datagen review runs/docs --export ratings.jsonl"
)


class OrderName(enum.StrEnum):
    """Orders of the queue."""

    uncertain = "uncertain"
    disagreement = "disagreement"
    random = "random"
    document = "document"


class FormName(enum.StrEnum):
    """Forms of files of reviews."""

    ratings = "ratings"
    argilla = "argilla"
    label_studio = "label-studio"


def review(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, as in runs/docs.", show_default=False)],
    port: Annotated[
        Optional[int],  # noqa: UP045 - typer reads this form on every Python we support
        typer.Option("--port", min=0, max=65535, help="Port on this machine; default: 8377, or a free one."),
    ] = None,
    name: Annotated[str, typer.Option("--as", metavar="NAME", help="Who reviews; default: the page asks.")] = "",
    order: Annotated[
        OrderName, typer.Option("--order", help="What to look at first; random for honest calibration.")
    ] = OrderName.uncertain,
    blind: Annotated[bool, typer.Option("--blind", help="Hide the judge until you have scored a sample.")] = False,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
    export: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--export", metavar="FILE", help="Write the reviews to FILE and end; no page."),
    ] = None,
    load: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--import", metavar="FILE", help="Add the reviews of a file of Argilla or Label Studio and end."),
    ] = None,
    form: Annotated[
        FormName, typer.Option("--format", help="Form of --export; --import finds it out.")
    ] = FormName.ratings,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object for programs.")] = False,
) -> None:
    """Read, accept, reject and correct the samples of a run on a page of your own machine.

    Every decision is kept; `datagen report` and `datagen export` go by them.
    """
    if export is not None or load is not None:
        from datagen.review.exchange import files

        told: dict[str, object] = {}
        if load is not None:
            told |= files.load(folder, load)
        if export is not None:
            told |= files.export(folder, export, form.value)
        typer.echo(json.dumps(told) if as_json else printable(files.text(told)))
        return
    from datagen.review import serve

    def tell(link: str) -> None:
        typer.echo(json.dumps({"url": link}) if as_json else f"Review {folder} at  {link}\nCtrl-C ends it.")

    try:
        serve.serve(
            folder,
            port=port,
            reviewer=name,
            order=order.value,
            blind=blind,
            browser=not no_browser,
            tell=tell,
            progress=lambda line: typer.echo(printable(line), err=True),
        )
    except KeyboardInterrupt:
        typer.echo(f"\nEvery decision is kept. Next: datagen report {folder}", err=True)
