"""One of the two things that are compared, as it was read; and the refusals of what cannot be read."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from datagen.core.errors import UsageError
from datagen.diff_table import Table, finite, key

Kind = Literal["run", "curation", "rows"]
NAMES: dict[Kind, str] = {"run": "a run", "curation": "an output of `datagen curate`", "rows": "rows of data"}
NORMALISED = 2_000
"""Characters of an instruction that are brought to NFKC: the time it takes grows with the square of a run of marks."""
SHOWN = 300
"""Characters of a text in an example."""
PRIVATE = frozenset({"pii", "malicious"})
"""Stages whose rejected samples are not shown: what they found must not reach a terminal or a log."""


@dataclass
class Side:
    """A run, a curation or rows.

    Attributes:
        samples: one row each, or a row of data.
        chunks: of a run.
        documents: of a run: (path, sha256) → split.
        ledger: as in ledger.json; None for plain rows.
        facts: what it says about itself, of a run run.yaml, of a curation report.json.
        nodes: of a run: the nodes of shards.json.
        scored_by: samples by who scored them.
        unreadable: lines that are no row.
        notes: what a reader should know, a sentence each.
        fetch: (place, …) → an example each, as :func:`example` makes it.
    """

    path: Path
    kind: Kind
    fetch: Callable[[Sequence[int]], list[dict[str, Any]]]
    samples: Table = field(default_factory=Table)
    chunks: Table = field(default_factory=Table)
    documents: dict[tuple[str, str], str] = field(default_factory=dict)
    ledger: dict[str, Any] | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    nodes: list[dict[str, Any]] = field(default_factory=list)
    scored_by: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0
    notes: list[str] = field(default_factory=list)


def instruction_key(text: str, before: str = "") -> int:
    """The key of an instruction after normalisation: NFKC, case, white space and closing punctuation aside.

    Args:
        text: the instruction; 0 is the answer where nothing of it is left.
        before: what must agree besides, as the recipe.
    """
    head = text[:NORMALISED]
    if not head.isascii():
        head = unicodedata.normalize("NFKC", head)
    words = " ".join((head + text[NORMALISED:]).casefold().split()).rstrip(" .?!:;,…")
    return key(before, words) if words else 0


def read_scores(value: Any) -> dict[str, float]:
    """The finite numbers of a mapping of criteria, whatever it is."""
    if not isinstance(value, Mapping):
        return {}
    return {str(k)[:60]: number for k, v in value.items() if (number := finite(v)) is not None}


def example(
    name: str, instruction: str, reply: str, score: float | None, scores: Mapping[str, float], verdict: Any
) -> dict[str, Any]:
    """A sample as an example, its texts cut; those of a sample that was rejected for what it holds are left out."""
    told = None
    if isinstance(verdict, Mapping):
        told = {part: str(verdict.get(part, ""))[:SHOWN] for part in ("stage", "reason", "evidence")}
    hidden = told is not None and told["stage"] in PRIVATE
    return {
        "id": name[:SHOWN],
        "instruction": None if hidden else instruction[:SHOWN],
        "reply": None if hidden else reply[:SHOWN],
        "score": score,
        "scores": dict(scores),
        "verdict": told,
    }


def plain(value: Any) -> str:
    """A value as JSON text that is the same for the same value; takes what JSON cannot hold too."""
    return json.dumps(value, sort_keys=True, default=repr)


def nothing_there(path: Path) -> UsageError:
    """There is no such file or folder."""
    return UsageError(
        f"There is nothing to compare at {path}.",
        "No such file or folder.",
        "Name two run folders, two outputs of `datagen curate`, or two files of rows.",
    )


def unfinished(path: Path, why: str) -> UsageError:
    """A run or curation that has not come to its end."""
    return UsageError(f"{path} is not finished.", why, "Let it finish, by the same command again, and compare then.")


def damaged(path: Path, what: str, error: BaseException | str) -> UsageError:
    """A file that is not what it should be."""
    said = error if isinstance(error, str) else type(error).__name__
    return UsageError(
        f"{path} cannot be read.",
        f"Its {what} is missing or damaged ({said}).",
        "Run the command that made it again: it makes what is missing.",
    )
