"""Definitions in prose: "A chunk is a …", "X means …", "X refers to …", "The default X is …"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from datagen.generate.extract import answers
from datagen.generate.extract.blocks import Block
from datagen.generate.extract.inline import count_words, is_code, is_identifier, lower_first, plain, sentences
from datagen.generate.extract.lexicon import wordset
from datagen.generate.extract.passage import Candidate, Passage

_TOKEN = re.compile(r"`[^`\n]{1,80}`[^\s`]{0,12}|\*\*[^*\n]{1,80}\*\*|\*[^*\n]{1,80}\*|\S+")
_EXTENDED = 90  # words: a paragraph up to this length is the answer as a whole

_NOT_A_SUBJECT = wordset(
    """this that these those it its he she they we you i there here one ones each every any some all most many few
    another other others both neither either none nothing something anything everything someone anyone what which who
    when where why how if unless while since because although though whether as but and or nor so then than also not
    only just even still yet now today tomorrow below above following next previous last first second third same such
    my your our their his her in on at by with from to into onto over under after before during without within between
    among through per via like about against use using note example examples idea ideas reason reasons problem
    problems issue issues result results goal goals aim aims purpose point points question questions answer answers
    difference differences advantage advantages disadvantage benefit benefits drawback drawbacks solution solutions
    alternative alternatives rest way ways thing things case cases fact case rule conclusion consequence upshot
    trick catch intent intention hope key main important good best better worst worse simplest easiest correct latter
    former author authors approach proposal document section chapter page figure table list code let's it's that's
    is are was were be has have had does do did can could will would shall should may might must say consider suppose
    given see think sometimes usually often generally typically currently additionally however therefore thus hence
    more less part parts kind kinds type types number lot set bit piece pieces unlike behind once until more yes no
    change changes choice choices option next step steps"""
)
_NO_QUOTES = str.maketrans("", "", '"“”')
_SUBJECT_WORDS = wordset("of for and in to the a an with")
_BAD_AFTER_ARTICLE = wordset(
    """same only default case first second third last next best most right wrong preferred following reason result way
    good bad great nice useful simple common little big small bit lot must matter mistake pity shame problem big bug
    reasonable sensible natural no-op sort waste pain better worse perfect poor strong weak clear obvious minor major
    serious known popular similar typical recommended more less very rather little other usual normal current
    correct sole primary main key important one least moot nonissue requirement possibility compromise error
    violation direct consequence side-effect breaking trade-off tradeoff valid invalid legal common happy fairly
    huge non-issue must-have no-brainer far long short mere rough full complete exact number variety few couple
    hard difficult easy trivial example instance outspoken interesting essential integral excellent ideal attractive
    obvious old"""
)
_VERBS = {
    "means": "What does {} mean?",
    "denotes": "What does {} denote?",
    "represents": "What does {} represent?",
}
_TWO_WORD_VERBS = {
    ("refers", "to"): "What does {} refer to?",
    ("refer", "to"): "What do {} refer to?",
    ("stands", "for"): "What does {} stand for?",
}
GENERIC_NOUNS = wordset(
    """file value name function method class object module type package project program script system tool string
    number list item user developer data code text field parameter argument option command table row column key
    page test process result function language version document library application feature model run output input
    syntax expression statement variable block line word keyword path folder directory return error exception default
    implementation design process algorithm interface container service server client team company plan program
    specification standard semantics effect slot operation node state instance attribute property element index
    behavior behaviour signature body format order rule message content form version"""
)


def find(passage: Passage) -> Iterator[Candidate]:
    """Definitions among the paragraphs that start a thought (the first sentence of a paragraph)."""
    previous: Block | None = None
    for block in passage.blocks:
        if block.kind == "paragraph" and block.indent == 0 and not passage.navigational(block):
            opens_section = previous is None or previous.kind == "heading"
            candidate = _paragraph(passage, block, opens_section)
            if candidate is not None:
                yield candidate
        previous = block


def _paragraph(passage: Passage, block: Block, opens_section: bool) -> Candidate | None:
    text = passage.body(block)
    if text[0] in "|<>![" or len(text) < 30:
        return None
    head = text[:400]
    question = question_of(passage, block, head)
    if question is None:
        return None
    end = _extent(text)
    if end == 0:
        return None
    return Candidate("definition", question, block.body, block.body + end, 8 if opens_section else 6)


def _extent(text: str) -> int:
    """Where the answer ends: the paragraph if it is short and stands alone, else as many of its first sentences."""
    if count_words(text) <= _EXTENDED and _fits(text):
        return len(text)
    best = 0
    for _, end in sentences(text)[:4]:
        part = text[:end]
        if count_words(part) > _EXTENDED:
            break
        if _fits(part):
            best = end
    return best


def _fits(text: str) -> bool:
    return count_words(text) >= 7 and answers.clean(text) and answers.stands_alone(text)


def question_of(passage: Passage, block: Block, sentence: str) -> str | None:
    """The question a defining sentence answers, or None where it defines nothing cleanly."""
    tokens = [m.group() for m in _TOKEN.finditer(sentence[:300])][:14]
    for i in range(1, min(len(tokens) - 2, 8)):
        token = tokens[i]
        subject, rest = tokens[:i], tokens[i + 1 :]
        if token in ("is", "are"):
            return _is_a(passage, block, subject, token, rest)
        if token in _VERBS and _clean_subject(subject) and rest[0] not in ("that", "you", "it"):
            name = _name(passage, block, subject, plural=False)
            return name and in_subject(passage, _VERBS[token].format(name), subject)
        if template := _TWO_WORD_VERBS.get((token, rest[0])):
            if not _clean_subject(subject):
                return None
            name = _name(passage, block, subject, plural=token == "refer")
            return name and in_subject(passage, template.format(name), subject)
        if token.endswith((",", ":", ";", ".", "!", "?")):
            return None
    return None


def _is_a(passage: Passage, block: Block, subject: list[str], verb: str, rest: list[str]) -> str | None:
    words = [t.lower().strip('*_,.;:`"') for t in subject]
    if (
        words[:2] == ["the", "default"]
        and 3 <= len(words) <= 6
        and verb == "is"
        and words[-1] not in GENERIC_NOUNS
        and _clean_subject(subject[1:], {"default"})
    ):
        return in_subject(passage, f"What is {lower_first(plain(' '.join(subject)))}?", subject)
    if not _clean_subject(subject):
        return None
    phrase = " ".join(subject)
    if phrase.startswith(('"', "“")) and phrase.endswith(('"', "”")):
        return in_subject(passage, f"What does the term “{plain(phrase[1:-1])}” mean?", subject)
    if passage.subject and len(subject) == 1 and _elsewhere(passage, block, plain(phrase)):
        return None
    first, second = rest[0].lower(), rest[1].lower().strip(",.;:") if len(rest) > 1 else ""
    if verb == "is" and (first not in ("a", "an", "the", "one", "any") or second in _BAD_AFTER_ARTICLE):
        return None
    if first == "one" and second != "of":
        return None
    if verb == "are" and (first.strip(",.;:") in _BAD_AFTER_ARTICLE or not _defines_plural(rest)):
        return None
    name = _name(passage, block, subject, plural=verb == "are")
    return name and in_subject(passage, f"What {verb} {name}?", subject)


_ABOUT = wordset("about overview introduction abstract summary description background readme")


def _elsewhere(passage: Passage, block: Block, name: str) -> bool:
    """Whether a section says something about a name that it does not introduce: the document's own subject in a
    later section, or a name from the world outside."""
    if name.isupper() or is_code(name) or not name[0].isupper():
        return False
    if name == passage.subject:
        section = block.path[-1].lower() if block.path else ""
        return len(block.path) > 1 and not _ABOUT & set(section.split()) and "what is" not in section
    return name.lower() not in passage.about(block)


def _defines_plural(rest: list[str]) -> bool:
    """Whether "X are …" goes on as a definition: "functions that …", "a way to …", "special objects which …"."""
    window = [t.lower().strip(",.;:") for t in rest[:7]]
    if window[0] in ("a", "an", "the"):
        return len(window) > 1 and window[1] not in _BAD_AFTER_ARTICLE
    noun_then_clause = any(w in ("that", "which", "who", "used", "whose") for w in window[1:])
    return (
        noun_then_clause
        and window[0].isalpha()
        and not window[0].endswith(("ed", "ly", "ing"))
        and (
            window[0]
            not in ("not", "now", "also", "only", "those", "things", "true", "false", "so", "such", "no", "some", "all")
        )
    )


def _clean_subject(tokens: list[str], allowed: frozenset[str] | set[str] = frozenset()) -> bool:
    """A noun phrase of at most six words, with none that makes it depend on its surroundings."""
    if not tokens or len(tokens) > 6 or (len(tokens) == 1 and len(tokens[0].strip('*`_"')) < 2):
        return False
    for i, token in enumerate(tokens):
        bare = token.strip('*_"“”').lower()
        if is_code(token.strip("*_")):
            continue
        if not bare or token[-1] in ",.;:!?" or any(c in "()[]{}<>=|\\/#@" for c in bare):
            return False
        if i == 0 and bare in ("a", "an", "the"):
            continue
        if bare in _NOT_A_SUBJECT and bare not in _SUBJECT_WORDS and bare not in allowed:
            return False
        if i in (0, len(tokens) - 1) and bare in _SUBJECT_WORDS:
            return False
        if bare.endswith("ly") and len(bare) > 4 and bare not in ("assembly", "family", "reply", "anomaly", "supply"):
            return False
        if bare in ("that", "which", "who") or bare[0].isdigit():
            return False
    return True


def _name(passage: Passage, block: Block, tokens: list[str], *, plural: bool) -> str | None:
    """The subject as the question names it, or None where it needs the text around it."""
    phrase = plain(" ".join(tokens)).translate(_NO_QUOTES)
    first = tokens[0].lower()
    head = tokens[-1].strip('*_`"').lower()
    code = is_code(tokens[-1].strip("*"))
    if first == "the" and not code:
        known = head in passage.about(block) or tokens[-1].startswith(("*", '"'))
        if (len(tokens) == 2 and not known) or (head in GENERIC_NOUNS and len(tokens) <= 3):
            return None
    if first not in ("a", "an", "the") and not plural and len(tokens) == 1 and head in GENERIC_NOUNS:
        return None
    if plural and not code:
        if first == "the" and len(tokens) < 3:
            return None
        if len(tokens) == 1 and head.rstrip("s") in GENERIC_NOUNS:
            return None
    if first in ("a", "an", "the"):
        return first + phrase[len(first) :]
    if is_identifier(phrase):
        return phrase
    if plural or _common(phrase):
        return lower_first(phrase)
    return phrase


ABSTRACT = ("tion", "sion", "ment", "ness", "ity", "ing", "ance", "ence", "ism", "ship", "age", "ure", "ysis")


def _common(phrase: str) -> bool:
    """Whether a capitalised phrase is a common noun, by its ending."""
    return phrase.split()[-1].lower().endswith(ABSTRACT) and not any(c.isupper() for c in phrase[1:])


def in_subject(passage: Passage, question: str, tokens: list[str]) -> str:
    """Name the document's subject in the question, unless it does so already or its term is unmistakable."""
    subject = passage.subject
    if not subject or subject.lower() in question.lower():
        return question
    return f"In {subject}, {question[0].lower()}{question[1:]}"
