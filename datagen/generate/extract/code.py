"""Code that the sentence above it describes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from datagen.generate.extract import answers
from datagen.generate.extract.blocks import Block
from datagen.generate.extract.definitions import in_subject
from datagen.generate.extract.inline import count_words, lower_first, plain, sentences
from datagen.generate.extract.lexicon import wordset
from datagen.generate.extract.passage import Candidate, Passage
from datagen.generate.extract.verbs import BASES, IMPERATIVES, THIRDS

MAX_LINES = 40
MAX_CHARACTERS = 1600

_PRONOUN = re.compile(
    r"\b(?:this|that|these|those|it|its|they|them|their|here|there|above|below|such|following|one|so|same|previous|"
    r"we|our|us|my|i|he|his|another|other|then|again|instead)\b",
    re.I,
)
_TO_DO = re.compile(
    r"(?:First, |Then,? |Next, |Finally, )?(?:If you (?:want|need|wish|would like) to|(?:In order )?[Tt]o) "
    r"(?P<what>[a-z][^,:]{4,110}?)(?:, (?:just |"
    r"simply |you can |you |then )?"
    r"(?:run|use|type|add|write|call|do|enter|execute|put|set|say|give|define|create|issue|specify|pass|try|import|"
    r"start)\b[^:]{0,60}|): *$"
)
_TRAILER = re.compile(
    r"(?:,? (?:as follows|like this|like so|this way|with|by running|by typing|using|via|in this way|with this|"
    r"with one command|from the command line|e\.g\.?|for example))$"
)
_CLAUSE = re.compile(r"\b(?:can|is|are|will|would|should|could|may|might|must|as follows|like this|like so)\b")
_DETERMINERS = wordset("a an the your all each every any some")
_LOOSE_ENDS = wordset("like with by to for of from in on as using via and or following")
_CLAUSE_TRAILER = re.compile(r",? (?:you|one|we) (?:can|could|would|may|might|should|must)(?: \w+)?$")
_ARTEFACT = re.compile(
    r"(?:This|The following|The) (?P<noun>command|script|query|snippet|code|function|program|configuration|example|"
    r"class|decorator|line) (?P<verb>[a-z]+s) (?P<rest>[^:]{4,110}):$"
)
_LOOKS = re.compile(
    r"(?P<subject>(?:[A-Z]|`)[^,:]{2,60}?) (?:looks?|might look|could look|may look|would look|can look) "
    r"(?:something )?(?:like this|as follows|like):$"
)
_EXAMPLE = re.compile(
    r"(?:Here is|Here's|The following is|This is|Below is)? ?(?P<article>[Aa]n?) (?P<what>(?:\w+[ -]){0,3}example "
    r"(?:of|for) [^:]{4,90}):$"
)


def find(passage: Passage) -> Iterator[Candidate]:
    """Fences below a sentence that says what they do."""
    for above, fence in zip(passage.blocks, passage.blocks[1:], strict=False):
        if fence.kind != "fence" or fence.indent or above.kind != "paragraph" or above.indent:
            continue
        if passage.navigational(fence) or not _presentable(passage, fence):
            continue
        text = passage.body(above)
        spans = sentences(text)
        if not spans:
            continue
        last = text[spans[-1][0] : spans[-1][1]]
        question = question_for(plain(last))
        if question is not None:
            yield Candidate("code", in_subject(passage, question, []), fence.start, fence.end, 8, whole=True)


def question_for(sentence: str) -> str | None:
    """The request that a fence below ``sentence`` fulfils, or None where the sentence does not describe it."""
    if not sentence.endswith(":") or count_words(sentence) < 3 or not answers.balanced(sentence):
        return None
    question: str | None = None
    if match := _EXAMPLE.match(sentence):
        question = f"Show {match['article'].lower()} {match['what']}."
    elif match := _LOOKS.match(sentence):
        question = f"What does {lower_first(match['subject'])} look like?"
        if not re.match(r"(?:An? |`)", match["subject"]) or _CLAUSE.search(match["subject"]):
            return None
    elif match := _ARTEFACT.match(sentence):
        if match["verb"] in THIRDS and match["noun"] not in ("example", "line"):
            noun = match["noun"]
            question = (
                f"Which command {match['verb']} {match['rest']}?"
                if noun == "command"
                else f"Show {'code' if noun in ('code', 'snippet') else 'a ' + noun} that {match['verb']} "
                f"{match['rest']}."
            )
    elif match := _TO_DO.match(sentence):
        what = _CLAUSE_TRAILER.sub("", match["what"].strip())
        if (
            what.split()[0] in BASES
            and not _CLAUSE.search(what)
            and what.split()[-1] not in _LOOSE_ENDS
            and _has_object(what)
        ):
            question = f"How do you {what}?"
    else:
        question = _imperative(sentence)
    if (
        question is None
        or _PRONOUN.search(question.removeprefix("Show a").replace(" that ", " "))
        or len(question) > 160
    ):
        return None
    return question


def _has_object(what: str) -> bool:
    """Whether a verb phrase names what is acted on: "install the package", not "implement independently"."""
    words = what.split()
    return words[-1] not in _LOOSE_ENDS and (len(words) >= 3 or (len(words) == 2 and not words[1].endswith("ly")))


def _imperative(sentence: str) -> str | None:
    """``"Install the package with:"`` → ``"How do you install the package?"``"""
    body = sentence[:-1].strip()
    for lead in ("First, ", "Then ", "Then, ", "Next, ", "Now ", "Finally, "):
        body = body.removeprefix(lead)
    for _ in range(2):
        body = _TRAILER.sub("", body)
    words = body.split()
    if (
        not 3 <= len(words) <= 16
        or words[0].lower() not in (BASES if words[1].lower() in _DETERMINERS else IMPERATIVES)
        or _CLAUSE.search(" ".join(words[:4]))
        or "," in body
        or not (words[0][0].isupper() or body != sentence[:-1])
    ):
        return None
    if (
        words[-1].lower() in _LOOSE_ENDS
        or words[1].lower() in ("is", "are", "of", "should", "must", "can", "will", "that", "in", "for", "to")
        or "." in words[0]
    ):
        return None
    return f"How do you {words[0].lower()} {' '.join(words[1:])}?"


def _presentable(passage: Passage, fence: Block) -> bool:
    """Whether the fence holds a short, whole piece of code rather than output or an elision."""
    text = passage.text[fence.start : fence.end]
    inside = text.split("\n")[1:-1]
    body = "\n".join(inside).strip()
    return (
        0 < len(inside) <= MAX_LINES
        and len(text) <= MAX_CHARACTERS
        and len(body) >= 8
        and not body.endswith(("...", "…"))
        and "\ufffd" not in body
        and sum(c.isalnum() for c in body) >= 0.4 * len(body.replace(" ", "").replace("\n", ""))
    )
