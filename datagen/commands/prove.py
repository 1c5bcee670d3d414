"""``datagen prove RUN``: did the data help?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Optional

import typer

from datagen.cli_progress import printable

EPILOG = (
    "Examples:  datagen prove runs/docs --base Qwen/Qwen2.5-0.5B-Instruct   |   "
    "datagen prove runs/docs --base tiny --seeds 3 --steps 40   |   datagen prove runs/docs --arm raw --arm curated"
)


def prove(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run.", show_default=False)],
    out: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads this form on every Python we support
        typer.Option("--out", "-o", metavar="DIR", help="Folder for the proof; default: RUN/proof."),
    ] = None,
    base: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--base", metavar="MODEL", help="A folder, a name on the hub, or `tiny` to try the machine."),
    ] = None,
    method: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--method", metavar="NAME", help="qlora (4 bit), lora (unquantised) or full (all weights)."),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", metavar="N", min=1, max=100, help="Seeds of each arm.")] = 3,
    steps: Annotated[
        int,
        typer.Option("--steps", metavar="N", min=0, help="Steps of each arm; 0: the epochs over the largest arm."),
    ] = 0,
    arm: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--arm", metavar="NAME", help="gold, raw, curated or `curated + DPO`; repeat; default: all."),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=0, help="Test rows to answer; the loss is of all.")
    ] = 100,
    max_tokens: Annotated[
        int, typer.Option("--max-tokens", metavar="N", min=1, help="Longest answer, in tokens.")
    ] = 128,
    settings: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--set", metavar="A.B=C", help="Set one key of training, as sft.epochs=3; repeat for several."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object for programs.")] = False,
) -> None:
    """Train on gold, raw, curated, and curated with DPO, with equal budgets and several seeds; say what helped.

    Run the same command again to go on where it was stopped. Writes prove.json and prove.html.
    """
    from datagen import proving
    from datagen.commands.train import say, spoken
    from datagen.core.errors import UsageError

    if unknown := sorted(set(arm or ()) - set(proving.NAMES)):
        raise UsageError(
            f"There is no arm {unknown[0]!r}.",
            "It is none of those a run has.",
            f"Take of: {', '.join(proving.NAMES)}.",
        )
    folder = out or run / "proof"
    with spoken():
        from training import prove as proofs
        from training import prove_words
        from training import settings as training_settings

        config = training_settings.settle(settings or [], {"base": base, "method": method})
        made = proving.arms(run, folder / "data", arm or proving.NAMES)
        for name, why in made.left_out.items():
            say(f"Without the arm {name}: {why}")
        for name, count in made.taken_out.items():
            say(f"{count} samples of {name} say the very same as a test row and were taken out.")
        found = proofs.prove(
            made.folders,
            config,
            range(seeds),
            test=run / "export",
            out=folder,
            say=say,
            steps=steps,
            limit=limit,
            max_new_tokens=max_tokens,
            left_out=made.left_out,
        )
    if as_json:
        typer.echo(json.dumps(found.as_dict(), ensure_ascii=True, allow_nan=False))
        return
    lines = [prove_words.headline(found) + ".", *prove_words.sentences(found), *found.notes]
    typer.echo(printable("\n".join([*lines, f"page {folder / 'prove.html'}"])))
