"""What two runs have in common and what differs, for somebody who changed one thing and asks what it did.

Also for two outputs of ``datagen curate``, and for two files of rows. Each side is read once, as hashes and numbers
(:mod:`datagen.diff_table`); the texts of examples are looked up at the end.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from datagen import diff_results as results
from datagen import diff_rows, diff_runs, diff_setup
from datagen.core.errors import UsageError, from_os_error
from datagen.diff_side import NAMES, Side, nothing_there
from datagen.diff_table import match
from datagen.output.curated import REPORT
from datagen.state import EVENTS, RUN, SHARDS

EXAMPLES = 3


def diff(a: Path, b: Path, examples: int = EXAMPLES) -> dict[str, Any]:
    """Compare two runs, two outputs of ``datagen curate``, or two files or folders of rows.

    Args:
        examples: of each kind of change, at most.

    Returns:
        Plain values; wherever two stand together they are ``[of A, of B]``. ``same_results``: nothing that was made
        differs; ``same_setup``: neither does what shapes it. ``usage``, times and notes have no part in either.
        docs/diff.md names the rest.

    Raises:
        UsageError: a side is missing, foreign, unfinished or damaged, or they are of two kinds.
    """
    if examples < 0:
        raise UsageError("There is no negative number of examples.", f"{examples} was given.", "Give 0 or more.")
    try:
        one, two = _read(a), _read(b)
        if one.kind != two.kind:
            raise UsageError(
                f"{a} and {b} are of two kinds.",
                f"The first is {NAMES[one.kind]}, the second {NAMES[two.kind]}.",
                "Compare like with like; of a run, the rows are in its folder `export`.",
            )
        return _compare(one, two, examples)
    except OSError as error:
        raise from_os_error(error, "read what is to be compared") from error


def _read(path: Path) -> Side:
    if not os.path.exists(path):  # noqa: PTH110 - Path.exists raises for a name that is too long
        raise nothing_there(path)
    if path.is_dir():
        if any((path / name).exists() for name in (RUN, SHARDS)) or (
            (path / EVENTS).exists() and not (path / ".work").exists()
        ):
            return diff_runs.read(path)
        if (path / ".work").is_dir() or ((path / REPORT).is_file() and (path / "kept.jsonl").is_file()):
            return diff_rows.read_curation(path)
    return diff_rows.read_rows(path)


def _compare(a: Side, b: Side, examples: int) -> dict[str, Any]:
    found = match(a.samples, b.samples)
    out: dict[str, Any] = {
        "kind": a.kind,
        "paths": [str(a.path), str(b.path)],
        "same_results": False,
        "same_setup": False,
        "ledger": results.ledgers(a, b),
        "samples": results.samples(a.samples, b.samples, found),
        "verdicts": results.verdicts(a.samples, b.samples, found),
        "scores": results.scores(a.samples, b.samples, found),
        "scored_by": results.beside(a.scored_by, b.scored_by),
        "documents": results.documents(a, b, max(examples, 1)),
        "chunks": results.chunks(a, b, match(a.chunks, b.chunks)),
        "configuration": diff_setup.configuration(a, b),
        "prompts": diff_setup.prompts(a, b),
        "versions": diff_setup.versions(a, b),
        "segments": diff_setup.segments(a, b),
        "usage": diff_setup.usage(a, b),
        "purposes": diff_setup.purposes(a, b),
        "notes": [a.notes, b.notes],
    }
    out["same_results"] = results.same(out, a, b, found)
    out["same_setup"] = not (any(line["shapes"] for line in out["configuration"]) or out["prompts"] or out["versions"])
    picked = results.picked(a.samples, b.samples, found, examples)
    out["examples"] = _examples(a, b, picked)
    return out


def _examples(a: Side, b: Side, picked: dict[str, list[tuple[int | None, int | None]]]) -> dict[str, Any]:
    looked_up = []
    for i, side in enumerate((a, b)):
        places = sorted({place for pairs in picked.values() for pair in pairs if (place := pair[i]) is not None})
        looked_up.append(dict(zip(places, side.fetch(places), strict=True)))
    return {
        kind: [[None if place is None else looked_up[i][place] for i, place in enumerate(pair)] for pair in pairs]
        for kind, pairs in picked.items()
    }
