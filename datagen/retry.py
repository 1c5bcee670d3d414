"""``datagen run --retry-failed``: what failed for a passing reason is forgotten, so that the run does it again."""

from __future__ import annotations

import contextlib
from pathlib import Path

from datagen.core.errors import UsageError
from datagen.core.record import AnyRecord, Document, Failure
from datagen.finished import Finished

PASSING_READS = frozenset({"crashed", "timeout", "out_of_memory", "missing", "changed"})
PASSING_CALLS = frozenset({"connection", "timeout", "bad_envelope", "truncated", "invalid_utf8"})
HTTP_ERROR = "http_"
_ASKING = ("generate", "judge", "faithfulness", "preference", "check_pairs", "check_order", "check_contaminated")


def is_passing(record: AnyRecord) -> bool:
    """Might the same work end differently now? A refusal or a short reply would not: it is in the call log."""
    if isinstance(record, Failure):
        return record.reason in PASSING_CALLS or record.reason.startswith(HTTP_ERROR)
    if isinstance(record, Document) and record.verdict is not None:
        return record.verdict.reason in PASSING_READS
    return False


def forget_passing(folder: Path) -> int:
    """Remove the shards of a finished run that hold such a record; returns how many.

    A shard keeps its name from segment to segment until a Fold, so the later ones made from it go too.
    The replies in the call log stay: only what never had one is asked again. A folder that holds no
    finished run has nothing to forget.
    """
    try:
        finished = Finished(folder)
    except UsageError:
        return 0
    nodes = finished.state["nodes"]
    forgotten = 0
    for place, node in enumerate(nodes):
        if not {"load", *_ASKING} & set(node["stages"]):
            continue
        for name in node["shards"]:
            if finished.store.has(node["folder"], name) and any(
                is_passing(record) for record in finished.store.read(node["folder"], name)
            ):
                forgotten += 1
                for later in nodes[place:]:
                    with contextlib.suppress(FileNotFoundError):
                        finished.store.path(later["folder"], name).unlink()
    return forgotten
