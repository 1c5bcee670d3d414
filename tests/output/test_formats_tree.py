"""OASST trees: conversations that begin alike are one tree, compared replies are ranked, and all comes back."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from datagen.core.record import Candidate, Message, Rejected, Sample
from datagen.output.export import write_exports
from datagen.output.formats_tree import thread, threads_of, tree_of
from tests.output.made import a_sample


class ExportMessageNode(BaseModel):
    """The fields of a message in Open Assistant's tree exports that its own readers need."""

    message_id: str
    parent_id: str | None
    text: str
    role: str
    lang: str | None = None
    review_count: int | None = None
    rank: int | None
    synthetic: bool | None
    model_name: str | None = None
    replies: list[ExportMessageNode] | None


class ExportMessageTree(BaseModel):
    """As there."""

    message_tree_id: str
    tree_state: str | None
    prompt: ExportMessageNode | None


def check(row: dict[str, Any]) -> ExportMessageTree:
    """A tree as its definition wants it: roles alternate, parents are named, ranks are 0, 1, 2 …, ids are unique."""
    tree = ExportMessageTree.model_validate(row)
    assert tree.prompt is not None
    assert tree.prompt.role == "prompter"
    assert tree.prompt.parent_id is None
    assert tree.message_tree_id == tree.prompt.message_id
    seen: list[str] = []
    waiting = [tree.prompt]
    while waiting:
        node = waiting.pop()
        seen.append(node.message_id)
        replies = node.replies or []
        assert all(r.role != node.role and r.parent_id == node.message_id for r in replies)
        ranks = [r.rank for r in replies]
        assert ranks in ([None] * len(ranks), list(range(len(ranks))))
        waiting += replies
    assert len(set(seen)) == len(seen)
    return tree


texts = st.sampled_from(["a", "b", "c", ""])


@st.composite
def talks(draw: st.DrawFn) -> Sample:
    said = draw(st.lists(texts, min_size=1, max_size=3))
    roles = ["user", "assistant"] * len(said)
    replies = draw(st.lists(texts, min_size=len(said), max_size=len(said)))
    both = [text for pair in zip(said, replies, strict=True) for text in pair]
    messages = tuple(Message(role=r, content=t) for r, t in zip(roles, both, strict=True))  # type: ignore[arg-type]
    bad = draw(st.none() | st.sampled_from(["worse", "bad"]))
    rejected = None if bad is None else Rejected(content=bad, flaw=draw(st.sampled_from(["", "omission"])), score=1.0)
    return a_sample(messages=messages, rejected=rejected, score=draw(st.sampled_from([None, 4.0, 5.0])))


def _said(messages: tuple[Message, ...]) -> tuple[str, ...]:
    return tuple(m.content for m in messages)


@given(st.lists(talks(), min_size=1, max_size=8))
def test_every_conversation_and_every_rejected_reply_comes_back(samples: list[Sample]) -> None:
    by_opening: dict[str, list[Sample]] = {}
    for sample in samples:
        by_opening.setdefault(sample.messages[0].content, []).append(sample)
    found: Counter[tuple[str, ...]] = Counter()
    for group in by_opening.values():
        tree = json.loads(json.dumps(tree_of([thread(s) for s in group])))
        check(tree)
        for parts in threads_of(tree):
            found[_said(parts.messages)] += 1
            said = _said(parts.messages)
            bad = {s.rejected.content for s in group if s.rejected and _said(s.messages)[:-1] == said[:-1]}
            assert (parts.rejected in bad) if bad else parts.rejected is None
    assert found == Counter({_said(s.messages): 1 for s in samples})


def test_a_pair_is_ranked_and_a_merged_answer_stays_a_conversation() -> None:
    pair = a_sample("Why?", "So.", score=5.0, recipe="preference", rejected=Rejected(content="No.", flaw="off_topic"))
    tree = tree_of(
        [thread(s) for s in (a_sample("Why?", "So.", score=5.0), a_sample("Why?", "Thus.", score=4.0), pair)]
    )
    assert [(r["text"], r["rank"], r.get("flaw")) for r in tree["prompt"]["replies"]] == [
        ("So.", 0, None),
        ("Thus.", 1, None),
        ("No.", 2, "off_topic"),
    ]
    assert tree["prompt"]["replies"][0]["samples"] == [a_sample("Why?", "So.").id, pair.id]
    assert [_said(p.messages) for p in threads_of(tree)] == [("Why?", "So."), ("Why?", "Thus.")]


def test_answers_that_were_not_compared_have_no_rank() -> None:
    tree = tree_of([thread(a_sample("Why?", "So.")), thread(a_sample("Why?", "Thus."))])
    assert [r["rank"] for r in tree["prompt"]["replies"]] == [None, None]


def test_candidates_keep_their_ranking() -> None:
    ranked = tuple(Candidate(content=text, score=score) for text, score in (("a", 5.0), ("b", 3.0), ("c", 1.0)))
    bad = Rejected(content="c", flaw="padding", score=1.0)
    sample = a_sample("Why?", "mine", score=4.0, ranked=ranked, rejected=bad)
    (parts,) = threads_of(tree_of([thread(sample)]))
    assert [c.content for c in parts.ranked] == ["a", "mine", "b", "c"]
    assert [c.score for c in parts.ranked] == [5.0, 4.0, 3.0, 1.0]
    assert (parts.messages[-1].content, parts.rejected, parts.flaw) == ("mine", "c", "padding")


def test_of_other_peoples_trees_the_best_replies_are_followed() -> None:
    def node(text: str, role: str, *replies: Any, rank: int | None = None) -> dict[str, Any]:
        return {"text": text, "role": role, "rank": rank, "replies": list(replies)}

    ranked = [node("good", "assistant", rank=1), node("best", "assistant", rank=0), node("open", "assistant")]
    (parts,) = threads_of({"prompt": node("Why?", "prompter", *ranked)})
    assert _said(parts.messages) == ("Why?", "best")
    assert [c.content for c in parts.ranked] == ["best", "good"]
    deep = node("So.", "assistant", node("And?", "prompter", node("Then.", "assistant")), node("Eh?", "prompter"))
    found = list(threads_of({"prompt": node("Why?", "prompter", deep, node("Thus.", "assistant"))}))
    assert [_said(p.messages) for p in found] == [("Why?", "So.", "And?", "Then."), ("Why?", "Thus.")]


@pytest.mark.parametrize("turns", [300, 3])
def test_a_tree_too_deep_or_too_wide_is_refused(turns: int) -> None:
    node: dict[str, Any] = {"role": "assistant", "text": "x"}
    if turns == 300:
        for number in range(turns):
            node = {"role": ("prompter", "assistant")[number % 2], "text": "x", "replies": [node]}
        node = {"role": "prompter", "text": "x", "replies": node["replies"]}
    else:
        node = {
            "role": "prompter",
            "text": "x",
            "replies": [{"role": "assistant", "text": str(i)} for i in range(1_500)],
        }
    with pytest.raises(ValueError):
        list(threads_of({"prompt": node}))


def test_an_export_has_one_tree_an_opening_whatever_lies_between(tmp_path: Path) -> None:
    samples = [a_sample(f"Why {i % 7}?", f"So {i}.", family=f"f{i % 3}") for i in range(70)]
    pairs = [
        a_sample(f"Why {i}?", f"So {i}.", recipe="preference", parent="p", rejected=Rejected(content="No.", flaw="x"))
        for i in range(7)
    ]
    counts = write_exports([*samples, *pairs], {"oasst": tmp_path / "a"})["oasst"]
    write_exports([*samples, *pairs], {"oasst": tmp_path / "b"})
    rows = [json.loads(line) for line in (tmp_path / "a" / "sft.train.jsonl").read_text().splitlines()]
    assert counts["sft.train.jsonl"] == len(rows) == 7
    assert counts["preference.train.jsonl"] == 7
    for row in rows:
        check(row)
        replies = row["prompt"]["replies"]
        assert len(replies) == 11
        assert (replies[-1]["text"], replies[-1]["flaw"], replies[-1]["rank"]) == ("No.", "x", 10)
    known = {json.loads(line)["id"] for line in (tmp_path / "a" / "lineage.jsonl").read_text().splitlines()}
    assert known == {s.id for s in (*samples, *pairs)}
    assert known == {name for row in rows for r in row["prompt"]["replies"] for name in r.get("samples", [])}
    for name in counts:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert not [p for p in (tmp_path / "a").iterdir() if p.name.startswith(".")]
