"""The form of a rubric file, and what is said about one that is wrong.

::

    ---
    for: [qa]
    ---
    ## helpful (weight 2)
    Does the answer solve the reader's problem?
    5. It does, at once.
    3. With effort.
    1. It does not.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, NoReturn

from datagen.core.errors import UsageError

LEVELS = (1, 2, 3, 4, 5)
MAX_BYTES = 200_000
MAX_CRITERIA, MAX_NAME = 20, 40
RESERVED = frozenset({"justification"})

_KEYS = ("name", "description", "for", "threshold", "show_source", "show_examples")
_TITLE = re.compile(r"##[ \t]+(\S.*)")
_WEIGHT = re.compile(r"\([ \t]*weight[ \t:=]*([^()]*)\)[ \t]*\Z", re.IGNORECASE)
_LEVEL = re.compile(r"[ \t]*(?:[-*+][ \t]+)?(-?\d{1,9})[ \t]*(?:[.:)=]|[-\u2013\u2014](?=\s))[ \t]*(.*)")
_NAME = re.compile(r"[^\W\d_]\w*\Z")


class _Wrong(Exception):
    """What is wrong, and what to do about it."""

    def __init__(self, line: int, why: str, fix: str) -> None:
        super().__init__(line, why, fix)
        self.line, self.why, self.fix = line, why, fix


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        UsageError: it cannot be read, is too large or not UTF-8.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error)
        _refuse(path.name, f"Reading it fails: {said}.", "Name a rubric file that is there.")
    if len(data) > MAX_BYTES:
        _refuse(path.name, "It is over 200 kB.", "Name a rubric file, and make it shorter if it is one.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        _refuse(path.name, f"It is not UTF-8 (byte {error.start}).", "Save it as UTF-8.")


def read(text: str, name: str) -> dict[str, Any]:
    """A rubric's values, as the fields of :class:`curation.rubric.Rubric`.

    Args:
        text: of the file.
        name: the file's name, for messages; without its ending it is the rubric's name.

    Raises:
        UsageError: it is not a rubric; the message names the line.
    """
    try:
        return _read(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), name)
    except _Wrong as error:
        where = f"Line {error.line}: " if error.line else ""
        why = f"{where}{error.why}"
        _refuse(name, f"{why[0].upper()}{why[1:]}.", error.fix)


def _refuse(name: str, why: str, fix: str) -> NoReturn:
    raise UsageError(f"The rubric {name} cannot be used.", why, fix) from None


def _read(lines: list[str], name: str) -> dict[str, Any]:
    front, begin = _front(lines)
    guidance: list[str] = []
    criteria: list[dict[str, Any]] = []
    level: int | None = None
    titles: dict[str, int] = {}
    fenced = False
    for number, line in enumerate(lines[begin:], begin + 1):
        fenced ^= line.lstrip().startswith("```")
        if not fenced and (titled := _TITLE.match(line)):
            _finished(criteria)
            criteria.append(_criterion(titled[1], number, titles))
            level = None
        elif not criteria:
            guidance.append(line)
        elif not fenced and (found := _LEVEL.match(line)):
            level = _level(criteria[-1], int(found[1]), found[2], number)
        elif level is not None and line.strip():
            said = criteria[-1]["levels"][level]
            criteria[-1]["levels"][level] = f"{said} {line.strip()}".strip()
        elif level is None:
            criteria[-1]["question"] += f"{line}\n"
    _finished(criteria)
    if not criteria:
        raise _Wrong(0, "it has no criterion", "Add one: a line `## helpful`, a question, and lines `5. …` to `1. …`.")
    if len(criteria) > MAX_CRITERIA:
        raise _Wrong(0, f"it has {len(criteria)} criteria", f"Keep at most {MAX_CRITERIA}.")
    if not any(c["weight"] for c in criteria):
        raise _Wrong(0, "the weights of all criteria are 0", "Give at least one criterion a weight above 0.")
    for criterion in criteria:
        criterion["question"] = criterion["question"].strip()
        del criterion["line"]
    plain = name.rsplit("/", 1)[-1].removesuffix(".md") or "rubric"
    return {
        "name": front.get("name", plain),
        "description": front.get("description", ""),
        "applies": tuple(front.get("for", ())),
        "threshold": front.get("threshold"),
        "show_source": front.get("show_source", True),
        "show_examples": front.get("show_examples", False),
        "guidance": "\n".join(guidance).strip(),
        "criteria": tuple(criteria),
    }


def _criterion(text: str, line: int, titles: dict[str, int]) -> dict[str, Any]:
    weight = 1.0
    title = text.strip()
    if stated := _WEIGHT.search(title):
        title = title[: stated.start()].strip()
        try:
            weight = float(stated[1])
        except ValueError:
            weight = math.nan
        if not 0 <= weight <= 1000:
            raise _Wrong(line, f"{stated[1].strip()[:40]!r} is no weight", "Write a number from 0 to 1000: (weight 2).")
    key = re.sub(r"[\s-]+", "_", title.rstrip("#").strip().casefold())
    if len(key) > MAX_NAME or not _NAME.match(key):
        raise _Wrong(
            line, f"{title[:60]!r} is no name of a criterion", "Use up to 40 letters, digits and spaces: ## clarity."
        )
    if key in RESERVED:
        raise _Wrong(line, f"{key!r} is the name of the judge's reasons", "Give the criterion another name.")
    if key in titles:
        raise _Wrong(line, f"the criterion {key!r} stands in line {titles[key]} too", "Keep one of the two.")
    titles[key] = line
    return {"key": key, "title": title, "weight": weight, "question": "", "levels": {}, "line": line}


def _level(criterion: dict[str, Any], level: int, text: str, line: int) -> int:
    if level not in LEVELS:
        raise _Wrong(line, f"{level} is no level of {criterion['key']!r}", "Levels are 1, 2, 3, 4 and 5.")
    if level in criterion["levels"]:
        raise _Wrong(line, f"level {level} of {criterion['key']!r} is there twice", "Keep one of the two.")
    criterion["levels"][level] = text.strip()
    return level


def _finished(criteria: list[dict[str, Any]]) -> None:
    """The last criterion is whole."""
    if not criteria:
        return
    last = criteria[-1]
    missing = [level for level in (5, 1) if not last["levels"].get(level)]
    empty = [level for level, text in last["levels"].items() if not text]
    if missing or empty:
        level = (missing or empty)[0]
        fix = f"Add a line `{level}. …` that says what such a sample is like; 2, 3 and 4 may be left out."
        raise _Wrong(last["line"], f"the criterion {last['key']!r} does not say what level {level} means", fix)


def _front(lines: list[str]) -> tuple[dict[str, Any], int]:
    """The front matter, and how many lines it takes."""
    import yaml

    if not lines or lines[0].rstrip() != "---":
        raise _Wrong(1, "it does not begin with front matter", "Begin with a line ---, a line for: [qa], a line ---.")
    end = next((i for i, line in enumerate(lines[1:], 1) if line.rstrip() == "---"), None)
    if end is None:
        raise _Wrong(1, "its front matter has no end", "Put a line --- before the first criterion.")
    try:
        front = yaml.safe_load("\n".join(lines[1:end]))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        said = getattr(error, "problem", None) or "it cannot be read"
        line = mark.line + 2 if mark else 1
        raise _Wrong(line, f"the front matter is not valid YAML ({said})", "Correct that line.") from None
    front = {} if front is None else front
    if not isinstance(front, dict):
        raise _Wrong(2, "the front matter is no list of names and values", "Write lines such as threshold: 4.")
    for key, value in front.items():
        line = next((i for i, text in enumerate(lines[:end], 1) if text.startswith(str(key)[:100])), 1)
        if key not in _KEYS:
            raise _Wrong(line, f"{str(key)[:60]!r} means nothing here", f"It may hold {', '.join(_KEYS)}.")
        front[key] = _checked(key, value, line)
    return front, end + 1


def _checked(key: str, value: Any, line: int) -> Any:
    if key in ("show_source", "show_examples"):
        if not isinstance(value, bool):
            raise _Wrong(line, f"{key} is neither true nor false", f"Write {key}: true, or false.")
    elif key == "threshold":
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (number and 1 <= value <= 5):
            raise _Wrong(line, f"{str(value)[:40]!r} is no threshold", "Write a number from 1 to 5.")
    elif key == "for":
        value = [value] if isinstance(value, str) else value
        if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
            raise _Wrong(line, "for is no list of names", "Write for: [qa, conversation].")
    elif not isinstance(value, str) or not value.strip() or "\n" in value.strip():
        raise _Wrong(line, f"{key} is no line of text", f"Write {key}: and a few words.")
    elif key == "name" and not re.fullmatch(r"[\w.-]{1,60}", value):
        raise _Wrong(line, f"{value[:60]!r} is no name of a rubric", "Use letters, digits, - and _.")
    return value
