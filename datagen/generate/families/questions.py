"""Families of questions with short answers: from memory, and out of a text that is shown."""

from __future__ import annotations

from pydantic import Field

from datagen.core.record import Verdict
from datagen.generate.families.base import STAGE, Brief, Family, Made, Strict
from datagen.generate.ground import ground, locate
from datagen.generate.textual import count, longest_run

MOST_WORDS = 15  # of an answer from memory: exact match and F1 say nothing about long ones
MOST_WORDS_SHOWN = 40  # of an answer that is copied out of a text
GIVES_AWAY = 3  # words of an answer from which finding them in the question gives it away; one or two are a choice


class ClosedBook(Strict):
    """What a model gives for a question to be answered from memory."""

    question: str
    answer: str
    evidence: list[str] = Field(description="Quotes copied from the passage character by character.")


def closed_book(brief: Brief, reply: ClosedBook) -> Made:
    """A question and a short answer, which verbatim evidence supports."""
    found = ground(reply.evidence, brief.chunk)
    output = reply.answer.strip()
    verdict = found.verdict or _too_long(output, MOST_WORDS) or _given_away(reply.question, output)
    return Made(reply.question.strip(), output, found.quotes, verdict)


class InContext(Strict):
    """What a model gives for a question about a text that is shown."""

    instruction: str
    answer_quote: str = Field(description="The answer, copied from the passage character by character.")


def in_context(brief: Brief, reply: InContext) -> Made:
    """A question with its passage; the answer is a verbatim span of it."""
    span = locate(reply.answer_quote, brief.text)
    request = brief.told(reply.instruction)
    if span is None:
        evidence = f"not in the passage: {reply.answer_quote[:200]!r}"
        verdict = Verdict(stage=STAGE, reason="ungrounded", evidence=evidence)
        return Made(request, reply.answer_quote.strip(), (brief.source(),), verdict)
    quote = brief.quote(brief.start + span[0], brief.start + span[1])
    problem = _too_long(quote.text, MOST_WORDS_SHOWN) or _given_away(reply.instruction, quote.text)
    return Made(request, " ".join(quote.text.split()), (brief.source(), quote), problem)


def _too_long(answer: str, most: int) -> Verdict | None:
    said = count(answer)
    if said <= most:
        return None
    return Verdict(stage=STAGE, reason="long_answer", evidence=f"{said} words, at most {most} wanted")


def _given_away(question: str, answer: str) -> Verdict | None:
    run = longest_run(answer, question)
    if run < GIVES_AWAY or run < count(answer):
        return None
    return Verdict(stage=STAGE, reason="gives_away", evidence=f"the question holds the answer: {answer[:100]!r}")


CLOSED_BOOK_QA = Family("closed_book_qa", "f1_em", closed_book, ClosedBook)
IN_CONTEXT_QA = Family("in_context_qa", "f1_em", in_context, InContext)
