"""The documentation says what the code does: commands, keys, codes, files and links, and its examples run."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
import typer.main

from datagen import cli, config, finished, scaffold
from datagen.core import errors
from datagen.core.record import Chunk, Document, Failure, Lineage, Sample, Task, Verdict
from datagen.engine import codec, store
from datagen.generate.config import GeneratorConfig, RecipeName
from datagen.generate.generate import Generate
from datagen.llm import flaws
from datagen.llm.presets import PRESETS
from datagen.output import export
from datagen.output.formats import FORMATS
from datagen.sources.parsed import Options, Unreadable
from datagen.sources.readers import KINDS
from tests.generate import support

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
KEYS = config.keys()
_LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def page(name: str) -> str:
    """A page of docs/, or of the root where its name begins with "/"."""
    path = ROOT / name[1:] if name.startswith("/") else DOCS / name
    return path.read_text(encoding="utf-8")


@cache
def section(name: str, heading: str) -> str:
    """What stands under a heading of level two, up to the next one."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", page(name), re.MULTILINE | re.DOTALL)
    assert found, f"docs/{name} has no section {heading!r}"
    return found[1]


def rows(text: str) -> set[str]:
    """The first cells of all tables, without backticks."""
    return {m[1].strip().strip("`") for m in re.finditer(r"^\| ([^|]+) \|", text, re.MULTILINE)}


def commands() -> dict[str, Any]:
    """Name → command; of a group its commands, and under its own name the one that files are given to."""
    found: dict[str, Any] = {}
    for name, command in typer.main.get_command(cli.app).commands.items():
        for inner, one in getattr(command, "commands", {"rows": command}).items():
            found[name if inner == "rows" else f"{name} {inner}"] = one
    return found


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_and_option_is_documented(name: str) -> None:
    command = commands()[name]
    text = section("commands.md", f"`datagen {name}`")
    assert f"datagen {name}" in rows(page("commands.md"))
    for parameter in command.params:
        if parameter.param_type_name == "option":
            for spelling in [*parameter.opts, *parameter.secondary_opts]:
                assert re.search(rf"`{re.escape(spelling)}[ `]", text), f"{name} {spelling}"
        else:
            shown = str(parameter.metavar or parameter.name).strip("[]")
            assert re.search(rf"^Usage: `datagen {name} [^`]*\b{shown}\b", text, re.MULTILINE), f"{name} {shown}"
    assert re.search(rf"```\ndatagen {name}\b", text), "an example"


def test_no_command_or_option_is_documented_that_does_not_exist() -> None:
    known = commands()
    root = {o for p in typer.main.get_command(cli.app).params for o in p.opts}
    documented = re.findall(r"^## `datagen ([\w ]+)`$", page("commands.md"), re.MULTILINE)
    assert set(documented) == set(known)
    for name in documented:
        options = {o for p in known[name].params for o in p.opts} | {"--help", "-h"}
        for spelling in re.findall(r"^- `(--?[\w-]+)", section("commands.md", f"`datagen {name}`"), re.MULTILINE):
            assert spelling in options, f"{name} {spelling}"
    for path in PAGES:
        for _, body in fences(path):
            for line in re.findall(r"^datagen (.+)$", body, re.MULTILINE):
                _check_line(line, known, root)


def _check_line(line: str, known: dict[str, Any], root: set[str]) -> None:
    words = line.split("#")[0].split()
    if words[0].startswith("-"):
        assert words[0] in root | {"--help", "-h"}, line
        return
    name = " ".join(words[:2]) if " ".join(words[:2]) in known else words[0]
    assert name in known, line
    options = {o for p in known[name].params for o in p.opts}
    for i, word in enumerate(words):
        if word.startswith("--"):
            assert word in options, line
        if words[i - 1] == "--set":
            key = word.strip("'").split("=")[0]
            assert is_key(key), f"{key} in: {line}"


def is_key(name: str) -> bool:
    """Is it a key of the configuration, or an entry of one that is a mapping?"""
    if name in KEYS:
        return True
    mapping, _, entry = name.rpartition(".")
    kind = KEYS[mapping].annotation if mapping in KEYS else None
    if get_origin(kind) is not dict:
        return False
    return get_args(kind)[0] is str or entry in get_args(get_args(kind)[0])


def test_the_options_of_the_program_itself_are_documented() -> None:
    head = page("commands.md").split("\n## ")[0]
    for parameter in typer.main.get_command(cli.app).params:
        for spelling in parameter.opts:
            assert f"`{spelling}`" in head


def test_the_configuration_reference_is_current() -> None:
    assert page("configuration.md") == scaffold.reference()


@pytest.mark.parametrize("key", sorted(KEYS))
def test_every_key_is_in_the_reference(key: str) -> None:
    place, _, name = key.rpartition(".")
    text = section("configuration.md", place or "Top level")
    assert re.search(rf"^\| `{name}` \|", text, re.MULTILINE)


def test_keys_named_in_the_pages_exist() -> None:
    sections = {key.split(".")[0] for key in KEYS if "." in key}
    known = set(KEYS) | {key.rsplit(".", 1)[0] for key in KEYS if "." in key}
    for path in PAGES:
        for name in re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)(?:=[^`]*)?`", path.read_text(encoding="utf-8")):
            if name.split(".")[0] in sections and not name.endswith((".md", ".py", ".yaml")):
                assert name in known or is_key(name), f"{path.name}: {name}"


def slug(heading: str) -> str:
    """The anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("path", PAGES, ids=_name)
def test_links_resolve(path: Path) -> None:
    text = _FENCE.sub("", path.read_text(encoding="utf-8"))
    for target in _LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        found = (path.parent / file) if file else path
        assert found.exists(), f"{path.name}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", found.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {slug(h) for h in headings}, f"{path.name}: {target}"


def test_the_readme_leads_to_every_page() -> None:
    linked = set(_LINK.findall(page("/README.md")))
    pages = {p.relative_to(ROOT).as_posix() for p in [*DOCS.glob("*.md"), *DOCS.glob("recipes/*.md")]}
    assert pages | {"docs/providers/README.md"} <= linked


def test_the_page_on_servers_leads_to_that_of_each_preset() -> None:
    linked = set(_LINK.findall(page("providers/README.md")))
    assert {preset.page for preset in PRESETS.values()} <= linked


def test_every_prompt_is_documented() -> None:
    listed = rows(section("generation.md", "Change a prompt"))
    for path in (ROOT / "prompts").rglob("*.*"):
        name = path.relative_to(ROOT / "prompts").as_posix()
        if not name.endswith(".examples.jsonl"):
            assert re.sub(r"^generate/tasks/\w+\.md", "generate/tasks/FAMILY.md", name) in listed, name


def test_every_recipe_and_flaw_is_documented() -> None:
    assert set(get_args(RecipeName)) <= rows(section("generation.md", "Which recipes are there?"))
    assert set(flaws.load().by_name) <= rows(section("pairs.md", "Which flaws are there?"))
    for name in get_args(RecipeName):
        assert page(f"recipes/{name}.md").startswith(f"# The recipe {name}\n")


def test_the_readme_shows_the_two_commands() -> None:
    makefile = page("/Makefile")
    first = _FENCE.search(page("/README.md"))
    assert first
    for target in ("demo", "test"):
        assert re.search(rf"^make {target}\b", first[2], re.MULTILINE)
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_every_exit_code_is_documented() -> None:
    codes = {0, 1, cli.INTERRUPTED, cli.TERMINATED} | {
        kind.exit_code for kind in (errors.DatagenError, *_subclasses(errors.DatagenError))
    }
    assert {r for r in rows(section("run-folder.md", "Exit codes")) if r.isdigit()} == {str(c) for c in codes}


def _subclasses(kind: type[Any]) -> set[type[Any]]:
    return {s for child in kind.__subclasses__() for s in {child, *_subclasses(child)}}


def test_every_file_of_a_run_folder_is_documented() -> None:
    listed = rows(section("run-folder.md", "Files"))
    splits = {f"export/sft.{split}.jsonl" for split in ("train", "valid", "test")}
    exported = {f"export/{name}" for name in (export.LINEAGE, export.CARD, export.NOT_WRITTEN)}
    written = {"calls.sqlite", "vllm.log", "failed.jsonl", "ledger.json", "report.html", "report.json"}
    assert listed - {"run file", "---"} == {
        *splits, *exported, *written, *(finished.RUN, finished.SHARDS, finished.EVENTS), store.LOCK,
        "NN-stage-hash/*.parquet", "review/",
    }  # fmt: skip


def test_a_run_leaves_no_file_that_is_not_documented(tmp_path: Path) -> None:
    source = tmp_path / "docs"
    source.mkdir()
    (source / "concepts.md").write_text(page("concepts.md"), encoding="utf-8")
    from datagen import pipeline

    class Silent:
        def __call__(self, event: Any) -> None:
            pass

        def note(self, text: str) -> None:
            pass

    settled = config.load(None, [f"sources.paths=['{source}']", "generator.backend=extractive"])
    outcome = pipeline.run(settled, tmp_path / "run", Silent())
    assert outcome.ledger["kept"] > 0
    listed = rows(section("run-folder.md", "Files"))
    for path in (tmp_path / "run").rglob("*"):
        name = path.relative_to(tmp_path / "run").as_posix()
        shard = re.fullmatch(r"\d\d-[a-z_]+-[0-9a-f]{12}/[0-9a-f]+\.parquet", name)
        assert path.is_dir() or shard or name in listed, name


@pytest.mark.parametrize(
    ("title", "kind"),
    [("documents", Document), ("chunks", Chunk), ("tasks", Task), ("samples", Sample)],
    ids=["doc", "chunk", "task", "sample"],
)
def test_the_documented_columns_exist(title: str, kind: type[Any]) -> None:
    found = re.search(rf"^Columns of {title}.*?:\n\n(.*?)\n\n", section("run-folder.md", "Shards"), re.M | re.DOTALL)
    assert found
    assert rows(found[1]) - {f"{title[:-1]} column", "---"} <= set(codec.columns(kind.__name__))


def test_the_documented_fields_of_lineage_are_those_of_a_row() -> None:
    sample = example("A pump is a machine.")
    assert rows(section("run-folder.md", "Lineage")) - {"lineage field", "---"} == set(export.lineage_row(sample)) - {
        "id"
    }


def test_every_kind_of_file_is_documented() -> None:
    table = section("documents.md", "Kinds of files")
    assert rows(table) - {"kind", "---"} == set(KINDS)
    for name, kind in KINDS.items():
        row = re.search(rf"^\| `{name}` \| ([^|]+) \|", table, re.MULTILINE)
        assert row
        shown = set(re.findall(r"`(\.[a-z0-9]+)`", row[1]))
        assert shown <= set(kind.suffixes) if name == "code" else shown == set(kind.suffixes)


def test_every_export_format_is_documented() -> None:
    assert set(FORMATS) <= rows(section("commands.md", "`datagen export`"))


def reasons(*files: str) -> set[str]:
    """The reasons of verdicts that stand in the code of some files."""
    text = "\n".join(p.read_text(encoding="utf-8") for f in files for p in sorted(ROOT.glob(f)))
    return set(re.findall(r'(?:Unreadable|_reject)\(\s*"(\w+)"', text)) | set(re.findall(r'reason="(\w+)"', text))


def test_every_reason_for_an_unread_file_is_documented() -> None:
    found = reasons("datagen/sources/**/*.py")
    assert "password" in found
    assert found <= rows(section("documents.md", "What does each reading verdict mean?"))


def test_every_reason_for_rejection_is_documented() -> None:
    found = reasons("curation/*.py", "datagen/generate/**/*.py")
    assert {"low_score", "too_short", "ungrounded"} <= found
    missing = {r for r in found if f"`{r}`" not in page("curation.md") + page("generation.md")}
    assert not missing


def fences(path: Path) -> list[tuple[str, str]]:
    """Language and content of the fenced blocks of a page."""
    return [(m[1], m[2]) for m in _FENCE.finditer(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("path", PAGES, ids=_name)
def test_python_examples_compile(path: Path) -> None:
    for language, body in fences(path):
        if language == "python":
            compile(body, path.name, "exec")


def defined(name: str) -> dict[str, Any]:
    """The namespace of the example in extending.md that defines a name."""
    for language, body in fences(DOCS / "extending.md"):
        if language == "python" and re.search(rf"^(?:class|def) {name}\b", body, re.MULTILINE):
            space: dict[str, Any] = {"__name__": "example"}
            exec(body, space)  # noqa: S102 - a page of ours
            return space
    raise AssertionError(f"no example defines {name}")


def chunk(text: str, verdict: Verdict | None = None) -> Chunk:
    return Chunk(id="c", path="a.md", sha256="0", start=100, end=100 + len(text), text=text, verdict=verdict)


def example(answer: str, path: str = "a.md") -> Sample:
    made = support.pair("What is it?", answer, chunk(answer).model_copy(update={"path": path}))
    assert isinstance(made.lineage, Lineage)
    return made


def test_the_example_reader_works() -> None:
    read = defined("read")["read"]
    parsed = read(
        b"1\n00:00:01,000 --> 00:00:02,000\nGood\nmorning.\n\n2\n00:00:03,000 --> 00:00:04,000\nTea?\n", Options()
    )
    assert parsed.text == "Good morning.\n\nTea?"
    with pytest.raises(Unreadable):
        read(b"no captions here", Options())


def test_the_example_map_works() -> None:
    stage = defined("Banned")["Banned"](("foobar",))
    good, bad = example("A pump moves water."), example("A Foobar moves water.")
    spared = bad.model_copy(update={"verdict": Verdict(stage="rules", reason="echo")})
    out = stage.run([good, bad, spared])
    assert out[0] == good
    assert out[1].verdict == Verdict(stage="banned", reason="banned_word", evidence="'foobar'")
    assert out[2] == spared


def test_the_example_fold_works() -> None:
    stage = defined("PerDocument")["PerDocument"](1)
    for _ in range(2):  # a second run begins anew
        stage.begin()
        first = stage.emit([example("One pump.", "a.md"), example("One valve.", "b.md")])
        second = stage.emit([example("Two pumps.", "a.md")])
        assert [s.verdict for s in first] == [None, None]
        assert second[0].verdict.reason == "many_of_document"


def test_the_example_recipe_without_a_model_works() -> None:
    text = "Some words. Every setting of the tool is kept in `tool.toml` beside the project."
    recipe = defined("Cloze")["Cloze"]()
    asked = support.task(of=chunk(text), recipe=recipe.name)
    assert recipe.owes(asked.chunk) == asked.samples
    (made,) = Generate([recipe], None).run([asked])
    assert isinstance(made, Sample)
    assert "____" in made.messages[0].content
    quote = made.lineage.quotes[0]
    assert text[quote.start - 100 : quote.end - 100] == quote.text == made.messages[-1].content


def test_the_example_recipe_that_asks_works(tmp_path: Path) -> None:
    (prompt,) = (body for _, body in fences(DOCS / "extending.md") if body.startswith("---\n"))
    (tmp_path / "generate").mkdir()
    (tmp_path / "generate" / "headline.md.j2").write_text(prompt, encoding="utf-8")
    recipe = defined("Headline")["Headline"](GeneratorConfig(prompts=str(tmp_path)), "m", 0)
    asked = support.task({"audience": "experts"}, recipe=recipe.name)
    assert recipe.owes(asked.chunk) == asked.samples
    long = " ".join(["Rest"] * 13)
    backend = support.Scripted('{"headline": "Let it rest", "instruction": "Give it a headline."}')
    (made,) = support.make(recipe, backend, asked)
    assert isinstance(made, Sample)
    assert made.messages[-1].content == "Let it rest"
    assert made.attributes == {"audience": "experts"}
    assert "Write for experts." in support.told(backend.asked[0])
    made_long = support.make(recipe, support.Scripted(f'{{"headline": "{long}", "instruction": "x"}}'), asked)
    assert support.reasons(made_long) == ["long_headline"]
    (failure,) = support.make(recipe, support.Scripted("no", "no"), asked)
    assert isinstance(failure, Failure)
    assert failure.samples == 1
