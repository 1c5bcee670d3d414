"""Reviews as rows for ``datagen judge calibrate``: what a person said beside what the judge said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datagen.core.errors import from_os_error
from datagen.core.files import atomic
from datagen.output.text import json_line
from datagen.review.agreement import BULK, IMPORT
from datagen.review.desk import Desk


def ratings(desk: Desk) -> Iterator[dict[str, Any]]:
    """One row a review, in the order of the samples, then by reviewer.

    Yields:
        ``id``, ``reviewer``, ``decision``, ``human_scores``, ``blind`` (the judge was hidden), ``how`` (``read``,
        ``bulk`` or ``import``), the judge's ``scores``, ``score``, ``scored_by``, ``rubric``, ``justification``, the
        run's ``verdict`` (a reason, or ""), ``document``, ``recipe``, ``split``, and ``prompt_length`` and
        ``length`` (of the reply) in code points.
    """
    for number, lines in desk.reviews():
        sample = desk.sample(number)
        if sample is None:
            continue
        for line in lines:
            if not line.state.decision and not line.state.scores:
                continue
            how = "bulk" if line.act.startswith(BULK) else "import" if line.act.startswith(IMPORT) else "read"
            yield {
                "id": sample.id,
                "reviewer": line.reviewer,
                "decision": line.state.decision,
                "human_scores": dict(line.state.scores),
                "blind": line.state.blind,
                "how": how,
                "scores": sample.scores,
                "score": sample.score,
                "scored_by": sample.scored_by,
                "rubric": sample.rubric,
                "justification": sample.justification,
                "verdict": sample.verdict.reason if sample.verdict else "",
                "document": sample.lineage.path,
                "recipe": sample.recipe,
                "split": sample.split,
                "prompt_length": sum(len(m.content) for m in sample.messages[:-1]),
                "length": len(sample.messages[-1].content),
            }


def write_ratings(desk: Desk, path: Path) -> int:
    """Write them to a JSONL file; returns how many. Raises DatagenError where it cannot be written."""
    count = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic(path) as file:
            for row in ratings(desk):
                file.write(json_line(row))
                count += 1
    except OSError as error:
        raise from_os_error(error, "write the ratings") from error
    return count
