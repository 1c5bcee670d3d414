"""Prompts are files: found, checked when they are loaded, and rendered into messages.

A prompt file is YAML front matter and a body of parts::

    ---
    description: one sentence
    inputs: [passage, k]
    parameters: {temperature: 0.7}
    ---
    === system ===
    ...
    === user ===
    {{ passage }}

The body is split into roles *before* anything is rendered, so no value can forge a role. Each part
is a Jinja2 template in a sandbox in which an unknown name is an error.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal, cast

from datagen.core.errors import UsageError
from datagen.core.hashing import sha256
from datagen.core.record import Message

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.sandbox import SandboxedEnvironment

Role = Literal["system", "user", "assistant"]
MAX_BYTES = 1_000_000

_MARK = re.compile(r"^=== *(\w+) *===[ \t]*$", re.MULTILINE)
_FRONT = re.compile(r"\A---[ \t]*\n(.*?)^---[ \t]*(?:\n|\Z)", re.MULTILINE | re.DOTALL)
_KEYS = {"description", "inputs", "parameters"}


class Prompt:
    """A prompt file, checked and compiled. Instances pickle.

    Args:
        name: what the file is called in errors and in lineage, as in ``"generate/qa.md.j2"``.
        data: its bytes.
        contract: inputs that callers will give, where another file (the shipped one) decides them.

    Attributes:
        name, sha256: of the file.
        description: from the front matter.
        inputs: names that :meth:`render` needs, all of them and no others.
        parameters: sampling parameters of the front matter; they are stronger than the configuration.

    Raises:
        UsageError: the file is not a prompt: no front matter, unknown variable, syntax error.
    """

    def __init__(self, name: str, data: bytes, contract: frozenset[str] | None = None) -> None:
        self.name = name
        self.sha256 = sha256(data)
        self._data = data
        self._contract = contract
        text = _decoded(name, data)
        front, body, line = _split_front(name, text)
        self.description: str = str(front.get("description", ""))
        self.parameters: dict[str, Any] = front.get("parameters") or {}
        declared = _inputs(name, front)
        if contract is not None and (surplus := declared - contract):
            raise _wrong(
                name,
                f"It declares {_listed(surplus)}, which this prompt is never given",
                f"Use only {_listed(contract)}.",
            )
        self.inputs = declared if contract is None else contract
        self._parts = [
            (role, _compiled(name, source, at, declared)) for role, source, at in _split_roles(name, body, line)
        ]

    def __reduce__(self) -> tuple[type[Prompt], tuple[str, bytes, frozenset[str] | None]]:
        return Prompt, (self.name, self._data, self._contract)

    def render(self, **values: Any) -> tuple[Message, ...]:
        """The messages, in the order of the file.

        Raises:
            UsageError: the values are not exactly the declared inputs, or the template fails on them.
        """
        from jinja2 import TemplateError

        if values.keys() != self.inputs:
            missing, surplus = self.inputs - values.keys(), values.keys() - self.inputs
            said = [f"missing {_listed(missing)}"] * bool(missing) + [f"unknown {_listed(surplus)}"] * bool(surplus)
            raise _wrong(self.name, f"It was given other values than its inputs: {', '.join(said)}")
        try:
            return tuple(Message(role=role, content=part.render(values).strip("\n")) for role, part in self._parts)
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise _wrong(self.name, f"Rendering it fails: {error}") from error


def load(name: str, folder: str = "") -> Prompt:
    """Load a prompt, the user's where there is one.

    Args:
        name: path inside the prompts folder, as in ``"generate/qa.md.j2"``.
        folder: the user's folder of overrides, or "".

    Raises:
        UsageError: there is no such prompt, or the file is not a right one.
    """
    path = locate(name, folder)
    data = _read(name, path)
    own = shipped() / name
    if path == own or not own.is_file():
        return Prompt(name, data)
    return Prompt(name, data, Prompt(name, _read(name, own)).inputs)


def check_folder(folder: str) -> None:
    """Refuse a file in the user's folder that overrides nothing: its name is mistyped.

    Raises:
        UsageError: a ``.j2`` file has no shipped prompt of the same name.
    """
    if not folder:
        return
    known = sorted(path.relative_to(shipped()).as_posix() for path in shipped().rglob("*.j2"))
    for path in sorted(Path(folder).rglob("*.j2")):
        name = path.relative_to(folder).as_posix()
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
            raise UsageError(
                f"{name!r} in the prompts folder overrides nothing.",
                "No shipped prompt has that name.",
                f"Did you mean {close[0]}? The shipped ones are {', '.join(known)}.",
            )


def locate(name: str, folder: str = "") -> Path:
    """The file of that name: in ``folder`` if it is there, else the shipped one.

    Raises:
        UsageError: neither has it, ``folder`` is no folder, or the name leads out of the folder.
    """
    pure = PurePosixPath(name)
    if not name or pure.is_absolute() or ".." in pure.parts or "\\" in name or "\0" in name:
        raise UsageError(
            f"{name!r} is no name of a prompt.",
            "It leads out of the prompts folder.",
            "Name a file inside it, as in generate/qa.md.j2.",
        )
    places = [shipped()]
    if folder:
        if not Path(folder).is_dir():
            raise UsageError(
                f"The prompts folder {folder} is not there.",
                "No folder of that name exists.",
                "Correct generator.prompts, or leave it empty to take the shipped prompts.",
            )
        places.insert(0, Path(folder))
    for place in places:
        path = place / name
        if path.is_file():
            if not path.resolve().is_relative_to(place.resolve()):
                raise UsageError(
                    f"The prompt {name} is not taken.",
                    f"It is a link that leads out of {place}.",
                    "Put a copy of the file there.",
                )
            return path
    raise UsageError(
        f"There is no prompt {name}.",
        f"It is neither in {folder or 'a folder of yours'} nor among the shipped ones.",
        "Correct the name, or install datagen again if you did not change it.",
    )


def shipped() -> Path:
    """The folder of shipped prompts: ``datagen/_prompts`` of a wheel, else ``prompts/`` of the source tree."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "_prompts"
    return installed if installed.is_dir() else package.parent / "prompts"


def _read(name: str, path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _wrong(name, f"Reading it fails: {error.strerror or error}", "Correct its permissions.") from error
    if len(data) > MAX_BYTES:
        raise _wrong(name, "It is over 1 MB", "Make it shorter.")
    return data


def _decoded(name: str, data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _wrong(name, f"It is not UTF-8 (byte {error.start})", "Save it as UTF-8.") from error
    return text.replace("\r\n", "\n")


def _split_front(name: str, text: str) -> tuple[dict[str, Any], str, int]:
    """Front matter, body, and the body's first line number in the file."""
    import yaml

    match = _FRONT.match(text)
    if match is None:
        raise _wrong(name, "It has no front matter", "Begin it with ---, inputs: [...], ---.")
    try:
        front = yaml.safe_load(match.group(1))
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 2}" if mark else ""
        raise _wrong(name, f"Its front matter is not valid YAML{where}: {getattr(error, 'problem', error)}") from error
    front = {} if front is None else front
    if not isinstance(front, dict) or (unknown := {str(k) for k in front} - _KEYS):
        surplus = _listed(unknown) if isinstance(front, dict) else "no mapping"
        raise _wrong(name, f"Its front matter has {surplus}", f"It may have {_listed(_KEYS)}.")
    parameters = front.get("parameters")
    if parameters is not None and (
        not isinstance(parameters, dict) or not all(isinstance(key, str) for key in parameters)
    ):
        raise _wrong(name, "Its parameters are not a mapping", "Write parameters: {temperature: 0.7}.")
    return front, text[match.end() :], text.count("\n", 0, match.end()) + 1


def _inputs(name: str, front: dict[str, Any]) -> frozenset[str]:
    inputs = front.get("inputs")
    if not isinstance(inputs, list) or not all(isinstance(i, str) and i.isidentifier() for i in inputs):
        raise _wrong(name, "Its front matter does not list its inputs", "Write inputs: [passage, k], or inputs: [].")
    return frozenset(inputs)


def _split_roles(name: str, body: str, line: int) -> list[tuple[Role, str, int]]:
    """Role, template source and first line of each part."""
    marks = list(_MARK.finditer(body))
    if not marks or body[: marks[0].start()].strip():
        raise _wrong(name, "Its body does not begin with a role", "Put a line === system === or === user === first.")
    parts: list[tuple[Role, str, int]] = []
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        role = mark.group(1)
        at = line + body.count("\n", 0, mark.end()) + 1
        if role not in ("system", "user", "assistant"):
            raise _wrong(name, f"Line {at - 1} names the role {role!r}", "Roles are system, user and assistant.")
        source = body[mark.end() : following.start() if following else len(body)]
        parts.append((cast(Role, role), source.removeprefix("\n"), at))
    return parts


def _compiled(name: str, source: str, line: int, declared: Iterable[str]) -> Template:
    from jinja2 import TemplateSyntaxError, meta

    environment = _environment()
    try:
        tree = environment.parse(source)
        unknown = meta.find_undeclared_variables(tree) - set(declared) - set(environment.globals)
        template = environment.from_string(source)
    except TemplateSyntaxError as error:
        at = line + (error.lineno or 1) - 1
        raise _wrong(name, f"Line {at} has a syntax error: {error.message}") from error
    if unknown:
        raise _wrong(
            name,
            f"It uses {_listed(unknown)}, which its inputs do not declare",
            f"Use only {_listed(declared)}." if set(declared) else "Declare it under inputs.",
        )
    return template


@lru_cache(maxsize=1)
def _environment() -> SandboxedEnvironment:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    # A document's text is data here: nothing is HTML, so nothing is escaped. Newlines after block
    # tags go, so that conditions in a prompt leave no blank lines.
    return ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"


def _wrong(name: str, why: str, fix: str = "Correct that file.") -> UsageError:
    return UsageError(f"The prompt {name} cannot be used.", f"{why}.", fix)
