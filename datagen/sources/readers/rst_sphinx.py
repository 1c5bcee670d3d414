"""Directives and roles that docutils does not know: what documentation generators define.

Without this, docutils drops the content of everything it does not know, code blocks with options included.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import Directive, directives, roles
from docutils.parsers.rst.languages import en

_DIRECTIVE = re.compile(r"^\s*(?:\|[^|\n]+\|\s*)?\.\. ([A-Za-z][\w:+.-]*?)::(?:\s|$)", re.MULTILINE)
_ROLE = re.compile(r":([A-Za-z][\w:+.-]*):`|`:([A-Za-z][\w:+.-]*):")
_TITLED = re.compile(r"(.*?)\s*<[^<>]*>\Z", re.DOTALL)

_CODE_NAMES = "code code-block sourcecode doctest testcode testoutput testsetup prompt ipython parsed-literal"
_NOTHING_NAMES = (
    "toctree index currentmodule module py:module py:currentmodule highlight default-domain contents sectnum meta "
    "testcleanup raw include literalinclude image autosummary program tabularcolumns codeauthor sectionauthor "
    "moduleauthor target-notes header footer title role default-role highlightlang ifconfig"
)
_OBJECT_NAMES = (
    "function class method attribute data exception decorator property staticmethod classmethod describe object option "
    "cmdoption envvar confval macro member type var struct enum enumerator union setting directive role"
)
_CODE_ROLE_NAMES = (
    "func meth class mod attr data exc obj const any file command option envvar keyword program samp kbd token opcode "
    "cls function method module python bash c cpp js type macro member var property"
)
_CODE = frozenset(_CODE_NAMES.split())
_NOTHING = frozenset(_NOTHING_NAMES.split())
_OBJECTS = frozenset(_OBJECT_NAMES.split())
_CODE_ROLES = frozenset(_CODE_ROLE_NAMES.split())
_VERSIONS = {
    "versionadded": "Added in version",
    "versionchanged": "Changed in version",
    "deprecated": "Deprecated since version",
    "deprecated-removed": "Deprecated since version",
    "versionremoved": "Removed in version",
}
_known_directives: set[str] = set()
_known_roles: set[str] = set()


class _AnyOption(dict[str, Any]):
    """An option table that knows every option."""

    def __missing__(self, name: str) -> Any:
        return directives.unchanged

    def __bool__(self) -> bool:
        return True


class _Lenient(Directive):
    """Takes any argument, option and content."""

    optional_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec: ClassVar[Any] = _AnyOption()

    def run(self) -> list[nodes.Node]:
        name = self.name.lower()
        short = name.rpartition(":")[2]
        argument = self.arguments[0] if self.arguments else ""
        if name in _NOTHING or short.startswith("auto"):
            return []
        if name in _CODE:
            return self._code(argument)
        if name in _VERSIONS:
            return self._version(_VERSIONS[name], argument)
        if short in _OBJECTS:
            return self._object(argument)
        container = nodes.container()
        if name == "rubric" or (argument and self.content and not name.startswith("only")):
            container += nodes.paragraph(argument, argument)
        self.state.nested_parse(self.content, self.content_offset, container)
        return list(container.children)

    def _code(self, language: str) -> list[nodes.Node]:
        if self.name in ("prompt", "parsed-literal") and not self.content:
            return []
        text = "\n".join(self.content)
        block = nodes.literal_block(text, text)
        block["language"] = {"doctest": "pycon", "testcode": "python", "ipython": "python"}.get(self.name, language)
        found: list[nodes.Node] = [block]
        caption = self.options.get("caption")
        if caption:
            found.insert(0, nodes.paragraph(caption, caption))
        return found

    def _version(self, words: str, argument: str) -> list[nodes.Node]:
        version, _, rest = argument.partition(" ")
        container = nodes.container()
        self.state.nested_parse(self.content, self.content_offset, container)
        start = f"{words} {version}: {rest}".rstrip(" :") if rest else f"{words} {version}"
        first = next(iter(container.children), None)
        if isinstance(first, nodes.paragraph):
            first.insert(0, nodes.Text(start + (" " if rest else ": ")))
            return list(container.children)
        return [nodes.paragraph(start, f"{start}."), *container.children]

    def _object(self, signatures: str) -> list[nodes.Node]:
        term = nodes.term()
        for i, signature in enumerate(filter(None, (s.strip() for s in signatures.split("\n")))):
            if i:
                term += nodes.Text(", ")
            term += nodes.literal(signature, signature)
        definition = nodes.definition()
        self.state.nested_parse(self.content, self.content_offset, definition)
        return [nodes.definition_list("", nodes.definition_list_item("", term, definition))]


def _role(
    name: str, rawtext: str, text: str, lineno: int, inliner: Any, options: Any = None, content: Any = None
) -> Any:
    """Any role: the title where there is one; names of code in literal form, shortened where ``~`` says so."""
    text = text.replace("\0", "")
    titled = _TITLED.fullmatch(text)
    shown = titled[1] if titled and titled[1] else text.strip("<>")
    if not titled:
        if shown.startswith("~"):
            shown = shown[1:].rpartition(".")[2]
        shown = shown.removeprefix("!")
    is_code = name.lower().rpartition(":")[2] in _CODE_ROLES
    return [nodes.literal(rawtext, shown) if is_code else nodes.inline(rawtext, shown)], []


def register(text: str) -> None:
    """Make docutils understand the directives and roles used in ``text``, whatever they are called."""
    wanted = {name.lower() for name in _DIRECTIVE.findall(text)}
    for name in wanted - _known_directives:
        _known_directives.add(name)
        if name in _CODE or name in _NOTHING or not _in_docutils(name):
            directives.register_directive(name, _Lenient)
    for name in {(a or b).lower() for a, b in _ROLE.findall(text)} - _known_roles:
        _known_roles.add(name)
        if name in _CODE_ROLES or not _role_in_docutils(name):
            roles.register_local_role(name, _role)


def _in_docutils(name: str) -> bool:
    return name in en.directives


def _role_in_docutils(name: str) -> bool:
    return name in en.roles
