"""One reader a kind of file, and the table that says which file belongs to which.

A reader is a module with ``read(data: bytes, options: Options) -> Parsed``. To add one, write the
module and name it in :data:`KINDS`. Readers run in a locked child process and are imported there,
when the first file of their kind comes.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import MappingProxyType

from datagen.sources.chats import recognise
from datagen.sources.parsed import Options, Parsed, Unreadable
from datagen.sources.text import normalise


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file.

    Attributes:
        module: in this package.
        suffixes: lower case, with the dot.
        version: raised whenever the reader gives another text for the same bytes.
    """

    module: str
    suffixes: tuple[str, ...]
    version: int = 1


_CODE = (
    ".py .pyi .pyx .ipy .js .mjs .cjs .jsx .ts .tsx .vue .svelte .java .kt .kts .scala .groovy .gradle .clj .cljs "
    ".c .h .cc .cpp .cxx .hh .hpp .hxx .cu .cuh .m .mm .cs .fs .fsx .vb .go .rs .swift .zig .nim .d .v .sv .vhd .vhdl "
    ".rb .erb .php .pl .pm .lua .r .jl .hs .lhs .ml .mli .ex .exs .erl .hrl .elm .dart .lisp .el .scm .rkt .f .f90 "
    ".f95 .for .pas .ada .adb .ads .asm .s .sh .bash .zsh .fish .ps1 .bat .cmd .awk .sed .tcl .sql .graphql .gql "
    ".proto .thrift .tf .hcl .nix .cmake .mk .bzl .yaml .yml .toml .ini .cfg .conf .properties .env .xml .xsd .xsl "
    ".xslt .css .scss .sass .less .dockerfile .diff .patch .sol .cob .cbl .wat .glsl .hlsl .ino .qml .jinja .j2"
)

KINDS: MappingProxyType[str, Kind] = MappingProxyType(
    {
        "markdown": Kind("markdown", (".md", ".markdown", ".mdown", ".mkd", ".mdx", ".qmd", ".rmd")),
        "text": Kind("plain", (".txt", ".text", ".log", ".adoc", ".asciidoc", ".org", ".tex", ".srt", ".vtt")),
        "rst": Kind("rst", (".rst", ".rest")),
        "html": Kind("html", (".html", ".htm", ".xhtml", ".shtml")),
        "pdf": Kind("pdf", (".pdf",)),
        "docx": Kind("docx", (".docx", ".docm", ".dotx")),
        "pptx": Kind("pptx", (".pptx", ".pptm", ".ppsx", ".potx")),
        "xlsx": Kind("xlsx", (".xlsx", ".xlsm", ".xltx")),
        "csv": Kind("csv", (".csv", ".tsv", ".tab")),
        "epub": Kind("epub", (".epub",)),
        "notebook": Kind("notebook", (".ipynb",)),
        "json": Kind("json", (".json", ".geojson", ".jsonld")),
        "jsonl": Kind("jsonl", (".jsonl", ".ndjson")),
        "email": Kind("email", (".eml",)),
        "outlook": Kind("outlook", (".msg",)),
        "code": Kind("code", tuple(_CODE.split())),
    }
)

_CODE_NAMES = frozenset(
    {"makefile", "dockerfile", "jenkinsfile", "vagrantfile", "gemfile", "rakefile", "cmakelists.txt"}
)
_BY_SUFFIX = {suffix: name for name, kind in KINDS.items() for suffix in kind.suffixes}
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{4,}\b")


def kind_of_name(path: str) -> str | None:
    """The kind that a file's name tells, or None."""
    pure = PurePosixPath(path.lower())
    if pure.name in _CODE_NAMES:
        return "code"
    return _BY_SUFFIX.get(pure.suffix)


def read(kind: str, data: bytes, options: Options) -> Parsed:
    """Read the bytes of one file.

    Args:
        kind: a key of :data:`KINDS`.
        data: the file's bytes.
        options: what shapes the text.

    Returns:
        The normalised text; where ``options.chat`` is set and the bytes are a chat export, its transcript.

    Raises:
        Unreadable: for anything that is wrong with the file, whatever the library raised.
        MemoryError: when memory is short; the process should then be replaced.
    """
    if not data:
        raise Unreadable("empty", "The file has no bytes.")
    module = importlib.import_module(f"{__name__}.{KINDS[kind].module}")
    try:
        chat = recognise.read(kind, data, options.chat) if options.chat else None
        if chat is not None:
            return _laid_out(chat, options.max_text)
        parsed: Parsed = module.read(data, options)
        return normalise(parsed, options.max_text)
    except (Unreadable, MemoryError, ImportError):
        raise
    except RecursionError as error:
        raise Unreadable("damaged", "It is nested too deeply to be read.") from error
    except Exception as error:  # hostile bytes make libraries raise anything
        raise Unreadable("damaged", _evidence(kind, error)) from error


def _laid_out(chat: Parsed, max_text: int) -> Parsed:
    """A transcript is made of normalised parts, so normalising it must leave the spans of its messages true."""
    parsed = normalise(chat, max_text)
    if parsed.text != chat.text:
        raise Unreadable("damaged", "The messages of this chat cannot be laid out.")
    return parsed


def _evidence(kind: str, error: Exception) -> str:
    said = _ADDRESS.sub("…", " ".join(str(error).split()))[:200]
    return f"It could not be read as {kind} ({type(error).__name__}{': ' + said if said else ''})."
