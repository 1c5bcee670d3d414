from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.rules import Rules, check_turn, repeated_share
from curation.rules_config import RulesConfig
from datagen.core.record import Failure, Message, Sample, Verdict
from tests.curation.make import conversation, of_family, sample

CONFIG = RulesConfig()
QUESTION = "How do you resume a run?"
LONG = "The engine keeps every file it has written and takes it as the sign that the work is done. " * 1


def reason(question: str, answer: str, source: str = "", config: RulesConfig = CONFIG) -> str | None:
    verdict = check_turn(question, answer, source, config)
    assert verdict is None or (verdict.stage == "rules" and verdict.evidence)
    return verdict.reason if verdict else None


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ("", "empty_answer"),
        (" \n ", "empty_answer"),
        ("— … —", "empty_answer"),
        ("Run it.", "too_short"),
        ("word " * 1300 + ".", "too_long"),
        ("As an AI language model, I cannot know what the run folder holds.", "boilerplate"),
        ("The owner of the folder is [insert name here] and nobody else.", "placeholder"),
        ("Lorem ipsum dolor sit amet, consectetur adipiscing elit.", "placeholder"),
        ("According to the passage, the run is resumed by the same command.", "refers_to_prompt"),
        ("The text above states that the same command resumes the run.", "refers_to_prompt"),
        ("As mentioned above, the same command resumes the run.", "refers_to_prompt"),
        ("Run the same command again and", "truncated"),
        ("Run the same command again, then wait...", "truncated"),
        ("Run the same command again with these options:", "truncated"),
        ("Run this:\n\n```bash\ndatagen run", "truncated"),
        ("The same command " * 12 + "resumes the run.", "repetition"),
        ("Resume the run " + "o" * 60, "repetition"),
        ("\n".join(["the same line"] * 7), "repetition"),
        ("How do you resume a run?", "echo"),
    ],
)
def test_what_is_rejected(answer: str, wanted: str) -> None:
    assert reason(QUESTION, answer) == wanted


@pytest.mark.parametrize(
    "answer",
    [
        "The same command resumes it.",
        "the folder of the run, without a full stop",
        "```bash\ndatagen run --out RUN\n```",
        "Run this:\n\n```bash\ndatagen run\n```",
        "1. Open the folder\n2. Run the command\n3. Read the report",
        "| key | value |\n|---|---|\n| a | b |",
        "`datagen run --out RUN` with the same options",
        "It is written to [the run folder](run.md) and stays there.",
        "----------------------------------------------------------- and a rule",
        "同じコマンドをもう一度実行してください。",
    ],
)
def test_what_is_fine(answer: str) -> None:
    assert reason(QUESTION, answer) is None


def test_long_prose_must_end_unless_it_is_verbatim() -> None:
    prose = (
        "The engine keeps every file it has written. A file that exists is work that is done, and so the same command "
        "finds out by itself what is left to do. Nothing is asked of the model twice since each reply is kept in a log "
        "that survives even a hard stop of the whole machi"
    )
    assert reason(QUESTION, prose) == "truncated"
    assert reason(QUESTION, prose, source=f"Before. {prose}ne") == "truncated"
    verdict = check_turn(QUESTION, prose, f"Before. {prose}ne", CONFIG)
    assert verdict is not None
    assert "within the word" in verdict.evidence
    assert reason(QUESTION, prose, source=f"Before. {prose}\n\nAfter.") is None


def test_evidence_names_the_figure_and_the_limit() -> None:
    verdict = check_turn(QUESTION, "Too short", "", CONFIG)
    assert verdict is not None
    assert "2 words" in verdict.evidence
    assert "3" in verdict.evidence


def test_a_question_that_refers_to_the_prompt() -> None:
    assert reason("What is said in the passage about runs?", "A run can be resumed by the same command.") == (
        "refers_to_prompt"
    )


@pytest.mark.parametrize(
    "question",
    ["How does the parser handle text in the document?", "What is a passage in the document model?"],
)
def test_speaking_of_documents_is_not_referring_to_the_prompt(question: str) -> None:
    assert reason(question, "A document is cut into passages by the parser.") is None


def test_a_page_about_passages_may_speak_of_them() -> None:
    source = (
        "## What is in the passage?\n\nA pair whose evidence is not in the passage gets a verdict and stays in the run."
    )
    question = "What happens to evidence that is not in the passage?"
    answer = "A pair whose evidence is not in the passage gets a verdict and stays in the run."
    assert reason(question, answer, source) is None
    assert reason(question, answer, "Pairs without evidence get a verdict.") == "refers_to_prompt"


def test_wrong_language_against_the_source_and_the_configuration() -> None:
    german = "Der Bericht zeigt, wie viele Zeilen behalten wurden und wie viele nicht, und er ist für alle da."
    english = "The report shows how many rows were kept and how many were not, and it is there for all of them."
    asked = "How many rows does the report show?"
    assert reason(asked, german, english) == "wrong_language"
    assert reason(asked, english, english) is None
    assert reason(asked, english, german) == "wrong_language"
    assert reason(asked, english, "", RulesConfig(language="de")) == "wrong_language"
    assert reason(asked, german, english, RulesConfig(language_check=False)) is None
    assert reason("Wie viele Zeilen zeigt der Bericht?", german, "") is None


def test_every_assistant_turn_is_checked() -> None:
    good = conversation(
        [
            ("user", QUESTION),
            ("assistant", "By the same command."),
            ("user", "And then what?"),
            ("assistant", "It ends."),
        ]
    )
    (out,) = Rules(CONFIG).run([good])
    assert isinstance(out, Sample)
    assert out.verdict is not None
    assert out.verdict.reason == "too_short"
    assert out.verdict.evidence.startswith("turn 2:")
    assert out.messages == good.messages


def test_a_turn_that_calls_a_tool_may_be_empty() -> None:
    turns = conversation([("user", QUESTION), ("assistant", ""), ("assistant", "By the same command.")])
    call = Message(role="assistant", content="", tool_calls=({"name": "search"},))
    turns = turns.model_copy(update={"messages": (turns.messages[0], call, turns.messages[2])})
    (out,) = Rules(CONFIG).run([turns])
    assert isinstance(out, Sample)
    assert out.verdict is None


def test_rejected_and_failed_records_pass_as_they_are() -> None:
    rejected = sample(QUESTION, "").model_copy(update={"verdict": Verdict(stage="qa", reason="x")})
    failure = Failure(call="", recipe="qa", chunk="c", samples=1, reason="timeout", attempts=1, raw="")
    assert Rules(CONFIG).run([rejected, failure]) == [rejected, failure]


def test_repeated_share_counts_words_in_repeats() -> None:
    assert repeated_share(["a", "b", "c", "d", "e"]) == 0
    assert repeated_share(["a", "b", "c", "d", "e", "a", "b", "c", "d", "e"]) == 0.5
    assert repeated_share([]) == 0


@given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=200))
def test_any_texts_get_a_verdict_or_none(question: str, answer: str, source: str) -> None:
    check_turn(question, answer, source, CONFIG)


ENGLISH = "The report shows how many rows were kept and how many were not, and it is there for all of them to read."
GERMAN = "Der Bericht zeigt, wie viele Zeilen behalten wurden und wie viele nicht, und er ist für alle da."


def ruled(record: Sample, config: RulesConfig = CONFIG) -> str | None:
    (out,) = Rules(config).run([record])
    assert isinstance(out, Sample)
    assert out.messages == record.messages
    return out.verdict.reason if out.verdict else None


@pytest.mark.parametrize(
    ("family", "question", "answer", "wanted"),
    [
        ("sentiment", f"Which mood has this text?\n\n{ENGLISH}", "positive", None),
        ("topic", f"What is the passage about?\n\n{ENGLISH}", "law", None),
        ("topic", f"What is the passage about?\n\n{ENGLISH}", " ", "empty_answer"),
        ("extraction", f"Give kept as JSON.\n\n{ENGLISH}", '{"kept": "rows"}', None),
        ("extraction", f"Give kept as JSON.\n\n{ENGLISH}", 'Sure: {"kept": "rows"}', "not_json"),
        ("extraction", f"Give kept as JSON.\n\n{ENGLISH}", '["rows"]', "not_json"),
        ("closed_book_qa", "How many rows does the report show?", "all", None),
        ("closed_book_qa", "According to the passage, how many rows?", "all", "refers_to_prompt"),
        ("in_context_qa", f"According to the text below, for whom is it?\n\n{ENGLISH}", "all of them", None),
        ("summarisation", f"Sum up the passage.\n\n{ENGLISH}", "The report shows how many rows were kept.", None),
        ("summarisation", f"Sum up.\n\n{ENGLISH}", "The passage says that rows were kept.", "refers_to_prompt"),
        ("summarisation", f"Sum up.\n\n{ENGLISH}", GERMAN, "wrong_language"),
        ("rewriting", f"Rewrite this.\n\n{ENGLISH}", ENGLISH, None),
        ("continuation", f"Go on: {ENGLISH[:40]}", "…and", None),
        ("continuation", f"Go on: {ENGLISH[:40]}", "", "empty_answer"),
        ("some other", "What is it?", "law", "too_short"),
    ],
)
def test_a_family_is_held_to_its_own_rules(family: str, question: str, answer: str, wanted: str | None) -> None:
    assert ruled(of_family(family, question, answer, ENGLISH)) == wanted


@pytest.mark.parametrize(
    ("form", "answer", "wanted"),
    [
        ("German", GERMAN, None),
        ("German", ENGLISH, "wrong_language"),
        ("French", GERMAN, "wrong_language"),
        ("Klingon", GERMAN, None),
    ],
)
def test_a_translation_is_in_the_language_that_was_wanted(form: str, answer: str, wanted: str | None) -> None:
    record = of_family("translation", f"Translate this text, please.\n\n{ENGLISH[:60]}", answer, ENGLISH, form=form)
    assert ruled(record) == wanted
    assert ruled(record, RulesConfig(language="en", max_echo=1)) == wanted


def test_a_planned_language_is_the_one_that_is_wanted() -> None:
    planned = sample("Wie viele Zeilen zeigt der Bericht?", GERMAN, ENGLISH)
    assert ruled(planned) == "wrong_language"
    planned = planned.model_copy(update={"attributes": {"language": "German"}})
    assert ruled(planned) is None
    assert ruled(planned, RulesConfig(language="en")) == "wrong_language"


def test_a_placeholder_of_the_document_is_none_in_an_input() -> None:
    text = "Put TODO: before what is left to do, and lorem ipsum where a text is wanted."
    assert ruled(of_family("summarisation", f"Sum up.\n\n{text}", "How open work is marked in it.", text)) is None
    assert ruled(of_family("summarisation", "Sum up [insert text here] now.", "How open work is marked.", text)) == (
        "placeholder"
    )


def test_of_style_the_instruction_alone_is_checked() -> None:
    own = "As mentioned above, the passage says: word " * 20
    style = sample("How does the author's pump work?", own, own).model_copy(update={"recipe": "style"})
    assert ruled(style) is None
    for question, wanted in (("Why?", "too_short"), ("What does the passage say of pumps?", "refers_to_prompt")):
        asked = style.messages[0].model_copy(update={"content": question})
        there = style.model_copy(update={"messages": (asked, style.messages[1]), "source": "Nothing of that."})
        assert ruled(there) == wanted


def test_people_chat_as_they_like_and_gold_is_not_touched() -> None:
    chat = conversation([("user", "hi"), ("assistant", "👍"), ("user", "?"), ("assistant", "hahaha " * 30)], GERMAN)
    assert ruled(chat.model_copy(update={"recipe": "chat"})) is None
    empty = conversation([("user", "hi"), ("assistant", " ")])
    assert ruled(empty.model_copy(update={"recipe": "chat"})) == "empty_answer"
    assert ruled(empty.model_copy(update={"recipe": "gold"})) is None


def test_follow_ups_may_be_short_and_point_back() -> None:
    turns = [("user", QUESTION), ("assistant", "By the same command.")]
    later = [("user", "Why?"), ("assistant", "As mentioned above, each file counts as work that is done.")]
    assert ruled(conversation(turns + later)) is None
    assert ruled(conversation(later + turns)) == "too_short"
    asked = [("user", "As mentioned above, why is that so?"), later[1]]
    assert ruled(conversation(asked + turns)) == "refers_to_prompt"
    bad = [later[0], ("assistant", "According to the passage, each file counts as work.")]
    assert ruled(conversation(turns + bad)) == "refers_to_prompt"


def test_an_instruction_may_speak_of_its_own_input() -> None:
    answer = "Every file that exists is work that is done."
    alone = sample("Shorten the passage, according to the text above.", answer)
    below = sample(f"Shorten the text below, and keep what the passage says.\n\n{answer} And so on.", answer)
    assert ruled(alone.model_copy(update={"recipe": "instruct"})) == "refers_to_prompt"
    assert ruled(below.model_copy(update={"recipe": "instruct"})) is None
