"""Examples that stand beside prompts: JSONL rows of texts, the user's where there are any."""

from __future__ import annotations

import json
from collections.abc import Sequence

from datagen.core.errors import UsageError
from datagen.llm import prompts

MAX_BYTES = 10_000_000


def rows(name: str, folder: str, keys: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a JSONL file in a prompts folder, each with exactly these texts.

    Raises:
        UsageError: the file cannot be read, or a line (named by its number) is not of that form.
    """
    path = prompts.locate(name, folder)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"The file {name} cannot be used.", f"It cannot be read ({type(error).__name__}).", "Save it as UTF-8."
        ) from error
    if len(data) > MAX_BYTES:
        raise UsageError(f"The file {name} cannot be used.", "It is over 10 MB.", "Give the best few dozen rows.")
    found: list[dict[str, str]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict) or set(row) != set(keys) or not all(isinstance(v, str) for v in row.values()):
            raise UsageError(
                f"Line {number} of {name} is no example.",
                f"It must be a JSON object with the texts {', '.join(keys)} and nothing else.",
                "Correct that line, or take the shipped file.",
            )
        found.append(row)
    return found
