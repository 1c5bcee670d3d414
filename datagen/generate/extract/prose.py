"""Sentences of prose that answer one plain question: what something does, how to do it, what happens if."""

from __future__ import annotations

import re
from collections.abc import Iterator

from datagen.generate.extract import answers
from datagen.generate.extract.blocks import Block
from datagen.generate.extract.definitions import GENERIC_NOUNS, in_subject, question_of
from datagen.generate.extract.inline import count_words, lower_first, plain, sentences
from datagen.generate.extract.lexicon import wordset
from datagen.generate.extract.passage import Candidate, Passage
from datagen.generate.extract.verbs import BASES, IMPERATIVES, THIRDS

MIN_WORDS = 8
MAX_WORDS = 60
_FOLLOWED_BY = re.compile(r"(?:It|They|Its|Their|This|That|These)\b")  # a next sentence that belongs to this one

# What can start a sentence this file understands; everything else is skipped at the cost of one match.
_OPENING = re.compile(r"(?:`|\*\*?\w|To |In order to |If |When |The |An? |[A-Z])")
_TO = re.compile(r"(?:In order to|To) (?P<what>[a-z]+ [^,;:()]{4,90}), (?P<main>(?:\w+|`)[^\n]{0,200})", re.S)
_IF = re.compile(r"(?P<word>If|When) (?P<clause>[^,;:()]{8,90}), (?P<main>[^\n]{0,300})", re.S)
_CODE_VERB = re.compile(
    r"(?P<subject>`[^`\n]{2,60}`|(?:The|Each|Every|An?) `[^`\n]{2,60}` [a-z]+(?: [a-z]+)?) (?P<verb>[a-z]+s) "
    r"(?P<rest>\S[^\n]*)",
    re.S,
)
_BECAUSE = re.compile(
    r"(?P<subject>[^,;:()]{3,50}?) (?P<verb>is|are|was|were) (?P<rest>[^,;:()]{3,90}?),? because (?P<why>\S[^\n]+)",
    re.S,
)
_TAKES = re.compile(
    r"(?P<subject>(?:The |An? )?[^,;:()]{2,50}?) (?P<verb>requires|supports|consists of|depends on|contains|"
    r"accepts|expects|provides|ignores|uses|"
    r"require|support|consist of|depend on|contain|accept|expect|provide|ignore) (?P<rest>[^\n]{12,})",
    re.S,
)
_PRONOUN = re.compile(
    r"\b(?:this|that|these|those|it|its|they|them|their|here|there|he|she|his|her|above|below|such|following|we|"
    r"our|us|i|my|"
    r"another|other|others|one|ones|same|former|latter|either|both|so|not only|example)\b",
    re.I,
)
# Verbs that say what something is like rather than what it does, or that are nouns after a name in code.
_NOT_ACTING = wordset(
    "allows permits depends works includes contains ships supports requires uses represents inherits names stands "
    "waits times types places "
    "means changes "
    "notes covers calls arguments needs has blocks tests queries formats measures exits imports releases references "
    "functions methods values classes objects fields options"
)
_OPEN_CLAUSE = wordset("you using in and not possible necessary needed no any however all doing")
_WISHES = wordset("want need wish would prefer like are have use can")
_MODAL = re.compile(r"\b(?:will|would|should|could|might)\b")
_ADVERB = re.compile(r"\b(?:also|still|then|therefore|already|now|again|thus)\b")
_UNFINISHED = re.compile(
    r"\b(?:as \w+|similar|different|better|worse|easier|harder|simpler|important|more \w+|less \w+)$"
)
_HAPPENS_VERB = re.compile(r"\b(?:is|are|was|has|have|does|do|fails?|exists?|cannot|can|[a-z]{2,}s|[a-z]{2,}ed)\b")


def find(passage: Passage) -> Iterator[Candidate]:
    """Questions about single sentences of paragraphs and list items."""
    for block in passage.blocks:
        if block.kind not in ("paragraph", "item") or block.indent > 1 or passage.navigational(block):
            continue
        text = passage.body(block)
        if len(text) < 40 or text[0] in "|<!" or text.endswith(":"):
            continue
        spans = sentences(text)
        for i, (start, end) in enumerate(spans):
            if _OPENING.match(text, start):
                yield from _sentence(passage, block, text, spans, i, start, end)


def _sentence(
    passage: Passage, block: Block, text: str, spans: list[tuple[int, int]], i: int, start: int, end: int
) -> Iterator[Candidate]:
    sentence = text[start:end]
    count = count_words(sentence)
    if not MIN_WORDS <= count <= MAX_WORDS or not sentence.endswith((".", ".)", ".`", "`.")):
        return
    asked = _question(passage, block, sentence, first=i == 0)
    if asked is None:
        return
    kind, question, weight = asked
    if i + 1 < len(spans) and _FOLLOWED_BY.match(text, spans[i + 1][0]):
        longer = text[start : spans[i + 1][1]]
        if count_words(longer) <= MAX_WORDS + 20 and answers.clean(longer) and answers.stands_alone(longer):
            end = spans[i + 1][1]
    answer = text[start:end]
    if answers.clean(answer) and answers.stands_alone(answer) and len(question) <= 170:
        yield Candidate(kind, in_subject(passage, question, []), block.body + start, block.body + end, weight)


def _question(passage: Passage, block: Block, sentence: str, *, first: bool) -> tuple[str, str, int] | None:
    """Kind, question and weight of what a sentence answers, or None."""
    flat = plain(sentence)
    if flat.startswith(("To ", "In order to ")):
        question = _how(flat)
        return ("how", question, 7) if question else None
    if flat.startswith(("If ", "When ")):
        question = _if(flat)
        return ("if", question, 5) if question else None
    if (match := _CODE_VERB.match(flat)) and (question := _does(match)):
        return "does", question, 7
    if not (first and block.kind == "paragraph") and (question := question_of(passage, block, sentence)):
        return "definition", question, 5  # first sentences of paragraphs are the business of definitions.py
    if " because " in flat and (question := _why(flat)):
        return "why", question, 6
    if (match := _TAKES.match(flat)) and (question := _takes(passage, match)):
        return "takes", question, 5
    return None


def _how(flat: str) -> str | None:
    """``"To resume a run, use …"`` → ``"How do you resume a run?"``"""
    match = _TO.match(flat)
    if match is None:
        return None
    what, main = match["what"], match["main"].split()
    verb = what.split()[0]
    if verb not in BASES or _PRONOUN.search(what) or not answers.balanced(what):
        return None
    opener = main[0].lower()
    instructs = opener in BASES | {"you", "do", "go", "simply", "just", "first"} or opener in IMPERATIVES
    if not instructs or (
        opener == "you" and main[1:2] not in (["can"], ["need"], ["must"], ["should"], ["have"], ["may"])
    ):
        return None
    return f"How do you {what}?"


def _if(flat: str) -> str | None:
    """``"If the disk is full, the run stops …"`` → ``"What happens if the disk is full?"``"""
    match = _IF.match(flat)
    if match is None:
        return None
    clause, main = match["clause"], match["main"]
    words = clause.split()
    if words[0].lower().endswith(("ed", "ing")) or (words[0] in ("a", "an", "the") and _vague(words[1])):
        return None
    if (
        _MODAL.search(clause)
        or _PRONOUN.search(clause)
        or not _HAPPENS_VERB.search(clause)
        or len(words) < 4
        or not answers.balanced(clause)
    ):
        return None
    opener = main.split()[0].lower()
    word = match["word"].lower()
    if words[0].lower() in _OPEN_CLAUSE:
        if words[0].lower() != "you" or words[1] in _WISHES:
            return None
        if opener in ("you", "use", "please", "consider"):
            return f"What should you do {word} {clause}?"
        return None
    second = main.split()[1].lower() if len(main.split()) > 1 else ""
    commands = opener in BASES and (second in ("a", "an", "the", "your") or second.startswith("`"))
    if commands or opener in IMPERATIVES or opener in ("use", "set", "run", "make", "please", "do", "don't"):
        return f"What should you do {word} {clause}?"
    if opener in (
        "you",
        "we",
        "i",
        "then",
        "and",
        "or",
        "but",
        "not",
        "there",
        "so",
        "what",
        "this",
        "that",
        "these",
        "which",
    ):
        return None
    return f"What happens {word} {clause}?"


def _does(match: re.Match[str]) -> str | None:
    """``"`datagen status` shows …"`` → ``"What does `datagen status` do?"``"""
    subject, verb = match["subject"], match["verb"]
    if verb not in THIRDS or verb in _NOT_ACTING or match["rest"].split()[0] in ("or", "and", "of"):
        return None
    if " " in subject.strip("`") and subject.startswith("`") and subject[1].isupper():
        return None
    words = subject.split("` ")
    if not subject.startswith("`"):
        if words[-1].split()[-1] in (
            "of",
            "in",
            "that",
            "and",
            "or",
            "is",
            "which",
            "also",
            "only",
            "not",
            "must",
            "can",
        ):
            return None
        if words[-1].split()[-1].endswith("ly") or words[-1].split()[-1] in (
            "either",
            "always",
            "then",
            "just",
            "never",
        ):
            return None
        article = "an" if subject.startswith(("An ",)) else "a" if subject.startswith("A ") else "the"
        subject = f"{article} {subject.split(' ', 1)[1]}"
    return f"What does {subject} do?"


def _why(flat: str) -> str | None:
    """``"X is Y because Z"`` → ``"Why is X Y?"``"""
    match = _BECAUSE.match(flat)
    if match is None:
        return None
    subject, rest = match["subject"], match["rest"]
    if _PRONOUN.search(subject) or _PRONOUN.search(rest) or count_words(subject) > 7 or not _clean(subject):
        return None
    if _ADVERB.search(rest) or _UNFINISHED.search(rest):
        return None
    if " not just " in f" {rest} " or rest.split()[0] in (
        "probably",
        "partly",
        "likely",
        "that",
        "because",
        "only",
        "mostly",
    ):
        return None
    return f"Why {match['verb']} {_inner(subject)} {rest}?"


def _takes(passage: Passage, match: re.Match[str]) -> str | None:
    """``"NumPy requires …"`` → ``"What does NumPy require?"``, where the subject has a name of its own."""
    subject, verb = match["subject"].strip(), match["verb"]
    first = subject.split()[0]
    named = (
        subject == passage.subject
        or (subject.startswith("`") and subject.endswith("`"))
        or (first in ("A", "An") and 2 <= count_words(subject) <= 5)
    )
    if not named or _PRONOUN.search(subject) or not _clean(subject):
        return None
    head, _, preposition = verb.partition(" ")
    if head not in THIRDS and head != "consists":
        return None
    base = THIRDS.get(head, "consist")
    if match["rest"].split()[0].lower() in ("that", "this", "it", "you", "them", "these", "to", "for", "and", "or"):
        return None
    return f"What does {_inner(subject)} {base}{' ' + preposition if preposition else ''}?"


_INNER = re.compile(r"(?:The|An?|All|Each|Every|Most|Some|Many) ")


def _inner(subject: str) -> str:
    """A subject as it stands inside a question: its article small, names as they are."""
    return subject[0].lower() + subject[1:] if _INNER.match(subject) else lower_first(subject)


def _vague(noun: str) -> bool:
    """Whether "the <noun>" says nothing without the text around it."""
    return noun.lower() in GENERIC_NOUNS


def _clean(subject: str) -> bool:
    words = [w.lower().strip("`*") for w in subject.split()]
    return answers.balanced(subject) and not any(
        w in ("that", "which", "who", "when", "if", "is", "are", "not", "but", "because", "while", "what", "and")
        for w in words
    )
