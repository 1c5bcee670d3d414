"""The stage: documents and samples come out clean, whole and counted."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.pii import Pii, PiiConfig
from curation.pii.rewrite import name_words
from curation.pii.types import Span
from datagen.core.errors import UsageError
from datagen.core.record import (
    AnyRecord,
    Candidate,
    Document,
    Lineage,
    Message,
    Quote,
    Rejected,
    Sample,
    Turn,
    Verdict,
)

MAIL = "ingrid.halvorsen@fjordpost.no"
PHONE = "+47 22 33 44 55"
SECRET = (MAIL, PHONE, "fjordpost", "22 33 44")


def document(text: str, **more: Any) -> Document:
    return Document(path="a.md", sha256="0" * 64, kind="markdown", text=text, **more)


def sample(question: str, answer: str, **more: Any) -> Sample:
    messages = (Message(role="user", content=question), Message(role="assistant", content=answer))
    lineage = Lineage(path="a.md", sha256="0" * 64, chunk="c", start=0, end=9, model="m", quotes=more.pop("quotes", ()))
    return Sample(**{"id": "s", "recipe": "qa", "messages": messages, "lineage": lineage, **more})


def one(stage: Pii, record: AnyRecord) -> Any:
    (out,) = stage.run([record])
    return out


def test_a_document_is_cleaned_and_its_offsets_move_along() -> None:
    text = f"Page one: {MAIL}.\nPage two begins. Call {PHONE}.\nPage three."
    pages = (0, text.index("Page two"), text.index("Page three"))
    first = (text.index("Page one"), text.index(".\nPage two"))
    second = (text.index("Call"), text.index(".\nPage three"))
    turns = tuple(Turn(speaker="Bo", start=a, end=b) for a, b in (first, second))
    out = one(Pii(produces="document"), document(text, pages=pages, turns=turns, title=f"Of {MAIL}"))
    assert out.text == "Page one: <EMAIL_ADDRESS>.\nPage two begins. Call <PHONE_NUMBER>.\nPage three."
    assert [out.text[p : p + 10].strip() for p in out.pages] == ["Page one:", "Page two b", "Page three"]
    assert [out.text[t.start : t.end] for t in out.turns] == ["Page one: <EMAIL_ADDRESS>", "Call <PHONE_NUMBER>"]
    assert out.title == "Of <EMAIL_ADDRESS>"
    assert {(a.kind, a.action, a.count) for a in out.audits} >= {
        ("EMAIL_ADDRESS", "redact", 2),
        ("PHONE_NUMBER", "redact", 1),
    }
    assert out.verdict is None


def test_a_document_can_be_rejected() -> None:
    out = one(Pii(PiiConfig(action="reject"), "document"), document(f"Write to {MAIL}.", pages=(0,)))
    assert (out.verdict.stage, out.verdict.reason) == ("pii", "personal_data")
    assert (out.text, out.pages) == ("", ())
    assert not any(part in out.model_dump_json() for part in SECRET)


def test_what_is_clean_comes_back_as_it_is() -> None:
    clean = document("Nothing to see in version 3.11.4.")
    gold = sample("Who?", MAIL, recipe="gold")
    rejected = sample("Who?", MAIL, verdict=Verdict(stage="rules", reason="too_short"))
    for record in (clean, gold, rejected):
        assert one(Pii(), record) is record


def test_every_text_of_a_sample_is_cleaned() -> None:
    call = {
        "id": "1",
        "type": "function",
        "function": {"name": "mail", "arguments": json.dumps({"to": [MAIL], "n": 1})},
    }
    full = sample(
        f"Who is {MAIL}?",
        f"Call {PHONE}.",
        source=f"Ask {MAIL}.",
        rejected=Rejected(content=f"It is {MAIL}", flaw="vague"),
        ranked=(Candidate(content=MAIL), Candidate(content="no")),
        quotes=(Quote(text=f"Ask {MAIL}.", start=0, end=34),),
    )
    tool = full.messages[1].model_copy(update={"tool_calls": (call,)})
    full = full.model_copy(update={"messages": (full.messages[0], tool)})
    out = one(Pii(), full)
    assert not any(part in out.model_dump_json() for part in SECRET)
    assert out.messages[0].content == "Who is <EMAIL_ADDRESS>?"
    assert json.loads(out.messages[1].tool_calls[0]["function"]["arguments"]) == {"to": ["<EMAIL_ADDRESS>"], "n": 1}
    assert (out.rejected.content, out.ranked[0].content, out.ranked[1].content) == (
        "It is <EMAIL_ADDRESS>",
        "<EMAIL_ADDRESS>",
        "no",
    )
    assert out.lineage.quotes[0].text == out.source == "Ask <EMAIL_ADDRESS>."
    assert one(Pii(), out).messages == out.messages


def test_a_rejected_sample_shows_masked_evidence_alone() -> None:
    out = one(Pii(PiiConfig(action="reject")), sample("Who?", f"It is {MAIL}, {PHONE}."))
    assert out.verdict.reason == "personal_data"
    assert out.verdict.evidence == "1 EMAIL_ADDRESS (i•••••.h••••••••@f••••••••.no), 1 PHONE_NUMBER (+•• •• •• •• ••)"
    assert not any(part in str(out.verdict) + str(out.audits) for part in SECRET)
    assert out.messages[1].content.count(MAIL) == 1


def test_names_are_counted_and_no_reason_to_reject_by_default() -> None:
    out = one(Pii(PiiConfig(action="reject")), sample("Who?", "It is Ingrid Halvorsen."))
    assert out.verdict is None
    assert [(a.kind, a.action) for a in out.audits] == [("PERSON", "none")]


def test_one_person_stays_one_person_in_all_parts_of_a_sample() -> None:
    config = PiiConfig(action="replace", act_on="all")
    out = one(
        Pii(config), sample("Who is Halvorsen?", "Ingrid Halvorsen it is.", source="Dr. Ingrid Halvorsen wrote it.")
    )
    last = out.messages[0].content.removeprefix("Who is ").removesuffix("?")
    assert last != "Halvorsen"
    assert out.messages[1].content.split()[1] == last
    assert out.source.split()[2] == last


def test_samples_of_a_replaced_document_keep_its_made_up_values() -> None:
    config = PiiConfig(action="replace", act_on="all")
    text = one(Pii(config, "document"), document(f"Dr. Ingrid Halvorsen, {MAIL}, lives in Oslo.")).text
    made = sample("Who wrote?", f"It says: {text}", source=text)
    out = one(Pii(config, cleaned=True), made)
    assert out.messages == made.messages
    assert one(Pii(config), made).messages != made.messages


def test_the_fingerprint_covers_what_shapes_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAGEN_PII_KEY", "one")
    prints = [
        Pii().fingerprint(),
        Pii(cleaned=True).fingerprint(),
        Pii(PiiConfig(threshold=0.5)).fingerprint(),
        Pii(PiiConfig(model="x")).fingerprint(),
        Pii(PiiConfig(action="hash")).fingerprint(),
    ]
    monkeypatch.setenv("DATAGEN_PII_KEY", "two")
    prints.append(Pii(PiiConfig(action="hash")).fingerprint())
    texts = [json.dumps(p, sort_keys=True) for p in prints]
    assert len(set(texts)) == len(texts)
    assert not any("two" in t or '"one"' in t for t in texts)


def test_a_missing_key_is_said_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATAGEN_PII_KEY", raising=False)
    with pytest.raises(UsageError, match="DATAGEN_PII_KEY"):
        Pii(PiiConfig(action="hash"))


def test_it_travels_to_worker_processes() -> None:
    stage = pickle.loads(pickle.dumps(Pii(PiiConfig(), "document")))
    assert one(stage, document(f"To {MAIL}")).text == "To <EMAIL_ADDRESS>"


@given(st.lists(st.tuples(st.text(max_size=20), st.sampled_from(["", MAIL, PHONE, "Ingrid Halvorsen"])), max_size=4))
def test_parts_do_not_run_into_each_other(parts: list[tuple[str, str]]) -> None:
    texts = [f"{a} {b}" for a, b in parts] + ["the end"]
    made = sample("Who?", texts[0]).model_copy(
        update={"messages": tuple(Message(role="user", content=t) for t in texts)}
    )
    out = one(Pii(), made)
    assert len(out.messages) == len(texts)
    assert out.messages[-1].content == "the end"
    assert MAIL not in out.model_dump_json()


def test_name_words() -> None:
    assert name_words("Dr. Ann-Lee O'Hara", [Span(4, 18, "PERSON", 1.0)]) == ["Ann", "Lee", "O", "Hara"]
