"""``python -m tests.review.cli review …``: the review command by itself."""

from __future__ import annotations

import typer

from datagen.commands.review import review

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(review)


@app.callback()
def _root() -> None:
    """Keeps ``review`` a command of its own."""


if __name__ == "__main__":
    app()
