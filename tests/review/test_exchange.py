"""Reviews to files of other programs and back."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.core.errors import UsageError
from datagen.core.record import Rejected
from datagen.review.exchange import argilla, files, label_studio
from datagen.review.exchange.common import answers
from datagen.review.rule import current
from datagen.review.store import Edit, Log, State, read
from tests.output.made import a_sample
from tests.review.support import with_samples
from tests.runs import rows

SAMPLES = [
    a_sample(
        "What is it?", "A lock.", id="a", scores={"clarity": 4.4, "accuracy": 2.0}, score=3.2, scored_by="judge:m"
    ),
    a_sample("And this?", "A key 😀.", id="b", rejected=Rejected(content="No idea.", flaw="vague")),
    a_sample("Third?", "Yes.", id="c"),
]
SAID: list[tuple[str, str, State]] = [
    ("Ana", "a", State("accepted", (("accuracy", 5), ("clarity", 1)), None, "good\nthing")),
    ("Ben B.", "a", State("edited", (), Edit(("What is it?", "A padlock.")), "")),
    ("Ana", "b", State("edited", (("accuracy", 2),), Edit(("And that?", "A key."), "None \u202e"), "")),
    ("Ben B.", "b", State("rejected")),
    ("Ana", "c", State("skipped")),
]


def told(run: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """sample, reviewer → what is said."""
    now = current(read(run))
    return {(s, who): answers(line.state) for s, by in now.items() for who, line in by.items()}


@pytest.fixture
def reviewed(made_run: Path, tmp_path: Path) -> Path:
    run = with_samples(made_run, tmp_path / "one", SAMPLES)
    log = Log(run)
    for who, sample, state in SAID:
        log.append(who, [(sample, state)], str(uuid.uuid4()))
    log.close()
    return run


@pytest.mark.parametrize("suffix", ["json", "jsonl"])
@pytest.mark.parametrize("form", ["argilla", "label-studio"])
def test_out_and_in_again(reviewed: Path, made_run: Path, tmp_path: Path, form: str, suffix: str) -> None:
    file = tmp_path / f"out.{suffix}"
    assert files.export(reviewed, file, form)["written"] == 3
    other = with_samples(made_run, tmp_path / "two", SAMPLES)
    assert {k: v for k, v in files.load(other, file).items() if k != "read"} == {"added": 5, "same": 0, "unknown": 0}
    assert told(other) == told(reviewed)
    assert files.load(other, file)["added"] == 0  # the same file once more
    assert len(read(other)) == 5
    apart = with_samples(made_run, tmp_path / "three", [a_sample(id="z")])
    assert files.load(apart, file)["unknown"] == 5


def test_an_argilla_record_is_as_its_documentation_says(reviewed: Path, tmp_path: Path) -> None:
    files.export(reviewed, tmp_path / "out.json", "argilla")
    record = json.loads((tmp_path / "out.json").read_text())[0]
    assert set(record) == {"id", "fields", "metadata", "suggestions", "responses", "vectors"}
    assert record["suggestions"]["score_clarity"] == {"value": 4, "score": None, "agent": "judge:m"}
    decisions = record["responses"]["decision"]
    assert [set(d) for d in decisions] == [{"value", "user_id"}] * 2
    assert all(uuid.UUID(d["user_id"]).version == 5 for d in decisions)


def test_a_label_studio_task_is_as_its_documentation_says(reviewed: Path, tmp_path: Path) -> None:
    made = files.export(reviewed, tmp_path / "out.json", "label-studio")
    task = json.loads((tmp_path / "out.json").read_text())[0]
    results = {r["from_name"]: r for r in task["annotations"][0]["result"]}
    assert results["decision"] == {
        "from_name": "decision", "to_name": "reply", "type": "choices", "value": {"choices": ["accepted"]},
    }  # fmt: skip
    assert results["score_clarity"]["value"] == {"rating": 1}
    assert results["note"]["value"] == {"text": ["good\nthing"]}
    assert task["predictions"][0]["model_version"] == "judge:m"
    assert 'name="score_clarity"' in Path(made["config"]).read_text()


def test_what_people_wrote_there_comes_in(made_run: Path, tmp_path: Path) -> None:
    run = with_samples(made_run, tmp_path / "run", SAMPLES)
    there = [
        {
            "id": 7,
            "data": {"id": "c", "reply": "Yes."},
            "annotations": [
                {"completed_by": 12, "was_cancelled": False, "result": [
                    {"from_name": "edited_reply", "type": "textarea", "value": {"text": ["Yes, indeed."]}},
                    {"from_name": "score_clarity", "type": "rating", "value": {"rating": 4}},
                    {"from_name": "score_invented", "type": "rating", "value": {"rating": 4}}]},
                {"completed_by": {"email": "x@example.org"}, "result": [
                    {"from_name": "decision", "type": "choices", "value": {"choices": ["rejected"]}}]},
                {"was_cancelled": True, "result": [
                    {"from_name": "decision", "type": "choices", "value": {"choices": ["accepted"]}}]},
            ],
        }
    ]  # fmt: skip
    (tmp_path / "in.json").write_text(json.dumps(there))
    assert files.load(run, tmp_path / "in.json")["added"] == 2
    states = {line.reviewer: line.state for line in read(run)}
    assert states["user 12"].edit == Edit(("Third?", "Yes, indeed."))
    assert states["user 12"].decision == "edited"
    assert states["user 12"].scores == (("clarity", 4),)
    assert states["x@example.org"].decision == "rejected"


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet=st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["value", "user_id", "result", "from_name", "text", "choices", "rating", "decision"]),
        inner,
        max_size=3,
    ),
    max_leaves=12,
)  # fmt: skip


@given(_ANY, _ANY, _ANY)
def test_no_row_breaks_the_reading(a: Any, b: Any, c: Any) -> None:
    record = {"id": a, "fields": {}, "responses": {"decision": b, "edited_texts": c}, "metadata": a}
    argilla.read(record, ["Ana"])
    results = [{"from_name": "decision", "value": {"choices": b}}, {"from_name": "edited_texts", "value": c}]
    label_studio.read({"data": {"id": a}, "annotations": [{"result": b, "completed_by": c}, {"result": results}]})


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'[{"fields": 1}]', b"\xff\xfe", b"[" * 100_000, b'{"a": 1}'])
def test_another_file_is_one_clear_error(reviewed: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "in.json").write_bytes(content)
    if content:
        with pytest.raises(UsageError):
            files.load(reviewed, tmp_path / "in.json")
    else:
        assert files.load(reviewed, tmp_path / "in.json")["added"] == 0
    assert len(read(reviewed)) == 5


def test_ratings_have_what_calibration_wants(reviewed: Path, tmp_path: Path) -> None:
    assert files.export(reviewed, tmp_path / "r.jsonl", "ratings")["written"] == 5
    first = rows(tmp_path / "r.jsonl")[0]
    assert first["id"] == "a"
    assert first["reviewer"] == "Ana"
    assert first["human_scores"] == {"accuracy": 5, "clarity": 1}
    assert first["scores"] == {"clarity": 4.4, "accuracy": 2.0}
    assert first["score"] == 3.2
    assert first["length"] == len("A lock.")
