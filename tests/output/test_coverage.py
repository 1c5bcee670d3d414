"""Planned, made and kept are counted as they were; no chunk is unused in silence."""

from __future__ import annotations

from datagen.core.record import Chunk, Lineage, Message, Rejected, Sample, Task, Verdict
from datagen.output.coverage import DISTINCT_AT_MOST, Coverage
from datagen.output.pairs import Pairs


def chunk(name: str, path: str = "a.md", verdict: Verdict | None = None) -> Chunk:
    return Chunk(id=name, path=path, sha256="0" * 64, start=0, end=100, text="x" * 100, verdict=verdict)


def task(of: Chunk, *types: str) -> Task:
    slots = tuple({"type": t} for t in types)
    return Task(id=f"t-{of.id}", recipe="qa", samples=len(types), chunk=of, slots=slots)


def sample(of: Chunk, kind: str, text: str, *, kept: bool = True, related: str = "", **fields: object) -> Sample:
    more = (("b.md", related, 0, 9),) if related else ()
    lineage = Lineage(path=of.path, sha256=of.sha256, chunk=of.id, start=0, end=100, model="m", related=more)
    return Sample(
        id=f"{of.id}-{text}",
        recipe="qa",
        messages=(Message(role="user", content=text), Message(role="assistant", content="An answer.")),
        attributes={"type": kind},
        lineage=lineage,
        verdict=None if kept else Verdict(stage="rules", reason="too_short"),
        **fields,
    )


def test_planned_made_and_kept_by_attribute_and_what_became_of_each_chunk() -> None:
    coverage = Coverage()
    chunks = {name: chunk(name) for name in "abcde"} | {"far": chunk("far", "b.md")}
    for one in chunks.values():
        coverage.chunk(one)
    coverage.chunk(chunk("screened", verdict=Verdict(stage="screen", reason="duplicate")))
    coverage.task(task(chunks["a"], "factual", "multi_hop"))
    coverage.task(task(chunks["b"], "factual"))
    coverage.task(task(chunks["c"], "factual"))
    coverage.sample(sample(chunks["a"], "factual", "What is it"))
    coverage.sample(sample(chunks["a"], "multi_hop", "What is that", related="far"))
    coverage.sample(sample(chunks["b"], "factual", "Why", kept=False))
    found = coverage.finish()
    assert found["recipes"] == [{"recipe": "qa", "planned": 4, "made": 3, "kept": 2}]
    (types,) = found["attributes"]
    assert types["values"] == [
        {"value": "factual", "planned": 3, "made": 2, "kept": 1},
        {"value": "multi_hop", "planned": 1, "made": 1, "kept": 1},
    ]
    assert found["chunks"] == {"all": 6, "used": 2, "nothing_kept": 1, "nothing_made": 1, "not_planned": 2}
    assert coverage.used() == {"a.md": 100, "b.md": 100}
    # "what is it" and "what is that": 4 different words of 6, 3 different pairs of 4, 2 different triples of 2.
    assert found["distinct"] == {"samples": 2, "1": 0.6667, "2": 0.75, "3": 1.0}


def test_distinct_n_looks_at_a_bounded_number_of_instructions() -> None:
    coverage = Coverage()
    one = chunk("a")
    for i in range(2 * DISTINCT_AT_MOST + 5):
        coverage.sample(sample(one, "factual", f"word {i}"))
    assert coverage.finish()["distinct"]["samples"] == DISTINCT_AT_MOST


def pair(number: int, chosen: str, rejected: str, *, kept: bool = True, low: float = 2.0) -> Sample:
    made = sample(chunk("a"), "factual", f"Question {number}", kept=kept)
    answer = Message(role="assistant", content=chosen)
    update = {
        "messages": (made.messages[0], answer),
        "rejected": Rejected(content=rejected, flaw="padding", way="planted", score=low),
        "parent": "p",
        "score": 4.5,
    }
    return made.model_copy(update=update)


def test_pairs_tell_whether_length_gives_the_answer_away() -> None:
    pairs = Pairs()
    assert pairs.finish() is None
    for i in range(3):
        pairs.sample(pair(i, "a long reply", "short"))
    pairs.sample(pair(3, "even", "same"))
    pairs.sample(pair(4, "short", "a longer one", kept=False))
    found = pairs.finish()
    assert found is not None
    assert found["made"] == 5
    assert found["kept"] == 4
    assert found["chosen_longer"] == 0.875
    assert found["balanced"] is False
    assert found["margins"] == {"2.5": 4}
    for i in range(3):
        pairs.sample(pair(9 + i, "short", "a longer one"))
    again = pairs.finish()
    assert again is not None
    assert again["balanced"] is True
