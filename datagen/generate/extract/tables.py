"""Look-ups in tables that have a key column and say something about each key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from datagen.generate.extract import answers
from datagen.generate.extract.blocks import Block
from datagen.generate.extract.definitions import in_subject
from datagen.generate.extract.inline import as_code, count_words, is_code, is_identifier, lower_first, plain
from datagen.generate.extract.lexicon import wordset
from datagen.generate.extract.passage import Candidate, Passage
from datagen.generate.extract.verbs import NOUN_PHRASE, THIRDS

MOST_ROWS = 60
MOST_COLUMNS = 8
PAIRS_A_TABLE = 3
_MIN_CELL_WORDS = 4
_MAX_CELL_WORDS = 80

_KEY_NOUN = re.compile(r"[A-Za-z][A-Za-z -]{1,30}$")
_DOES = frozenset(
    {"what it does", "does", "action", "effect", "behaviour", "behavior", "function", "does what", "what does it do"}
)
_MEANS = frozenset(
    {
        "meaning",
        "definition",
        "means",
        "explanation",
        "what it means",
        "interpretation",
        "significance",
        "description",
        "what it is",
        "details",
        "notes",
        "comment",
        "summary",
    }
)
_PURPOSE = frozenset(
    {"purpose", "use", "used for", "usage", "what for", "use case", "when to use", "role", "intent", "what it is for"}
)
_HOLDS = frozenset(
    {"content", "contents", "what it holds", "holds", "contains", "what", "inside", "what is in it", "what it contains"}
)
_REASON = frozenset({"reason", "because", "rationale", "why", "justification"})
_NOT_A_NOUN = wordset(
    """for use because with without when where how which who is are has can to from by on off in at yes no and or not
    if then than more less true false other total sum no. # nr id date value values example examples default defaults
    type types
    required name key status version link url notes"""
)
_PART_OF = frozenset({"column", "field", "key", "value", "property", "attribute"})  # of what? the heading says
_EMPTY = frozenset({"", "-", "--", "—", "–", "n/a", "none", "yes", "no", "tbd", "?", "x", "✓", "✗", "…"})


@dataclass(frozen=True, slots=True)
class Cell:
    """The text of a cell and where it stands in the passage's text."""

    text: str
    start: int
    end: int


def find(passage: Passage) -> Iterator[Candidate]:
    """A few look-ups from each table, spread evenly over its rows."""
    for block in passage.blocks:
        if block.kind == "table" and not passage.navigational(block):
            yield from _table(passage, block)


def _table(passage: Passage, block: Block) -> Iterator[Candidate]:
    rows = _rows(passage.text, block)
    if rows is None:
        return
    header, body = rows[0], rows[1:]
    keys = [row[0].text for row in body]
    if not _sensible(header, keys):
        return
    pairs: list[Candidate] = []
    for row in body:
        best = next((c for c in (_pair(passage, block, header, row, i) for i in range(1, len(header))) if c), None)
        if best is not None:
            pairs.append(best)
    yield from evenly(pairs, PAIRS_A_TABLE)


def evenly(found: list[Candidate], most: int) -> list[Candidate]:
    """At most ``most`` of the list, evenly spaced, the first always among them."""
    if len(found) <= most:
        return found
    return [found[i * len(found) // most] for i in range(most)]


def _rows(text: str, block: Block) -> list[list[Cell]] | None:
    """The cells of the table, without the rule under its header; None where rows differ in width or are too many."""
    lines = text[block.start : block.end].split("\n")
    if not 3 <= len(lines) <= MOST_ROWS + 2:
        return None
    rows: list[list[Cell]] = []
    position = block.start
    for number, line in enumerate(lines):
        if number != 1:
            rows.append(_cells(line, position))
        position += len(line) + 1
    width = len(rows[0])
    if not 2 <= width <= MOST_COLUMNS or any(len(row) != width for row in rows):
        return None
    return rows


def _cells(line: str, offset: int) -> list[Cell]:
    cuts = [i for i, c in enumerate(line) if c == "|" and (i == 0 or line[i - 1] != "\\")]
    if not line.lstrip().startswith("|"):
        cuts.insert(0, -1)
    if not line.rstrip().endswith("|"):
        cuts.append(len(line))
    cells = []
    for left, right in pairwise(cuts):
        raw = line[left + 1 : right]
        start = offset + left + 1 + len(raw) - len(raw.lstrip())
        cells.append(Cell(raw.strip(), start, start + len(raw.strip())))
    return cells


def _sensible(header: list[Cell], keys: list[str]) -> bool:
    """Whether headers are words and the first column names each row once, in words or names."""
    names = [plain(cell.text).lower() for cell in header]
    if any(len(name) > 40 for name in names) or len(set(names)) != len(names) or not all(names[1:]):
        return False
    if len(set(keys)) != len(keys) or not keys:
        return False
    good = sum(1 for key in keys if 0 < count_words(key) <= 7 and any(c.isalnum() for c in key) and "<br" not in key)
    return good >= 0.8 * len(keys)


def _pair(passage: Passage, block: Block, header: list[Cell], row: list[Cell], column: int) -> Candidate | None:
    cell = row[column]
    if cell.text.lower() in _EMPTY or not _MIN_CELL_WORDS <= count_words(cell.text) <= _MAX_CELL_WORDS:
        return None
    if (
        not answers.clean(cell.text)
        or answers.dangling(cell.text)
        or answers.points_elsewhere(cell.text)
        or "\\|" in cell.text
    ):
        return None
    if cell.text.endswith((":", "…", "...", ",")) or "<br" in cell.text:
        return None
    question = _question(
        passage, block, plain(header[0].text), plain(row[0].text), plain(header[column].text), plain(cell.text)
    )
    return Candidate("table", question, cell.start, cell.end, 6) if question else None


def _question(passage: Passage, block: Block, key_name: str, key: str, column: str, cell: str) -> str | None:
    if "…" in key or "..." in key:
        return None
    if (not 2 <= len(key) <= 60 and not key.isdigit()) or count_words(key) > 7:
        return None
    subject = _subject(passage, key_name, key)
    if subject is None:
        return None
    low = column.lower().rstrip("?: ")
    first = cell.split()[0].lower().strip(",.;:")
    acts = first in THIRDS and not NOUN_PHRASE.match(cell)
    if low in _DOES or (low in _MEANS and acts):
        question = f"What does {subject} do?"
    elif low in _MEANS:
        question = f"What does {subject} mean?" if not _is_command(key_name) else f"What is {subject} for?"
    elif low in _PURPOSE:
        question = f"What is {subject} used for?" if low != "when to use" else f"When should {subject} be used?"
    elif low in _HOLDS:
        question = f"What does {subject} contain?"
    elif low in _REASON:
        return None
    elif _noun(column):
        question = f"What is the {lower_first(column)} of {subject}?"
        if len({*low.split()} & _NOT_A_NOUN):
            return None
    else:
        return None
    return in_subject(passage, _where(block, question, key_name), [])


def _is_command(key_name: str) -> bool:
    return key_name.lower() in ("command", "commands", "option", "flag", "file", "path", "folder", "extra", "target")


def _subject(passage: Passage, key_name: str, key: str) -> str | None:
    """The row's key as a question names it, with the key column's noun where that helps: "the `--out` option"."""
    noun = key_name.lower().strip()
    named = (
        bool(_KEY_NOUN.match(key_name))
        and noun not in ("name", "key", "item", "term", "what", "for", "value", "id")
        and count_words(noun) <= 2
    )
    named = named and noun.split()[-1] not in _NOT_A_NOUN
    if noun.endswith("s") and not noun.endswith(("ss", "us", "is")):
        noun = noun[:-1]
    code = is_code(key) or is_identifier(key)
    if code:
        term = key if "`" in key else as_code(key)
        return f"the {noun} {term}" if named else f"the key {term}" if key_name.lower() == "key" else term
    if key.replace(".", "").isdigit():
        return f"{noun} {key}" if named else None
    if not key[0].isalpha() or not all(w[0].isalnum() or w[0] in "(`" for w in key.split()):
        return None
    if named:
        return f"the {noun} “{key}”"
    return f"“{key}”"


def _where(block: Block, question: str, key_name: str) -> str:
    """Add what the table is about: the nearest heading that is a name in code, or the topic where keys need one."""
    for heading in reversed(block.path):
        name = plain(heading)
        section = heading == block.path[-1] and name.islower() and name.isalpha()  # of a configuration
        if (is_code(name) or is_identifier(name) or section) and name.strip("`") not in question:
            return f"{question[:-1]} in {as_code(name)}?"
    topic = plain(block.path[-1]) if block.path else ""
    if key_name.lower().rstrip("s") in _PART_OF and topic and not topic.endswith("?") and count_words(topic) <= 5:
        return f"{question[:-1]} under “{topic}”?"
    return question


def _noun(column: str) -> bool:
    words = column.lower().split()
    return (
        1 <= len(words) <= 3
        and all(w.replace("-", "").isalpha() for w in words)
        and not any(w in _NOT_A_NOUN for w in words)
        and ((not words[-1].endswith(("ed", "ing")) and words[-1] not in THIRDS) or words[-1] in ("types", "names"))
        and not words[-1].endswith("s")
    )
