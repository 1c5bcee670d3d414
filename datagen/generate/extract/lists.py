"""Lists that a sentence with a colon announces: "There are three kinds of X:", "X supports the following formats:"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from datagen.generate.extract import answers
from datagen.generate.extract.definitions import in_subject
from datagen.generate.extract.inline import count_words, lower_first, plain, sentences
from datagen.generate.extract.passage import Candidate, Passage
from datagen.generate.extract.verbs import THIRDS

_NUMBER = r"(?:two|three|four|five|six|seven|eight|nine|ten|several|\d{1,2})"
_NOUNS = r"[a-z][\w-]*(?: [\w-]+){0,5}"
_THERE = re.compile(rf"There are (?P<n>{_NUMBER}) (?P<nouns>{_NOUNS}):$")
_HAS = re.compile(
    rf"(?P<subject>[^,;:()]{{2,60}}?) (?P<verb>[a-z]+s|have|has) (?:the following(?: {_NUMBER})?|these(?: "
    rf"{_NUMBER})?|(?P<n>{_NUMBER})) (?P<nouns>{_NOUNS}):$"
)
_PASSIVE = re.compile(
    rf"The following (?P<nouns>{_NOUNS}?) (?P<verb>are|can be|may be|must be) (?P<how>[a-z]+(?: [^:]{{2,60}})?):$"
)
_ARE = re.compile(rf"The (?P<nouns>(?:{_NUMBER} )?{_NOUNS}) are(?: as follows| the following)?:$")
_PRONOUN = re.compile(
    r"\b(?:this|that|these|those|it|its|they|them|their|we|our|he|she|such|above|below|here|there|example|examples)\b",
    re.I,
)
_SINGULAR_ITEMS = re.compile(r"\b(?:pieces|things|points|ways things|items|cases|reasons|changes|notes|differences)\b")


def find(passage: Passage) -> Iterator[Candidate]:
    """Announced lists of two to twelve items; the answer is the list."""
    blocks = passage.blocks
    for i, above in enumerate(blocks[:-1]):
        if above.kind != "paragraph" or above.indent or blocks[i + 1].kind != "item" or passage.navigational(above):
            continue
        text = passage.body(above)
        spans = sentences(text)
        if not spans or not text.endswith(":"):
            continue
        question = question_for(plain(text[spans[-1][0] :]))
        if question is None:
            continue
        last = i + 1
        while last + 1 < len(blocks) and (blocks[last + 1].kind == "item" or blocks[last + 1].indent > 0):
            last += 1
        items = [b for b in blocks[i + 1 : last + 1] if b.kind == "item" and b.indent == blocks[i + 1].indent]
        start, end = blocks[i + 1].start, blocks[last].end
        answer = passage.text[start:end]
        if (
            2 <= len(items) <= 12
            and answers.clean(answer)
            and not answers.points_elsewhere(answer)
            and not answer.endswith(":")
        ):
            yield Candidate("list", in_subject(passage, question, []), start, end, 7, whole=True)


def question_for(sentence: str) -> str | None:
    """The question that a list below ``sentence`` answers, or None."""
    if " to be " in sentence or _PRONOUN.search(sentence.replace("There are", "")):
        return None
    if match := _THERE.match(sentence):
        return f"What are the {match['n']} {match['nouns']}?" if match["n"] != "several" else None
    if match := _PASSIVE.match(sentence):
        return f"Which {match['nouns']} {match['verb']} {match['how']}?" if match["verb"] == "are" else None
    if match := _ARE.match(sentence):
        return f"What are the {match['nouns']}?" if count_words(match["nouns"]) > 1 else None
    if match := _HAS.match(sentence):
        subject, verb = match["subject"], match["verb"]
        base = {"has": "have", "have": "have"}.get(verb) or THIRDS.get(verb)
        if (
            base is None
            or _SINGULAR_ITEMS.search(match["nouns"])
            or count_words(subject) > 6
            or subject.lower() in ("you", "he")
        ):
            return None
        if not re.match(r"[A-Z`]", subject) or (
            " " in subject and subject.split()[0].lower() in ("in", "if", "when", "for", "with", "to")
        ):
            return None
        article = subject.split()[0] in ("The", "A", "An", "Each", "Every")
        name = subject[0].lower() + subject[1:] if article else lower_first(subject)
        return f"Which {match['nouns']} {'do' if verb == 'have' else 'does'} {name} {base}?"
    return None
