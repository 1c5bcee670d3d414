"""Which rubric a sample is judged by: the one the configuration names, else by the kind of sample."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from curation.rubric import ANYTHING, CONVERSATION, PAIR, SOURCE, Rubric
from datagen.core.errors import UsageError
from datagen.core.record import Sample
from datagen.llm import prompts

FOLDER = "judge/rubrics"
MAX_EXAMPLES, MAX_EXAMPLE = 5, 2_000  # texts of an author that are shown, and characters of each


class Rubrics:
    """The rubrics that samples may be judged by.

    The user's, in ``judge/rubrics/*.md`` of the prompt folder, come before the shipped ones: a file of the same name
    replaces a shipped one, and a further one takes over the kinds that its ``for`` names.

    Args:
        folder: the user's prompt folder, or "".
        wanted: name or file of the rubric for every sample, or "".

    Raises:
        UsageError: a file is no rubric, two of the user's are for the same kind, or there is none called ``wanted``.
    """

    def __init__(self, folder: str = "", wanted: str = "") -> None:
        own, shipped = _found(Path(folder)) if folder else {}, _found(prompts.shipped())
        self.by_name: dict[str, Rubric] = {**shipped, **own}
        self.forced = _wanted(wanted, self.by_name) if wanted else None
        if self.forced is not None:
            self.by_name = {self.forced.name: self.forced}
        replaced = [rubric for name, rubric in shipped.items() if name not in own]
        self.by_kind = {**_by_kind(replaced, refuse=False), **_by_kind(own.values(), refuse=True)}

    @property
    def used(self) -> tuple[Rubric, ...]:
        """Those that may be asked by, sorted by name."""
        found = [self.forced] if self.forced is not None else list({r.name: r for r in self.by_kind.values()}.values())
        return tuple(sorted(found, key=lambda rubric: rubric.name))

    def of(self, sample: Sample) -> Rubric:
        """The rubric of a sample; of one made from another, such as a reply of a pair, that of its parent."""
        if self.forced is not None:
            return self.forced
        before = sample.rubric.rpartition("@")[0]
        if sample.parent and before in self.by_name:
            return self.by_name[before]
        return next(self.by_kind[kind] for kind in kinds_of(sample) if kind in self.by_kind)


def kinds_of(sample: Sample) -> list[str]:
    """What a rubric's ``for`` may name a sample by, the most telling first."""
    return [
        *([PAIR] if sample.rejected is not None else []),
        *(name for name in (sample.recipe, sample.family) if name),
        *([CONVERSATION] if several(sample) else []),
        *([SOURCE] if sample.source else []),
        ANYTHING,
    ]


def several(sample: Sample) -> bool:
    """Has the assistant more than one turn?"""
    return sum(m.role == "assistant" and bool(m.content) for m in sample.messages) > 1


def load_examples(path: str) -> tuple[str, ...]:
    """The first texts of an author's file, each cut to a length that a prompt can bear.

    Args:
        path: JSONL; a line has ``text``, ``output`` or ``messages``, whose last one counts. "" gives ().

    Raises:
        UsageError: it cannot be read, or a line is of none of these forms.
    """
    if not path:
        return ()
    found: list[str] = []
    try:
        with Path(path).open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                text = _text_of(line)
                if text is None:
                    raise UsageError(
                        f"The author's texts in {path} cannot be used.",
                        f"Line {number} has no text.",
                        'Write a line {"text": "…"} for each.',
                    )
                found.append(text[:MAX_EXAMPLE])
                if len(found) == MAX_EXAMPLES:
                    break
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or "it is not UTF-8"
        raise UsageError(
            f"The author's texts in {path} cannot be read.", f"{said}.", "Correct judge.examples."
        ) from error
    return tuple(found)


def _text_of(line: str) -> str | None:
    try:
        row: Any = json.loads(line)
        text = row.get("text") or row.get("output") or row["messages"][-1]["content"]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    return text if isinstance(text, str) and text.strip() else None


def _found(place: Path) -> dict[str, Rubric]:
    return {rubric.name: rubric for rubric in map(Rubric.load, sorted((place / FOLDER).glob("*.md")))}


def _wanted(wanted: str, known: dict[str, Rubric]) -> Rubric:
    if wanted in known:
        return known[wanted]
    if wanted.endswith(".md") or Path(wanted).is_file():
        return Rubric.load(wanted)
    raise UsageError(
        f"There is no rubric {wanted!r}.",
        "It is neither a shipped one, nor in judge/rubrics of the prompts folder, nor a file.",
        f"Name one of {', '.join(sorted(known))}, or a file that ends in .md.",
    )


def _by_kind(rubrics: Iterable[Rubric], *, refuse: bool) -> dict[str, Rubric]:
    found: dict[str, Rubric] = {}
    for rubric in rubrics:
        for kind in rubric.applies:
            other = found.setdefault(kind, rubric)
            if other is not rubric and refuse:
                raise UsageError(
                    f"Two rubrics are for {kind!r}.",
                    f"They are {other.name} and {rubric.name}.",
                    f"Leave {kind} out of the list `for` of one of them.",
                )
    return found
