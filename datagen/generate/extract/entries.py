"""Terms with an explanation: glossary entries, definition lists, options, configuration keys, commands."""

from __future__ import annotations

import re
from collections.abc import Iterator

from datagen.generate.extract import answers
from datagen.generate.extract.blocks import Block
from datagen.generate.extract.definitions import ABSTRACT, in_subject
from datagen.generate.extract.inline import as_code, count_words, is_code, is_identifier, lower_first, plain
from datagen.generate.extract.lexicon import wordset
from datagen.generate.extract.passage import Candidate, Passage, is_navigation
from datagen.generate.extract.verbs import BASES, NOUN_PHRASE, THIRDS

_SEPARATOR = r"(?:[ \t]?:[ \t]|[ \t][–—][ \t]|[ \t]--?[ \t]|:\n[ \t]*)"
_ENTRY = re.compile(
    r"(?:(?P<bold>\*\*[^*\n]{2,60}\*\*)|(?P<code>`[^`\n]{2,60}`(?:,? (?:or )?`[^`\n]{1,40}`)?)|"
    r"(?P<boldcolon>\*\*[^*\n]{2,60}:\*\*))"
    r"(?P<hint>[ \t]\([^()\n]{1,60}\))?"
    rf"(?(boldcolon)[ \t]+|{_SEPARATOR})[ \t]*(?=\S)"
)
_ARTICLE = re.compile(r"(?:an?|the|any|one|every)\s", re.I)
_CONFIGURATION = re.compile(
    r"\b(?:config\w*|settings?|options?|keys?|fields?|parameters?|arguments?|attributes?|variables?)\b", re.I
)
_GLOSSARY = re.compile(r"\b(?:glossary|terminology|terms|definitions?|concepts?|vocabulary)\b", re.I)
_PARAMETER_SECTION = re.compile(r"\b(?:parameters?|arguments?|returns?|raises?|args)\b", re.I)


def find(passage: Passage) -> Iterator[Candidate]:
    """Terms and explanations in list items, bold-led paragraphs and definition lists."""
    for i, block in enumerate(passage.blocks):
        if passage.navigational(block):
            continue
        if block.kind == "definition" and i and block.indent <= 3:
            yield from _definition_list(passage, passage.blocks[i - 1], block)
        elif block.kind in ("item", "paragraph") and block.indent <= 1:
            yield from _entry(passage, block)
        elif block.kind == "heading":
            yield from _heading_entry(passage, i)


def _entry(passage: Passage, block: Block) -> Iterator[Candidate]:
    text = passage.body(block)
    match = _ENTRY.match(text) if text[:1] in "*`" else None
    if match is None:
        return
    term = (match["bold"] or match["code"] or match["boldcolon"]).strip("*").rstrip(":").strip()
    yield from _explained(passage, block, term, block.body, block.body + match.end(), block.end)


def _definition_list(passage: Passage, above: Block, block: Block) -> Iterator[Candidate]:
    if above.kind != "paragraph":
        return
    term = passage.body(above).strip()
    if "\n" not in term and len(term) <= 70:
        yield from _explained(passage, block, plain(term), above.body, block.body, block.end)


def _heading_entry(passage: Passage, i: int) -> Iterator[Candidate]:
    """A heading that is a name in code, above a paragraph that says what it does."""
    heading = passage.blocks[i]
    term = plain(passage.body(heading))
    if i + 1 >= len(passage.blocks) or not (is_code(term) or is_identifier(term)):
        return
    below = passage.blocks[i + 1]
    if below.kind == "paragraph" and below.indent == 0:
        yield from _explained(passage, below, term, below.body, below.body, below.end, weight=8)


def _explained(
    passage: Passage, block: Block, term: str, term_start: int, start: int, end: int, weight: int = 7
) -> Iterator[Candidate]:
    """Ask about a term; the answer is its explanation where that is a sentence, else the whole entry."""
    explanation = passage.text[start:end]
    if not answers.clean(explanation) or answers.dangling(explanation) or answers.points_elsewhere(explanation):
        return
    question = question_about(passage, block, term, explanation)
    if question is None:
        return
    if answers.stands_alone(explanation):
        yield Candidate("entry", question, start, end, weight)
    elif (
        explanation[0].islower()
        and explanation.endswith((".", ")", "`"))
        and answers.clean(passage.text[term_start:end])
    ):
        yield Candidate("entry", question, term_start, end, weight - 1, whole=True)


def question_about(passage: Passage, block: Block, term: str, explanation: str) -> str | None:
    """The question that an explanation of ``term`` answers, or None where the pair would be odd."""
    if len(term) < 2 or count_words(term) > 6 or term[-1:] in ".!?,;" or is_navigation(term):
        return None
    prose = plain(explanation)
    first = prose.split()[0].lower().strip(",.;:()`*")
    acts = first in THIRDS and not NOUN_PHRASE.match(prose)
    near = " ".join(block.path[-2:])
    if is_code(term) or is_identifier(term):
        return _about_code(passage, block, as_code(term) if "`" not in term else term, first, acts, near, prose)
    if not all(w[0].isalnum() or w[0] in "(\"'" for w in term.split()):
        return None
    glossary = _GLOSSARY.search(near) is not None
    if _ARTICLE.match(prose) and _defines(prose) and term.split()[0].lower() not in BASES:
        name = _with_article(passage, term, prose)
        if name is not None:
            return in_subject(passage, f"What {_be(term)} {name}?", [term])
    if acts and not _PARAMETER_SECTION.search(near) and count_words(term) <= 4 and not term.endswith("s"):
        name = term if count_words(term) == 1 and term[1:] != term[1:].lower() else None
        return in_subject(passage, f"What does {name} do?", [term]) if name else None
    if glossary:
        return in_subject(passage, f"What does the term “{lower_first(term)}” mean?", [term])
    return None


def _about_code(passage: Passage, block: Block, term: str, first: str, acts: bool, near: str, prose: str) -> str | None:
    bare = term.strip("`")
    if bare.isupper() and len(bare) > 3:  # an error code or an environment variable
        return _placed(passage, f"What does {term} mean?", "")
    where = _place(passage, block, bare)
    if bare.startswith("-"):
        return _placed(passage, f"What does the {term} option do?", where)
    if "`" in term[1:-1]:  # two names for one thing
        return None
    if acts:
        return _placed(passage, f"What does {term} do?", where)
    if _ARTICLE.match(prose) and _defines(prose):
        if _CONFIGURATION.search(near) and bare.replace("_", "").replace(".", "").isalnum():
            return _placed(passage, f"What does the {_setting(near)} {term} mean?", where)
        return _placed(passage, f"What is {term}?", where)
    if _CONFIGURATION.search(near) and prose[0].isupper() and bare.replace("_", "").replace(".", "").isalnum():
        return _placed(passage, f"What does the {_setting(near)} {term} mean?", where)
    return None


_SETTING = (
    ("environment variable", "environment variable"),
    ("field", "field"),
    ("parameter", "parameter"),
    ("argument", "argument"),
    ("attribute", "attribute"),
    ("option", "option"),
)


def _setting(near: str) -> str:
    low = near.lower()
    return next((name for word, name in _SETTING if word in low), "setting")


def _place(passage: Passage, block: Block, bare: str) -> str:
    """The name in code of the thing that a bare option or key belongs to, from the headings above, or ""."""
    for heading in reversed(block.path):
        name = plain(heading)
        if (is_code(name) or is_identifier(name)) and name.strip("`") != bare:
            return as_code(name)
    return ""


def _placed(passage: Passage, question: str, where: str) -> str:
    if where and where not in question:
        return f"{question[:-1]} in {where}?"
    return in_subject(passage, question, [])


_CLAUSE = re.compile(r"\b(?:is|are|was|were|can|must|will|has|have|does|do|may|should)\b")


def _defines(prose: str) -> bool:
    """Whether prose after an article names a thing, rather than being a sentence about some other thing."""
    words = prose.split()
    second = words[1].lower().strip(",.;:") if len(words) > 1 else ""
    head = re.split(r"\b(?:that|which|who|whose|where|of|for|to|in|with)\b|[,;(]", " ".join(words[:9]), maxsplit=1)[0]
    return second not in _NOT_DEFINING and not _CLAUSE.search(head)


_NOT_DEFINING = wordset("same only following above first last next default lot bit few more other")


def _be(term: str) -> str:
    head = term.split()[-1].lower()
    return (
        "are"
        if head.endswith("s") and not head.endswith(("ss", "us", "is", "ics")) and not is_identifier(term)
        else "is"
    )


# What a proper name is usually explained as: "Redis: an in-memory database".
_NAMED = re.compile(
    r"\b(?:language|library|framework|package|company|tool|toolkit|platform|project|database|standard|"
    r"organi[sz]ation|product|"
    r"operating system|protocol|distribution|website|service|application|app|editor|browser|engine|server|client|"
    r"person|city|"
    r"country|module|plugin|extension|compiler|interpreter|format)\b",
    re.I,
)


def _with_article(passage: Passage, term: str, prose: str) -> str | None:
    """The term as a question names it: "a chunk" where its explanation begins with "a"; None where it is unclear."""
    article = prose.split()[0].lower()
    if count_words(term) == 1 and article in ("a", "an", "the") and _NAMED.search(" ".join(prose.split()[:8])):
        return term
    small = lower_first(term)
    if small == term and term[0].isupper():
        return term
    if _be(term) == "are" or article in ("any", "one", "every"):
        return small
    if article in ("a", "an"):
        return f"{'an' if small[0] in 'aeio' else 'a'} {small}"
    if f"the {small}" in passage.text.lower():
        return f"the {small}"
    return small if small.endswith(ABSTRACT) else None
