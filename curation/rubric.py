"""A rubric: the criteria by which a judge scores, each with what every level from 1 to 5 means."""

from __future__ import annotations

from pathlib import Path

from curation.rubric_file import LEVELS, read, read_text
from datagen.core.hashing import digest
from datagen.core.record import Record

PAIR, CONVERSATION, SOURCE, ANYTHING = "pair", "conversation", "source", "anything"
"""What a rubric's ``for`` may hold besides recipes and task families: samples with a rejected reply, of several
exchanges, with a passage that they rest on, and all samples."""


class Criterion(Record):
    """One thing that is scored.

    Attributes:
        key: its name in replies and in ``Sample.scores``: the title in lower case, with ``_`` for spaces.
        title: as written in the file.
        weight: in the mean of the sample's scores; the judge is not told.
        question: what is asked about the sample.
        levels: level → what a sample of that level is like. 1 and 5 are always there; a level that is missing
            in between is shown to the judge as lying between its neighbours.
    """

    key: str
    title: str
    weight: float = 1.0
    question: str = ""
    levels: dict[int, str]

    def anchors(self) -> list[tuple[int, str, int, int]]:
        """From 5 to 1: the level, its anchor ("" where it has none), and the nearest levels above and below that
        have one."""
        found = []
        for level in sorted(LEVELS, reverse=True):
            above = min((other for other in self.levels if other > level), default=level)
            below = max((other for other in self.levels if other < level), default=level)
            found.append((level, self.levels.get(level, ""), above, below))
        return found


class Rubric(Record):
    """The criteria for a kind of sample; see ``docs/rubrics.md`` for the form of the file.

    Attributes:
        name: the file's, without its ending, unless the file states another.
        description: what it is for, for people.
        applies: recipes, task families, and kinds (:data:`PAIR` …) that are judged by it; empty: only on demand.
        threshold: least weighted mean of a kept sample, or None where the configuration decides.
        show_source: is the judge shown the passage that the sample rests on?
        show_examples: is it shown texts of the author (``judge.examples``)?
        guidance: what the judge is told before the criteria.
        criteria: at least one.
    """

    name: str
    description: str = ""
    applies: tuple[str, ...] = ()
    threshold: float | None = None
    show_source: bool = True
    show_examples: bool = False
    guidance: str = ""
    criteria: tuple[Criterion, ...]

    @classmethod
    def load(cls, path: Path | str) -> Rubric:
        """Read a rubric file.

        Raises:
            UsageError: it is not there or not a rubric; the message names the line.
        """
        return cls.parse(read_text(Path(path)), Path(path).name)

    @classmethod
    def parse(cls, text: str, name: str) -> Rubric:
        """A rubric of the text of a file called ``name``.

        Raises:
            UsageError: it is not a rubric; the message names the line.
        """
        return cls.model_validate(read(text, name))

    @property
    def asked(self) -> str:
        """Hash (32 hexadecimal characters) of all that the judge is told: weights, threshold, description and what
        the rubric is for can be changed without asking again."""
        criteria = [[c.key, c.title, c.question, sorted(c.levels.items())] for c in self.criteria]
        return digest([self.name, self.show_source, self.show_examples, self.guidance, criteria])

    @property
    def label(self) -> str:
        """What ``Sample.rubric`` records: the name and the first 8 digits of :attr:`asked`."""
        return f"{self.name}@{self.asked[:8]}"

    def weights(self, stronger: dict[str, float] | None = None) -> dict[str, float]:
        """Criterion → weight, with those of a configuration instead of its own."""
        own = {c.key: c.weight for c in self.criteria}
        return {**own, **{key: weight for key, weight in (stronger or {}).items() if key in own}}
