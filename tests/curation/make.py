"""Samples for the curation tests."""

from __future__ import annotations

from datagen.core.record import Lineage, Message, Quote, Sample


def sample(
    question: str, answer: str, source: str = "", *, quoted: bool = False, heading: tuple[str, ...] = ()
) -> Sample:
    """A single-turn sample; with ``quoted`` the answer is also its quote."""
    at = max(0, source.find(answer))
    quotes = (Quote(text=answer, start=at, end=at + len(answer)),) if quoted else ()
    lineage = Lineage(
        path="a.md", sha256="0" * 64, chunk="c", start=0, end=len(source), heading=heading, quotes=quotes, model="none"
    )
    return conversation([("user", question), ("assistant", answer)], source, lineage)


def conversation(turns: list[tuple[str, str]], source: str = "", lineage: Lineage | None = None) -> Sample:
    """A sample of any number of turns."""
    return Sample(
        id="s",
        recipe="qa",
        messages=tuple(Message(role=role, content=content) for role, content in turns),  # type: ignore[arg-type]
        source=source,
        lineage=lineage or Lineage(path="a.md", sha256="0" * 64, chunk="c", start=0, end=0, model="none"),
    )


def of_family(family: str, question: str, answer: str, source: str = "", **attributes: str) -> Sample:
    """A sample of a task family."""
    update = {"recipe": "tasks", "family": family, "attributes": attributes}
    return sample(question, answer, source).model_copy(update=update)
