"""The command line: parse, call, print. Results go to standard output, all else to standard error.

Nothing heavy is imported here: ``datagen --help`` must answer at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn, Optional

import typer

from datagen import __version__
from datagen.cli_progress import printable
from datagen.commands import compare as compare_command
from datagen.commands import diff as diff_command
from datagen.commands import judge as judge_command
from datagen.commands import prove as prove_command
from datagen.commands import review as review_command
from datagen.commands import train as train_command
from datagen.core.errors import DatagenError, from_os_error

INTERRUPTED, TERMINATED = 130, 143
# Typer brings its own copy of click from 0.20 on and uses the installed one before: either way this is its base.
UsageProblem: type[Exception] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")

app = typer.Typer(
    name="datagen",
    help="Turn a folder of documents into curated training data, with a ledger that adds up.",
    epilog="Start with: datagen run --source docs/",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, as in runs/docs.", show_default=False)]
PROVIDERS = "Preset: openai, vllm, ollama, llamacpp, lmstudio, openrouter or ray; gives address and key variable."
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object for programs.")]


class Terminated(BaseException):
    """SIGTERM arrived; handled like Ctrl-C, with its own exit code."""


def main() -> NoReturn:
    """Entry point of ``datagen``. Exit codes: see docs/run-folder.md."""
    signal.signal(signal.SIGTERM, _terminate)
    _open_streams()
    code: Any = 0
    hard = False
    try:
        code = app(standalone_mode=False)
        if code == INTERRUPTED:  # Typer's own way to say Ctrl-C
            raise KeyboardInterrupt
    except DatagenError as error:
        code = error.exit_code
        hard = True
        _say(f"Error: {error.what}\n  why: {error.why}\n  fix: {error.fix}")
    except UsageProblem as error:
        code = error.exit_code  # type: ignore[attr-defined]
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "datagen"
        what = error.format_message()  # type: ignore[attr-defined]
        _say(f"Error: {what}\n  why: The command line is not understood.\n  fix: See `{command} --help`.")
    except (KeyboardInterrupt, typer.Abort):
        code, hard = INTERRUPTED, True
        _say("Interrupted.\n  why: Ctrl-C was pressed.\n  fix: Run the same command again: it continues.")
    except Terminated:
        code, hard = TERMINATED, True
        _say(
            "Stopped.\n  why: The process was asked to end (SIGTERM).\n  fix: Run the same command again: it continues."
        )
    except BrokenPipeError:
        code, hard = 1, True  # whoever read our output has gone
    except OSError as error:
        if os.environ.get("DATAGEN_TRACEBACK"):
            traceback.print_exc()
        told = from_os_error(error, "go on")
        code, hard = told.exit_code, True
        _say(f"Error: {told.what}\n  why: {told.why}\n  fix: {told.fix}")
    except Exception as error:
        code, hard = 1, True
        if os.environ.get("DATAGEN_TRACEBACK"):
            traceback.print_exc()
        _say(
            f"Error: datagen itself failed; finished work is kept.\n  why: {type(error).__name__}: {error}\n"
            "  fix: Please report it with the output of the same command under DATAGEN_TRACEBACK=1."
        )
    _leave(code if isinstance(code, int) else 0, hard)


def _open_streams() -> None:
    """Give closed standard streams a place to go; else the next file opened, perhaps a database, would be theirs."""
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(handle)
    sys.stdout = sys.stdout or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - it stays open
    sys.stderr = sys.stderr or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115


def _leave(code: int, hard: bool) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            hard = True
    if hard:
        os._exit(code)  # threads may still wait for a model; all that counts is on disk already
    sys.exit(code)


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # nobody is left to tell; the exit code still says it
        typer.echo(printable(text), err=True)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"datagen {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command(
    epilog="Examples:  datagen init   |   datagen init my-project",
)
def init(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to write them.", show_default=False)] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")] = False,
) -> None:
    """Write a commented datagen.yaml and an example k-shot file."""
    from datagen import scaffold

    for path in scaffold.init(folder, force):
        typer.echo(f"wrote {path}")
    where = "" if folder == Path() else f" in {folder}"
    typer.echo(f"Next: put documents into {folder / 'docs'} and type `datagen run`{where}.")


@app.command(
    epilog="Examples:  datagen run --source docs/   |   "
    "datagen run --source docs/ --base-url http://localhost:8000/v1 --out runs/first   |   "
    "datagen run --set chunk.tokens=300 --set judge.threshold=4.5",
)
def run(
    source: Annotated[
        Optional[list[str]],  # noqa: UP045 - typer reads this form on every Python we support
        typer.Option("--source", "-s", metavar="PATH", help="Folder or file to read; repeat for several."),
    ] = None,
    config: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "--config", "-c", metavar="FILE", help="Configuration; default: ./datagen.yaml where there is one."
        ),
    ] = None,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", "-o", metavar="RUN", help="Run folder; the same one continues. Default: runs/SOURCE."),
    ] = None,
    me: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--me", metavar="NAME", help="Read chat exports; this person's messages are the assistant's."),
    ] = None,
    target: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--target", min=1, help="Accepted samples wanted: rounds go on until so many are kept."),
    ] = None,
    settings: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--set", metavar="A.B=C", help="Override one configuration key; repeat for several."),
    ] = None,
    base_url: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--base-url", metavar="URL", help="OpenAI-compatible endpoint; the key is in OPENAI_API_KEY."),
    ] = None,
    provider: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--provider", metavar="NAME", help=PROVIDERS),
    ] = None,
    model: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--model", metavar="NAME", help="Generator; default: the endpoint's only model."),
    ] = None,
    judge_model: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--judge-model", metavar="NAME", help="Judge; default: the generator."),
    ] = None,
    pilot: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--pilot", min=1, help="Make about N samples, show them, and estimate what the whole takes."),
    ] = None,
    max_usd: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option("--max-usd", min=0, help="US dollars to spend in all; stops before the call that would cross it."),
    ] = None,
    max_tokens: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--max-tokens", min=0, help="Tokens to spend in all, read and written; stops as --max-usd does."),
    ] = None,
    concurrency: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--concurrency", min=1, help="Requests in flight at most."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse a judge of the generator's own family of models.")
    ] = False,
    balance_length: Annotated[
        bool, typer.Option("--balance-length", help="Drop pairs until length does not tell chosen from rejected.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try again what failed by connection, time-out or server error.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read documents, make samples, curate and score them, export them with a report.

    Without a model (no --base-url, no OPENAI_BASE_URL or OPENAI_API_KEY) it uses extractive rules and says so.
    """
    from datagen import pipeline
    from datagen.cli_progress import Progress

    options = {
        "sources.paths": source or None,
        "chat.me": me,
        "limits.target": target,
        "generator.base_url": base_url,
        "generator.provider": provider,
        "generator.model": model,
        "judge.model": judge_model,
        "limits.max_usd": max_usd,
        "limits.max_tokens": max_tokens,
        "client.concurrency": concurrency,
        "generator.preference.balance_length": balance_length or None,
        "judge.strict": strict or None,
    }
    named = {key: value for key, value in options.items() if value is not None}
    settled = pipeline.configure(config, settings or [], named)
    with Progress() as progress:
        outcome = pipeline.run(settled, out, progress, retry_failed=retry_failed, pilot=pilot or 0)
    if as_json:
        typer.echo(json.dumps(outcome.summary(), ensure_ascii=False))
    else:
        typer.echo(printable(outcome.text()))
    raise typer.Exit(outcome.exit_code)


@app.command(epilog="Examples:  datagen status runs/docs   |   datagen status runs/docs --json")
def status(folder: RunFolder, as_json: AsJson = False) -> None:
    """Show how far a run is; works while it goes on."""
    from datagen import finished

    state = finished.status(folder)
    typer.echo(json.dumps(state, ensure_ascii=False) if as_json else printable(finished.status_text(state)))


@app.command(epilog="Examples:  datagen report runs/docs")
def report(folder: RunFolder, as_json: AsJson = False) -> None:
    """Write report.html and report.json of a finished run again, from what is in its folder."""
    from datagen import results

    path = results.report(folder)
    typer.echo(path.with_suffix(".json").read_text(encoding="utf-8") if as_json else str(path))


@app.command(
    epilog="Examples:  datagen export runs/docs --format alpaca --format dpo   |   "
    "datagen export runs/docs --format parquet --out data/",
)
def export(
    folder: RunFolder,
    names: Annotated[
        list[str],
        typer.Option(
            "--format",
            "-f",
            metavar="NAME",
            help="messages, alpaca, sharegpt, oasst, dpo, dpo-plain, kto, ranked, parquet or datasets; repeatable.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", "-o", metavar="DIR", help="Default: RUN/export-FORMAT.", show_default=False),
    ] = None,
    push_to_hub: Annotated[
        str, typer.Option("--push-to-hub", metavar="REPO", help="Upload it as OWNER/NAME, private; needs HF_TOKEN.")
    ] = "",
    public: Annotated[bool, typer.Option("--public", help="With --push-to-hub: everybody may see it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Export the kept samples of a finished run in other formats, splits kept."""
    from datagen import results

    written = results.export(folder, names, out, repo=push_to_hub, public=public)
    if as_json:
        shown = {n: {"folder": str(e.folder), "rows": e.rows, "url": e.url or None} for n, e in written.items()}
        typer.echo(json.dumps(shown))
        return
    for made in written.values():
        typer.echo(f"{made.folder}")
        for file, rows in made.rows.items():
            typer.echo(f"  {file}  {rows} rows")
        if made.url:
            typer.echo(f"pushed to {made.url}")


@app.command(
    epilog="Examples:  datagen curate data.jsonl --out clean   |   datagen curate data/ --out clean --only dedupe,pii"
)
def curate(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILES", help="JSONL, JSON, Parquet or Arrow in any usual form, or a folder.", show_default=False
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for kept.jsonl, rejected.jsonl, report.json.")
    ],
    only: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--only", metavar="STEP,…", help="Only these steps; see docs/curate.md."),
    ] = None,
    against: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Option("--against", metavar="FILE", help="Evaluation set that no row may repeat; repeat for several."),
    ] = None,
    target: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--target", metavar="N", min=1, help="Rows to keep: adds the step select, docs/selection.md."),
    ] = None,
    field: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--field", metavar="NAME", help="Field that holds a text; repeat. Default: by the row's form."),
    ] = None,
    config: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--config", "-c", metavar="FILE", help="Configuration; its section `curation` is used."),
    ] = None,
    settings: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--set", metavar="A.B=C", help="Override one configuration key; repeat for several."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Curate anybody's training data: duplicates, personal data, malicious content, contamination.

    Each row is kept as it came, kept changed, or rejected with its reason; none is lost.
    """
    from datagen import curate as curation
    from datagen.cli_progress import Progress

    settled = curation.configure(config, settings or [])
    with Progress() as progress:
        outcome = curation.curate(
            files, out, settled, progress, only=only or (), against=against or (), fields=field or (), target=target
        )
    if as_json:
        typer.echo(json.dumps(outcome.report, ensure_ascii=False))
    else:
        typer.echo(printable(outcome.text()))
    raise typer.Exit(outcome.exit_code)


app.add_typer(judge_command.app, name="judge")
app.command(epilog=review_command.EPILOG)(review_command.review)
app.command(epilog=diff_command.EPILOG)(diff_command.diff)
app.command(epilog=train_command.EPILOG)(train_command.train)
app.command(epilog=compare_command.EPILOG)(compare_command.compare)
app.command(epilog=prove_command.EPILOG)(prove_command.prove)


@app.command(epilog="Examples:  datagen doctor   |   datagen doctor --base-url http://localhost:8000/v1")
def doctor(
    base_url: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--base-url", metavar="URL", help="Endpoint to look at; default: as `run` would choose."),
    ] = None,
    provider: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--provider", metavar="NAME", help=PROVIDERS),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what is installed, which model answers, and what `run` would use."""
    from datagen import diagnose

    state = diagnose.doctor(base_url, provider)
    typer.echo(json.dumps(state, ensure_ascii=False) if as_json else printable(diagnose.text(state)))


if __name__ == "__main__":
    main()
