"""Functions and classes of Python source whose docstring says in its first sentence what they do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from datagen.generate.extract import answers
from datagen.generate.extract.inline import count_words, sentences
from datagen.generate.extract.lexicon import wordset
from datagen.generate.extract.passage import Candidate, Passage
from datagen.generate.extract.verbs import BASES, THIRDS

_DEFINITION = re.compile(
    r"^[ \t]{0,8}(?:async[ \t]+)?(?P<what>def|class)[ \t]+(?P<name>[A-Za-z]\w{2,60})[^\n]{0,300}?"
    r"(?P<more>(?:\n(?![ \t]*\"\"\")[^\n]{0,200}){0,12}?):[ \t]*\n[ \t]+(?:[rR]?)\"\"\"",
    re.M,
)
_VAGUE = wordset("main run test setup init wrapper inner decorator call get set")


def find(passage: Passage) -> Iterator[Candidate]:
    """Ask what a public function or class does; the answer is the docstring's first paragraph."""
    if passage.format != "code" or not passage.path.endswith((".py", ".pyi")):
        return
    module = PurePosixPath(passage.path).name
    for match in _DEFINITION.finditer(passage.text):
        name = match["name"]
        if name.lower() in _VAGUE or name.startswith("test"):
            continue
        start = match.end()
        close = passage.text.find('"""', start)
        if close < 0:
            break
        end = _end(passage.text[start:close])
        answer = passage.text[start : start + end]
        if end == 0 or not answers.clean(answer) or not answers.stands_alone(answer):
            continue
        question = _question(match["what"], name, module, answer)
        if question is not None:
            yield Candidate("docstring", question, start, start + end, 6)


def _end(docstring: str) -> int:
    """Length of the first paragraph, or of its first sentence where the paragraph is long or does not stand alone."""
    paragraph = docstring.split("\n\n", 1)[0].rstrip()
    if docstring[:1].isspace():
        return 0
    if "\n" not in paragraph and answers.stands_alone(paragraph):
        return len(paragraph)
    spans = sentences(paragraph)
    return spans[0][1] if spans and "\n" not in paragraph[: spans[0][1]] else 0


def _question(what: str, name: str, module: str, answer: str) -> str | None:
    first = answer.split()[0].strip(",.;:")
    verb = first.lower() in BASES or first.lower() in THIRDS
    if count_words(answer) < 5:
        return None
    if what == "def":
        return f"What does the function `{name}` in `{module}` do?" if verb and first[0].isupper() else None
    if first in ("A", "An", "The", "One") and not verb:
        return f"What is the class `{name}` in `{module}`?"
    return f"What does the class `{name}` in `{module}` do?" if verb else None
