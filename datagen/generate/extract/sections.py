"""Headings that are questions, or can be turned into one, with what stands below them as the answer."""

from __future__ import annotations

import re
from collections.abc import Iterator

from datagen.generate.extract import answers
from datagen.generate.extract.blocks import Block
from datagen.generate.extract.definitions import in_subject
from datagen.generate.extract.inline import count_words, lower_first, plain, sentences
from datagen.generate.extract.lexicon import wordset
from datagen.generate.extract.passage import Candidate, Passage, is_navigation, unnumbered
from datagen.generate.extract.verbs import BASES, GERUNDS, NOUN_LIKE, THIRDS

MAX_WORDS = 180
_ENOUGH = 60  # words: a section's answer goes no further once it has these and the next block is plain prose

_PRONOUN = re.compile(
    r"\b(?:this|that|these|those|it|its|they|them|their|here|there|he|she|above|below|such|following|one|ones)\b", re.I
)
_BOLD_LINE = re.compile(r"(?:\*\*|__)([^*\n]{8,150}\?)(?:\*\*|__)$|(?:\d{1,3}[.)] |Q[:.] ?)([A-Z][^\n]{8,150}\?)$")
_THIS = re.compile(r"\bthis (?:PEP|project|package|library|tool|program|framework|specification|standard)\b", re.I)
_AUXILIARY = {
    "is",
    "are",
    "was",
    "were",
    "does",
    "do",
    "did",
    "can",
    "should",
    "will",
    "may",
    "must",
    "would",
    "could",
    "has",
    "have",
}
_QUESTION_WORD = {"what", "why", "how", "when", "where", "which", "who", "whose", "whom"}
_INSTRUCTION = re.compile(
    r"(?:^|[.:;]\s+|\n)[ \t]*(?:[-*+]\s+|\d{1,3}[.)]\s+)?(?:To \w+|In order to|If you|When you|You (?:can|must|"
    r"need|should|may)|First|Then|"
    r"Once|After|Before|Make sure|Be sure|Use|Run|Add|Create|Open|Write|Set|Put|Pass|Call|Install|Start|Choose|Click|"
    r"Copy|Give|Define|Import|Select|Type|Enter|Go to|Check|Download|Configure|Specify|Change|Edit|Keep|Do not|"
    r"Don't|Avoid|Prefer|Place|Let|Name|Register|Return|Read|Take|Point)\b"
)
_NAMED_SECTIONS = {
    "motivation": "What is the motivation for {}?",
    "rationale": "What is the rationale behind {}?",
    "rationale and goals": "What are the rationale and the goals of {}?",
    "goals": "What are the goals of {}?",
    "non-goals": "What is outside the goals of {}?",
    "requirements": "What are the requirements of {}?",
    "prerequisites": "What are the prerequisites of {}?",
    "limitations": "What are the limitations of {}?",
    "known limitations": "What are the known limitations of {}?",
    "backwards compatibility": "How does {} affect backwards compatibility?",
    "backward compatibility": "How does {} affect backward compatibility?",
    "compatibility": "What is {} compatible with?",
    "security implications": "What are the security implications of {}?",
    "security considerations": "What are the security considerations of {}?",
    "performance": "What is known about the performance of {}?",
    "how to teach this": "How should {} be taught?",
}


def find(passage: Passage) -> Iterator[Candidate]:
    """Ask the question that a heading poses; the answer is what stands below it, up to the next heading."""
    blocks = passage.blocks
    for i, block in enumerate(blocks):
        if passage.navigational(block):
            continue
        if block.kind == "heading":
            yield from _heading(passage, i)
        elif block.kind == "paragraph" and block.indent == 0 and block.end - block.body < 200:
            text = passage.body(block)
            if text.endswith(("?", "?**", "?__")) and (match := _BOLD_LINE.match(text)):
                question = plain(match[1] or match[2])
                if _asks_alone(passage, question) and (end := _below(passage, i, bold=True)):
                    yield Candidate("question", question, blocks[i + 1].start, end, 10, whole=True)


def _heading(passage: Passage, i: int) -> Iterator[Candidate]:
    heading = passage.blocks[i]
    text = plain(unnumbered(plain(passage.body(heading)))).rstrip(" .:")
    if not text or is_navigation(text) or i + 1 >= len(passage.blocks):
        return
    asked = _asked(passage, text)
    if asked is not None:
        if end := _below(passage, i):
            yield Candidate("question", asked, passage.blocks[i + 1].start, end, 10, whole=True)
        return
    how = _how(text)
    if how is not None and not _PRONOUN.search(how):
        end = _below(passage, i)
        if end and _instructs(passage, i + 1, end):
            yield Candidate("how_to", in_subject(passage, how, []), passage.blocks[i + 1].start, end, 9, whole=True)
        return
    template = _NAMED_SECTIONS.get(text.lower())
    if template and passage.subject and len(heading.path) <= 1 and (end := _below(passage, i)):
        yield Candidate("section", template.format(passage.subject), passage.blocks[i + 1].start, end, 6, whole=True)


def _asked(passage: Passage, text: str) -> str | None:
    """The question a heading poses directly ("What is X?") or in other words ("When to use X", "How X works")."""
    first = text.split()[0].lower().rstrip(",")
    if text.endswith("?"):
        text = _sentence_case(text)
        return text if _asks_alone(passage, text) else _named(passage, text)
    words = text.split()
    if first not in _QUESTION_WORD or len(words) < 3:
        return None
    second = words[1].lower()
    question: str | None = None
    if second in _AUXILIARY:
        question = f"{text}?"
    elif second == "to" and first in ("how", "when", "where", "what"):
        if words[2].lower() not in BASES | {"do", "be"}:
            return None
        verb = "do" if first in ("how", "where") else "should"
        question = f"{words[0]} {verb} you {' '.join(words[2:])}?"
    elif first == "how" and words[-1] in ("works", "work") and len(words) <= 6:
        does = "does" if words[-1] == "works" else "do"
        question = f"How {does} {lower_first(' '.join(words[1:-1]))} work?"
    elif first == "what" and words[-1] in ("is", "are", "means") and len(words) <= 6:
        name = lower_first(" ".join(words[1:-1]))
        question = f"What does {name} mean?" if words[-1] == "means" else f"What {words[-1]} {name}?"
    if question is None:
        return None
    return in_subject(passage, question, []) if _asks_alone(passage, question) else None


def _asks_alone(passage: Passage, question: str) -> bool:
    """Whether a question is a sentence of its own: long enough, with no pronoun, a question word or verb in front."""
    words = question.split()
    if not 4 <= len(words) <= 25 or _PRONOUN.search(question) or not answers.balanced(question):
        return False
    if not (words[0][0].isupper() or words[0][0] in '`"'):
        return False
    low = words[0].lower().strip(",")
    small = [w.lower().strip(",?") for w in words]
    asks = low in _QUESTION_WORD | _AUXILIARY or any(w in _QUESTION_WORD | _AUXILIARY for w in small[1:6])
    has_verb = low in ("why", "how") or any(w in _AUXILIARY or w in THIRDS for w in small)
    return asks and small[1] != "about" and has_verb and question.count("?") == 1


def _named(passage: Passage, question: str) -> str | None:
    """A question about "this project", asked of the document's subject where it has a name."""
    if not passage.subject:
        return None
    name = _THIS.sub(passage.subject, question, count=1)
    return name if _asks_alone(passage, name) else None


def _how(text: str) -> str | None:
    """``"Installing X"`` and ``"Install X"`` → ``"How do you install X?"``; None for other headings."""
    words = text.split()
    if not 2 <= len(words) <= 10 or not answers.balanced(text) or text[-1] in "?!,;" or ":" in text:
        return None
    first = words[0].lower()
    base = GERUNDS.get(first) or (first if first in BASES else None)
    rest = " ".join(words[1:])
    if base is None or not words[0][0].isupper():
        return None
    second = words[1].lower()
    if second in (
        "is",
        "are",
        "vs",
        "vs.",
        "and",
        "or",
        "guide",
        "guidelines",
        "options",
        "notes",
        "rules",
        "conventions",
        "system",
    ):
        return None
    determined = second in _DETERMINERS or second.startswith("`")
    if first in NOUN_LIKE and first not in GERUNDS and not determined:
        return None
    if first in GERUNDS and first in _NOMINAL_GERUNDS and not determined:
        return None
    return f"How do you {base} {_small_words(rest)}?" if not _PRONOUN.search(rest) else None


_DETERMINERS = wordset("a an the your new another multiple several all custom")
_NOMINAL_GERUNDS = wordset(
    "mapping logging caching packaging versioning routing setting listing binding rendering sampling "
    "engineering training processing naming programming testing casting typing building string meaning"
)


def _sentence_case(question: str) -> str:
    first, _, rest = question.partition(" ")
    return f"{first} {_small_words(rest)}" if rest else question


_SMALL_IN_TITLES = wordset("a an the of in on at to for from by with and or nor but as is are vs via into over if than")


def _small_words(rest: str) -> str:
    """Title case undone: where every longer word is capitalised, only names and acronyms keep their capital."""
    words = rest.split()
    telling = [w for w in words if w[0].isalpha() and w.lower() not in _SMALL_IN_TITLES]
    if len(telling) >= 2 and all(w[0].isupper() for w in telling):
        return " ".join(lower_first(w) for w in words)
    return lower_first(rest) if words[0].lower() in _DETERMINERS or len(words[0]) <= 3 else rest


def _below(passage: Passage, i: int, *, bold: bool = False) -> int:
    """Where the answer below block ``i`` ends: whole blocks up to the next heading, or 0 where none is fit."""
    blocks = passage.blocks
    best, count = 0, 0
    for j in range(i + 1, len(blocks)):
        block = blocks[j]
        text = passage.text[block.start : block.end]
        if block.kind in ("heading", "other") or (bold and _BOLD_LINE.match(text)):
            break
        words = count_words(text)
        if j == i + 1 and block.kind == "table":
            break
        if count + words > MAX_WORDS:
            if block.kind in ("table", "item") and count < _ENOUGH:
                return 0  # what was asked for is in the list or table, and that is too long
            if best == 0 and block.kind == "paragraph" and (cut := _first_sentences(text)):
                best = block.start + cut
            break
        if best and count >= _ENOUGH and block.kind == "paragraph" and (answers.dangling(text) or text.endswith(":")):
            break
        count += words
        if _complete_at(passage, j, text):
            best = block.end
    if not best:
        return 0
    start = blocks[i + 1].start
    answer = passage.text[start:best]
    return best if _fit(passage, blocks[i + 1], answer) else 0


def _first_sentences(text: str) -> int:
    best = 0
    for _, end in sentences(text):
        if count_words(text[:end]) > MAX_WORDS:
            break
        best = end
    return best


def _complete_at(passage: Passage, j: int, text: str) -> bool:
    """Whether an answer may end after block ``j``: not before a list goes on, not after a colon."""
    block = passage.blocks[j]
    following = passage.blocks[j + 1] if j + 1 < len(passage.blocks) else None
    if following is not None and following.indent > 0 and following.kind != "heading":
        return False
    if block.kind == "item":
        return following is None or following.kind != "item"
    if block.kind in ("fence", "table"):
        return True
    return text.rstrip('*_`)"”').endswith((".", "!", "?")) or (text.endswith("`") and not text.endswith(":`"))


def _fit(passage: Passage, first: Block, answer: str) -> bool:
    if not answers.clean(answer) or answers.points_elsewhere(answer):
        return False
    if first.kind == "paragraph":
        if answers.dangling(answer) or count_words(answer) < 6 or not (answer[0].isupper() or answer[0] in '`*"“'):
            return False
        return not (answer.endswith(":") or answer[0] == "|")
    return first.kind == "fence" or count_words(answer) >= 8


def _instructs(passage: Passage, first: int, end: int) -> bool:
    """Whether the answer says what to do: it shows code or steps, or speaks to the reader."""
    for block in passage.blocks[first:]:
        if block.start >= end:
            break
        if block.kind == "fence" or block.ordered:
            return True
    text = passage.text[passage.blocks[first].start : end]
    return _INSTRUCTION.search(text) is not None
