"""Hands the merged model on: an Ollama Modelfile, a GGUF file where llama.cpp's converter is at hand, and configs of
other trainers for the same data."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from training.chat_form import Form, NoForm, find
from training.config import TrainConfig
from training.errors import TrainingError
from training.handover_configs import write_configs

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Say = Callable[[str], None]
CONVERTER = "convert_hf_to_gguf.py"
FOLDER = "LLAMA_CPP_DIR"
MODELFILE, GGUF = "Modelfile", "model.gguf"


@dataclass(frozen=True)
class Handover:
    """What was written, relative to the output folder, and what is to be known about it, a sentence each."""

    files: tuple[str, ...]
    said: tuple[str, ...]


def hand_over(
    out: Path,
    export: Path,
    config: TrainConfig,
    *,
    tokenizer: PreTrainedTokenizerBase | None = None,
    max_length: int = 2048,
    say: Say = lambda _: None,
) -> Handover:
    """Write ``Modelfile``, ``model.gguf`` where it can be made, and ``configs/`` into ``out``.

    Args:
        out: the output folder of a training, with ``merged/`` in it.
        export: the run or export folder that was trained on.
        config: as it was trained with.
        tokenizer: of the merged model; without it, it is loaded.
        max_length: tokens of a row that were trained on, where the configuration leaves them open.
        say: told each sentence of the result.

    Raises:
        TrainingError: there is no merged model, or a file cannot be written.
    """
    merged = out / "merged"
    if not (merged / "config.json").is_file():
        raise TrainingError(
            "There is no merged model to hand over.", f"{out.name} has no merged/.", "Train first: datagen train RUN."
        )
    if tokenizer is None:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(str(merged))
    files, said = [], []
    try:
        made, about = gguf(merged, out / GGUF)
        said.append(about)
        if made:
            files.append(GGUF)
        text, about = modelfile(tokenizer, f"./{GGUF}" if made else "./merged")
        (out / MODELFILE).write_text(text, encoding="utf-8")
        files.append(MODELFILE)
        said.append(about)
        names, told = write_configs(out, export, config, max_length=config.max_length or max_length)
        files += names
        said += told
    except OSError as error:
        raise TrainingError(
            "The files for other programs could not be written.",
            f"{error.strerror or error}.",
            "Make room on the disk and give the same command again.",
        ) from error
    for sentence in said:
        say(sentence)
    return Handover(tuple(files), tuple(said))


def modelfile(tokenizer: PreTrainedTokenizerBase, source: str) -> tuple[str, str]:
    """The content of a Modelfile for ``source``, and what is to be said about it."""
    how = "In this folder: ollama create my-model -f Modelfile, then ollama run my-model."
    lines = [f"FROM {source}"]
    try:
        form = find(tokenizer)
    except NoForm as error:
        about = (
            f"The Modelfile has no TEMPLATE: {str(error)[0].lower()}{str(error)[1:]} Ollama then takes the one in the "
            "model's own files, where it knows it; check a reply before you rely on it."
        )
        return "\n".join([*(f"# {line}" for line in (about, how)), *lines]) + "\n", about
    about = "The Modelfile has the model's own chat template"
    template = str(tokenizer.chat_template)
    if "strftime_now" in template:
        about += ", with the date of today as fixed text"
    if form.where is None:
        about += "; it takes no system message"
    lines.append(f'TEMPLATE """{form.go()}"""')
    lines += [f'PARAMETER stop "{stop}"' for stop in stops(tokenizer, form)]
    return f"# {how}\n" + "\n".join(lines) + "\n", about + "."


def stops(tokenizer: PreTrainedTokenizerBase, form: Form) -> list[str]:
    """Texts at which a reply ends: what ends the assistant's turn, and the end-of-text token."""
    found = [form.assistant[1].strip(), str(tokenizer.eos_token or "")]
    return list(dict.fromkeys(s for s in found if s and '"' not in s and "\n" not in s))


def find_converter() -> Path | None:
    """llama.cpp's converter in ``LLAMA_CPP_DIR`` or on the PATH."""
    folder = os.environ.get(FOLDER)
    if folder and (Path(folder) / CONVERTER).is_file():
        return Path(folder) / CONVERTER
    found = shutil.which(CONVERTER)
    return Path(found) if found else None


def command(converter: str | Path, merged: Path, target: Path) -> list[str]:
    """The command that converts, as a list (no shell takes part); ``auto`` keeps the type of the weights."""
    python = sys.executable if isinstance(converter, Path) else "python"
    return [python, str(converter), str(merged), "--outfile", str(target), "--outtype", "auto"]


def gguf(merged: Path, target: Path) -> tuple[bool, str]:
    """Convert, where the converter is at hand.

    Returns:
        Whether there is a file now, and what is to be said: its name, the command that would make it, or the
        converter's own complaint.
    """
    converter = find_converter()
    if converter is None:
        asked = shlex.join(command(CONVERTER, Path("merged"), Path(target.name)))
        return False, (
            f"No GGUF file was made: llama.cpp's {CONVERTER} is not on the PATH or in {FOLDER}. "
            f"In the output folder: {asked}"
        )
    held = target.with_name(f".{target.name}.new")
    try:
        done = subprocess.run(
            command(converter, merged, held), capture_output=True, text=True, errors="replace", check=False
        )
        if done.returncode or not held.is_file():
            last = next(
                (line.strip() for line in reversed(done.stderr.splitlines()) if line.strip()), "no reason given"
            )
            return False, f"No GGUF file was made: {CONVERTER} ended with {done.returncode} ({last[:200]})."
        held.replace(target)
    finally:
        held.unlink(missing_ok=True)
    return True, f"{target.name} is the merged model for llama.cpp, LM Studio and Ollama."
