"""``datagen compare RUN``: base, SFT and SFT + DPO side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from datagen.cli_progress import printable

if TYPE_CHECKING:
    from training.compare import Duel, Judge, Ruling

EPILOG = (
    "Examples:  datagen compare runs/docs   |   "
    'datagen compare runs/docs --prompt "How do I bleed the boiler?"   |   '
    "datagen compare runs/docs --judge --judge-model gpt-4.1 --base-url https://api.openai.com/v1"
)
_LONGEST = 10_000_000  # bytes of a file of prompts


def compare(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run, an export folder, or a file of rows.", show_default=False)
    ],
    out: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads this form on every Python we support
        typer.Option("--out", "-o", metavar="DIR", help="Folder of the training; default: RUN/training."),
    ] = None,
    prompt: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--prompt", metavar="TEXT", help="A prompt of your own; repeat for several."),
    ] = None,
    prompts: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--prompts", metavar="FILE", help="Prompts of your own: a line each, or JSONL with `prompt`."),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=0, help="Held-out rows to answer; the loss is of all.")
    ] = 200,
    max_tokens: Annotated[
        int, typer.Option("--max-tokens", metavar="N", min=1, help="Longest answer, in tokens.")
    ] = 256,
    judge: Annotated[
        bool, typer.Option("--judge", help="Ask the run's judge which answers are better, in both orders.")
    ] = False,
    judge_model: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--judge-model", metavar="NAME", help="Ask this model instead; goes with --judge."),
    ] = None,
    base_url: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--base-url", metavar="URL", help="Where the judge answers; goes with --judge."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object for programs.")] = False,
) -> None:
    """Answer held-out prompts with base, SFT and SFT + DPO, and measure what was learned and what was forgotten.

    Writes compare.json and compare.html.
    """
    from datagen.commands.train import default_out, say, spoken

    folder = out or default_out(run)
    asked = [*(prompt or ()), *(_prompts(prompts) if prompts else ())]
    with spoken():
        from training import compare as comparing
        from training import compare_words, evaluate_models

        config = evaluate_models.trained_config(folder)
        ruling, name = _judge(run, folder, judge, judge_model, base_url)
        held, author = _documents(run)
        found = comparing.compare(
            folder,
            run,
            config,
            prompts=asked,
            say=say,
            documents=held,
            author=author,
            judge=ruling,
            judged_by=name,
            limit=limit,
            max_new_tokens=max_tokens,
        )
    if as_json:
        typer.echo(json.dumps(found.as_dict(), ensure_ascii=True, allow_nan=False))
        return
    lines = [compare_words.headline(found) + ".", *compare_words.sentences(found), *found.notes]
    typer.echo(printable("\n".join([*lines, f"page {folder / 'compare.html'}"])))


def _prompts(file: Path) -> list[str]:
    """One prompt a line: as text, or as a JSON object with ``prompt``."""
    from datagen.core.errors import UsageError

    try:
        size = file.stat().st_size
        text = file.read_text(encoding="utf-8") if size <= _LONGEST else ""
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{file} cannot be read as prompts.",
            f"The system says: {error}.",
            "Give a text file in UTF-8 with a prompt a line.",
        ) from error
    if size > _LONGEST:
        raise UsageError(f"{file.name} is too long.", f"It has {size:,} bytes.", f"Give at most {_LONGEST:,}.")
    found = []
    for line in text.splitlines():
        told: Any = line.strip()
        if told.startswith("{"):
            try:
                told = json.loads(told)
            except (ValueError, RecursionError):
                told = line.strip()
            if isinstance(told, dict):
                told = told.get("prompt")
        if isinstance(told, str) and told.strip():
            found.append(told)
    if not found:
        raise UsageError(f"{file.name} holds no prompt.", "All its lines are empty.", "Write a prompt a line.")
    return found


def _documents(run: Path) -> tuple[list[str], list[str]]:
    """The texts of the documents that are held out, and of all; none where ``run`` is no run."""
    from datagen import proving
    from datagen.core.errors import UsageError

    try:
        held = proving.documents(run, "test") or proving.documents(run, "valid")
        return held, proving.documents(run)
    except UsageError:
        return [], []


def _judge(run: Path, out: Path, wanted: bool, model: str | None, base_url: str | None) -> tuple[Judge | None, str]:
    """Who judges, and its name; nobody unless asked for: it costs up to six calls a prompt."""
    from datagen.core.errors import UsageError

    if not wanted:
        if model or base_url:
            raise UsageError(
                "A judge is named and not asked.", "--judge is not given.", "Add --judge, or leave its name out."
            )
        return None, ""
    from datagen import models as llms
    from datagen.config import Config
    from datagen.finished import Finished

    try:
        config = Finished(run).config
    except UsageError:
        config = Config()
    generator, judge = config.generator, config.judge.model_copy(update={"enabled": True})
    if base_url:
        generator = generator.model_copy(update={"base_url": base_url, "model": model or "", "provider": ""})
        judge = judge.model_copy(update={"base_url": "", "model": model or "", "api_key_env": ""})
    elif model:
        judge = judge.model_copy(update={"model": model})
    preference = generator.preference.model_copy(update={"share": 0.0})
    generator = generator.model_copy(update={"preference": preference})
    config = config.model_copy(update={"generator": generator, "judge": judge})
    if not llms.uses_model(config):
        raise UsageError(
            "There is no judge to ask.",
            "The run has none, and no endpoint is named.",
            "Name one with --base-url URL, or leave --judge out.",
        )
    endpoint = llms.connect(config, out / "calls.sqlite").judge
    return _Both(endpoint, config.generator.prompts), endpoint.model


class _Both:
    """Asks which of two answers is better, in both orders; every answer is kept in ``calls.sqlite``."""

    def __init__(self, endpoint: Any, folder: str) -> None:
        from curation.pairwise import Comparer
        from curation.pairwise_config import PairwiseConfig

        self.endpoint = endpoint
        self.comparer = Comparer(PairwiseConfig(), endpoint.model, folder)

    def __call__(self, duels: Sequence[Duel]) -> Sequence[Ruling | None]:
        from datagen.llm.each import ask_each

        return ask_each("pairwise", self.endpoint, duels, self._one)

    async def _one(self, backend: Any, duel: Duel) -> Ruling | None:
        from datagen.llm.ask import Unusable
        from datagen.llm.backend import CallFailed
        from training.compare import Ruling

        try:
            said = await self.comparer.compare(backend, duel.asked, duel.a, duel.b, duel.reference)
        except (Unusable, CallFailed):
            return None
        winner = {"win": "a", "lose": "b", "tie": "tie"}[said.outcome]
        return Ruling(winner, said.consistent)  # type: ignore[arg-type]
