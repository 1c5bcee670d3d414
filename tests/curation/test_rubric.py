"""Rubric files: ten lines are enough, and what is wrong is said with its line."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.judge import Judge
from curation.judge_config import JudgeConfig
from curation.rubric import Rubric
from curation.rubric_choice import Rubrics, load_examples
from datagen.core.errors import UsageError
from datagen.llm import prompts
from datagen.llm.connect import Endpoint
from tests.generate.support import pair

ROOT = Path(__file__).parents[2]
TEN_LINES = """---
for: [qa]
threshold: 3.5
---
## Helpful (weight 2)
Does the answer solve the reader's problem?
5. It does, at once.
3. With effort.
1. It does not.
"""


def test_ten_lines_are_a_rubric() -> None:
    rubric = Rubric.parse(TEN_LINES, "support.md")
    (criterion,) = rubric.criteria
    assert (rubric.name, rubric.applies, rubric.threshold, rubric.show_source) == ("support", ("qa",), 3.5, True)
    assert (criterion.key, criterion.title, criterion.weight) == ("helpful", "Helpful", 2.0)
    assert criterion.question == "Does the answer solve the reader's problem?"
    assert criterion.anchors() == [
        (5, "It does, at once.", 5, 3),
        (4, "", 5, 3),
        (3, "With effort.", 5, 1),
        (2, "", 3, 1),
        (1, "It does not.", 3, 1),
    ]


def test_the_one_in_the_pages_is_a_rubric(tmp_path: Path) -> None:
    (shown,) = re.findall(r"```rubric\n(.*?)```", (ROOT / "docs/rubrics.md").read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "support.md").write_text(shown, encoding="utf-8")
    rubric = Rubric.load(tmp_path / "support.md")
    assert rubric.weights() == {"helpful": 2.0, "tone": 1.0}
    assert rubric.weights({"tone": 3.0, "unknown": 9.0}) == {"helpful": 2.0, "tone": 3.0}


def test_every_way_to_write_a_level_is_read() -> None:
    text = "---\n---\n## a-b c\nWhy?\nMore.\n- 5: five\n  goes on\n* 4) four\n3 - three\n 2 = two\n1. one: 1.5 litres\n"
    (criterion,) = Rubric.parse(text.replace("\n", "\r\n"), "x.md").criteria
    assert criterion.key == "a_b_c"
    assert criterion.question == "Why?\nMore."
    assert criterion.levels == {5: "five goes on", 4: "four", 3: "three", 2: "two", 1: "one: 1.5 litres"}


def test_the_shipped_ones_describe_every_level() -> None:
    found = Rubrics().by_name
    assert {"instruction", "grounded", "conversation", "style", "pair"} <= set(found)
    for rubric in found.values():
        assert rubric.description
        assert all(set(c.levels) == {1, 2, 3, 4, 5} and c.question for c in rubric.criteria)
    assert [c.key for c in found["instruction"].criteria] == ["relevance", "clarity", "completeness", "accuracy"]
    assert [c.key for c in found["grounded"].criteria][-1] == "faithfulness"


def line(number: int, text: str) -> str:
    lines = TEN_LINES.split("\n")
    lines[number - 1] = text
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        ("", "Line 1", "front matter"),
        ("# Rubric", "Line 1", "front matter"),
        ("---\nfor: [qa]\n", "Line 1", "no end"),
        (line(3, "threshold: 6"), "Line 3", "no threshold"),
        (line(3, "threshold: true"), "Line 3", "no threshold"),
        (line(3, "thresold: 4"), "Line 3", "'thresold' means nothing"),
        (line(3, "show_source: maybe"), "Line 3", "neither true nor false"),
        (line(2, "for: {a: 1}"), "Line 2", "no list"),
        (line(2, "for: [qa"), "Line 3", "not valid YAML"),
        (line(2, "name: a/b"), "Line 2", "no name of a rubric"),
        (line(5, "## Helpful (weight heavy)"), "Line 5", "no weight"),
        (line(5, "## Helpful (weight -1)"), "Line 5", "no weight"),
        (line(5, "## Helpful (weight nan)"), "Line 5", "no weight"),
        (line(5, "## Helpful (weight 0)"), "", "weights of all criteria are 0"),
        (line(5, "## 5 stars"), "Line 5", "no name of a criterion"),
        (line(5, "## justification"), "Line 5", "judge's reasons"),
        (line(7, "6. Beyond."), "Line 7", "6 is no level"),
        (line(7, "3. Again."), "Line 8", "level 3 of 'helpful' is there twice"),
        (line(7, ""), "Line 5", "does not say what level 5 means"),
        (line(9, "1."), "Line 5", "does not say what level 1 means"),
        (line(8, "3."), "Line 5", "does not say what level 3 means"),
        (TEN_LINES + "## helpful\n5. a\n1. b\n", "Line 10", "stands in line 5 too"),
        ("---\n---\nOnly words.\n", "", "no criterion"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, where: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        Rubric.parse(text, "mine.md")
    assert caught.value.what == "The rubric mine.md cannot be used."
    assert said.casefold() in caught.value.why.casefold()
    assert caught.value.why.startswith(where)
    assert caught.value.fix.endswith(".")


@given(st.text() | st.lists(st.sampled_from([*TEN_LINES.split("\n"), "---", "## b", "5. x", "1: y"])).map("\n".join))
def test_no_text_does_anything_but_parse_or_be_refused(text: str) -> None:
    try:
        rubric = Rubric.parse(text, "x.md")
    except UsageError:
        return
    assert rubric.criteria


@pytest.mark.parametrize("data", [b"\xff\xfe---", b"x" * 300_000, None])
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "r.md"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(UsageError, match=r"rubric r\.md cannot be used"):
        Rubric.load(path)


def mine(folder: Path, name: str, text: str = TEN_LINES) -> None:
    place = folder / "judge/rubrics"
    place.mkdir(parents=True, exist_ok=True)
    (place / name).write_text(text, encoding="utf-8")


def test_a_users_rubric_takes_over_the_kinds_it_is_for(tmp_path: Path) -> None:
    subject = pair("How much?", "3 litres.")
    assert Rubrics().of(subject).name == "grounded"
    mine(tmp_path, "support.md")
    assert Rubrics(str(tmp_path)).of(subject).name == "support"
    assert Rubrics(str(tmp_path)).of(subject.model_copy(update={"recipe": "instruct"})).name == "grounded"
    assert Rubrics(str(tmp_path), "chat").of(subject).name == "chat"
    mine(tmp_path, "other.md")
    with pytest.raises(UsageError, match="Two rubrics are for 'qa'"):
        Rubrics(str(tmp_path))


def test_a_file_of_the_same_name_replaces_a_shipped_one(tmp_path: Path) -> None:
    mine(tmp_path, "grounded.md", TEN_LINES.replace("[qa]", "[source]"))
    found = Rubrics(str(tmp_path)).of(pair("How much?", "3 litres."))
    assert [c.key for c in found.criteria] == ["helpful"]


def test_a_rubric_can_be_named_by_its_file_and_an_unknown_one_is_refused(tmp_path: Path) -> None:
    mine(tmp_path, "support.md")
    path = str(tmp_path / "judge/rubrics/support.md")
    assert Rubrics("", path).of(pair("a", "b")).name == "support"
    with pytest.raises(UsageError, match="no rubric 'suport'"):
        Rubrics("", "suport")


def test_weights_and_threshold_are_not_told_and_all_else_is() -> None:
    rubric = Rubric.parse(TEN_LINES, "r.md")
    same = [("(weight 2)", "(weight 5)"), ("threshold: 3.5", "threshold: 2"), ("[qa]", "[chat]")]
    other = [
        ("at once", "soon"),
        ("Helpful", "Useful"),
        ("Does the", "Will the"),
        ("threshold: 3.5", "show_source: no"),
    ]
    for old, new in same:
        assert Rubric.parse(TEN_LINES.replace(old, new), "r.md").label == rubric.label
    for old, new in other:
        assert Rubric.parse(TEN_LINES.replace(old, new), "r.md").label != rubric.label
    assert pickle.loads(pickle.dumps(rubric)) == rubric


def test_a_style_rubric_needs_the_authors_texts(tmp_path: Path) -> None:
    endpoint = Endpoint(base_url="http://x/v1", model="jm")
    with pytest.raises(UsageError, match=r"judge\.examples"):
        Judge(JudgeConfig(rubric="style"), endpoint)
    texts = tmp_path / "me.jsonl"
    texts.write_text(
        '{"text": "I say so."}\n\n{"output": "So I say."}\n{"messages": [{"content": "Said <b>I</b>."}]}\n'
    )
    stage = Judge(JudgeConfig(rubric="style", examples=str(texts)), endpoint)
    told = stage.request(pair("How much?", "3 litres.")).messages[-1].content
    assert "<example>\nI say so.\n</example>\n\n<example>\nSo I say.\n</example>" in told
    assert "Intro. The pump" not in told
    texts.write_text('{"text": "I say so."}\n{"nothing": 1}\n')
    with pytest.raises(UsageError, match="Line 2 has no text"):
        load_examples(str(texts))
    with pytest.raises(UsageError, match="cannot be read"):
        load_examples(str(tmp_path / "none.jsonl"))


def test_the_template_shows_every_criterion_and_what_lies_between() -> None:
    assert "between {{ above }} and {{ below }}" in (prompts.shipped() / "judge/criteria.md.j2").read_text()
