"""What a judge is shown of a sample: each text inside a fence of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from curation.profiles import FAMILIES, profile_of
from curation.rubric import PAIR, Criterion, Rubric
from curation.rubric_choice import several
from curation.rubric_reply import REASONS
from datagen.core.record import Message, Sample
from datagen.llm.fence import inert, tag
from datagen.llm.prompts import Prompt
from datagen.llm.transcript import transcript

PROMPT = "judge/rubric.md.j2"
CRITERIA = "judge/criteria.md.j2"


def form(criteria: Sequence[Criterion], *, explain_first: bool) -> str:
    """The form of the reply, as an example that no judge could copy for an answer."""
    scores = {criterion.key: 1 for criterion in criteria}
    reasons = {REASONS: "…"}
    return json.dumps({**reasons, **scores} if explain_first else {**scores, **reasons}, ensure_ascii=False)


def messages(
    prompt: Prompt,
    sample: Sample,
    rubric: Rubric,
    criteria: Sequence[Criterion],
    described: str,
    *,
    explain_first: bool = True,
    examples: Sequence[str] = (),
) -> tuple[Message, ...]:
    """The question about one sample.

    Args:
        prompt: the template.
        sample: what is judged.
        rubric: by which.
        criteria: those that are asked for: all of the rubric, or one.
        described: what they ask, by the prompt :data:`CRITERIA`; the same for all samples, so made once.
        explain_first: are reasons asked for before the scores?
        examples: texts of the author, for a rubric that compares with them.
    """
    texts = {name: inert(text) for name, text in _texts(sample, rubric).items()}
    shown = tuple(map(inert, examples)) if rubric.show_examples else ()
    all_ = "\n".join((*texts.values(), *shown))  # no text may open or close the fence of another
    values: dict[str, Any] = {
        "guidance": rubric.guidance,
        "criteria": described,
        "single": len(criteria) == 1,
        "form": form(criteria, explain_first=explain_first),
        "explain_first": explain_first,
        "family": sample.family,
        "source_wanted": rubric.show_source and not _held(sample),
        "examples": shown,
        "example_fence": tag("example", all_),
        **texts,
        **{f"{name}_fence": tag("section" if name == "heading" else name, all_) for name in texts},
    }
    return prompt.render(**values)


def _texts(sample: Sample, rubric: Rubric) -> dict[str, str]:
    told = dict.fromkeys(("heading", "passage", "conversation", "request", "answer", "rejected"), "")
    told["heading"] = " > ".join(sample.lineage.heading)
    if rubric.show_source and not _held(sample):
        told["passage"] = sample.source
    pair = sample.rejected is not None and PAIR in rubric.applies
    if several(sample) and not pair:
        told["conversation"] = transcript(sample.messages)
        return told
    told["request"], told["answer"] = transcript(sample.messages[:-1]), sample.messages[-1].content
    if sample.rejected is not None and pair:
        told["rejected"] = sample.rejected.content
    return told


def _held(sample: Sample) -> bool:
    """Does the request hold the passage? It need not be shown twice."""
    return sample.family in FAMILIES and profile_of(sample).shows_input
