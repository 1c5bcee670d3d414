from __future__ import annotations

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.core.record import Chunk, Sample, Task, Verdict
from datagen.generate.extract.passage import Candidate
from datagen.generate.extractive import PAIRS_A_CHUNK, Extractive, choose, extract
from datagen.generate.generate import Generate
from datagen.generate.plan import Plan
from tests.generate.support import task


def chunk(
    text: str, *, title: str = "", heading: tuple[str, ...] = (), start: int = 0, format_: str = "markdown"
) -> Chunk:
    return Chunk(
        id="c",
        path="a.py" if format_ == "code" else "a.md",
        sha256="0" * 64,
        title=title,
        start=start,
        end=start + len(text),
        heading=heading,
        text=text,
        format=format_,  # type: ignore[arg-type]
    )


def pairs(text: str, **options: object) -> dict[str, str]:
    made = extract(task(of=chunk(text, **options)))  # type: ignore[arg-type]
    for sample in made:
        (quote,) = sample.lineage.quotes
        start = sample.lineage.start
        assert sample.messages[1].content == quote.text == text[quote.start - start : quote.end - start]
    return {s.messages[0].content: s.messages[1].content for s in made}


@pytest.mark.parametrize(
    ("text", "question", "answer"),
    [
        (
            "# Ledger\n\nA ledger is a file that counts every sample the run was asked for.",
            "What is a ledger?",
            "A ledger is a file that counts every sample the run was asked for.",
        ),
        (
            "# Terms\n\nGlobbing refers to the expansion of a pattern into the names of files that match it.",
            "What does globbing refer to?",
            None,
        ),
        (
            "# Glossary\n\n**Shard**: A part of the input that one worker takes on at a time.\n\nSome other text "
            "of the page.",
            "What is a shard?",
            "A part of the input that one worker takes on at a time.",
        ),
        (
            "# Glossary\n\nSegment\n: A maximal row of stages that need nothing but their shard.",
            "What is a segment?",
            "A maximal row of stages that need nothing but their shard.",
        ),
        (
            "# FAQ\n\n## Can a run be stopped and continued?\n\nYes, the same command continues it from what is there.",
            "Can a run be stopped and continued?",
            "Yes, the same command continues it from what is there.",
        ),
        (
            "**Why are records never deleted?**\n\nBecause the report needs them to say where each of them went.",
            "Why are records never deleted?",
            None,
        ),
        (
            "# Guide\n\n## Installing the package\n\nRun pip in an environment of its own:\n\n```bash\npip install "
            "datagen\n```",
            "How do you install the package?",
            None,
        ),
        (
            "# Guide\n\n## How to add a reader\n\n1. Write the reader in a file of its own.\n2. Add it to the "
            "table of readers.",
            "How do you add a reader?",
            "1. Write the reader in a file of its own.\n2. Add it to the table of readers.",
        ),
        (
            "# `datagen run`\n\n- `--out`: Sets the folder that the run is written to.",
            "What does the `--out` option do in `datagen run`?",
            "Sets the folder that the run is written to.",
        ),
        (
            "# Configuration\n\n- `shard_bytes`: The number of source bytes that one shard aims at.",
            "What does the setting `shard_bytes` mean?",
            "The number of source bytes that one shard aims at.",
        ),
        (
            "# Commands\n\n| Command | What it does |\n|---|---|\n| `init` | Writes a configuration with comments. |\n"
            "| `run` | Makes a run of the documents. |",
            "What does the command `init` do?",
            "Writes a configuration with comments.",
        ),
        (
            "# Exit codes\n\n| Exit code | Meaning |\n|---|---|\n| 2 | wrong usage or set-up, nothing started |\n| "
            "3 | stopped early, can be resumed |",
            "What does exit code 2 mean?",
            "wrong usage or set-up, nothing started",
        ),
        (
            "# Use\n\nTo run the tests in parallel, use:\n\n```bash\npytest -n auto\n```",
            "How do you run the tests in parallel?",
            "```bash\npytest -n auto\n```",
        ),
        (
            "# Use\n\nThe following command starts the server on port 80:\n\n```bash\nserve --port 80\n```",
            "Which command starts the server on port 80?",
            "```bash\nserve --port 80\n```",
        ),
        (
            "# Use\n\nThe work is done by a pool. `datagen status` shows how far a run has come, even while it is "
            "going on.",
            "What does `datagen status` do?",
            "`datagen status` shows how far a run has come, even while it is going on.",
        ),
        (
            "# Use\n\nThe work is careful. If the disk is full, the run stops and can be continued once there is room.",
            "What happens if the disk is full?",
            "If the disk is full, the run stops and can be continued once there is room.",
        ),
        (
            "# Use\n\nThe work is careful. To continue a run, give the same command again with the same folder.",
            "How do you continue a run?",
            "To continue a run, give the same command again with the same folder.",
        ),
        (
            "# Stages\n\nThere are two kinds of stage:\n\n- a Map, which turns a shard into a shard\n- a Fold, "
            "which sees all the shards",
            "What are the two kinds of stage?",
            "- a Map, which turns a shard into a shard\n- a Fold, which sees all the shards",
        ),
    ],
)
def test_each_kind_of_question(text: str, question: str, answer: str | None) -> None:
    made = pairs(text)
    assert question in made, made
    if answer is not None:
        assert made[question] == answer


@pytest.mark.parametrize(
    "text",
    [
        "# References\n\nA ledger is a file that counts every sample the run was asked for.",
        "# Ledger\n\nThis is a file that counts every sample the run was asked for.",
        "# Ledger\n\nIt is a file that counts every sample the run was asked for.",
        "# Ledger\n\nA ledger is the file that is described in the section above.",
        "# Ledger\n\nA ledger is a file, which the next section describes as follows:",
        "# Ledger\n\nA ledger is a file that counts every sample [1]_ the run was asked for.",
        "# Ledger\n\nThe problem is a file that counts every sample the run was asked for.",
        "# Ledger\n\nThe file is a thing that counts every sample the run was asked for.",
        "# What about it?\n\nThe ledger counts every sample that the run was asked for.",
        "# Why?\n\nThe ledger counts every sample that the run was asked for.",
        "# Installing the package\n\nThe history of the package goes back to the early days of the project.",
        "# Figures\n\n| 2019 | 2020 |\n|---|---|\n| 1.5 | 2.5 |\n| 3.5 | 4.5 |",
        "# Figures\n\n| Name | Links |\n|---|---|\n| One | [a](http://a.b/c) [d](http://e.f/g) [h](http://i.j/k) "
        "[l](http://m.n/o) |",
        "# Use\n\nSee here:\n\n```bash\npip install datagen\n```",
        "# Use\n\nIf this is the case, the run stops and can be continued once there is room for it.",
        "# Bericht\n\nEin Segment ist eine Reihe von Stufen, die nichts brauchen als ihren Teil der Arbeit.\n\n"
        "## Kann man den Lauf anhalten?\n\nJa, und der gleiche Befehl setzt ihn fort, wenn die Platte wieder Platz "
        "hat.",
        "# 目次\n\nレポートには、保持された行と拒否された行の数が表示されます。",
        "",
        "   \n\n",
    ],
)
def test_nothing_rather_than_something_odd(text: str) -> None:
    assert pairs(text) == {}


def test_the_subject_is_named_where_the_title_has_one() -> None:
    text = "## Blank lines\n\nA logical block is a group of lines that belong together in a function."
    made = pairs(text, title="PEP 8 – Style Guide for Python Code", heading=("PEP 8 – Style Guide for Python Code",))
    assert list(made) == ["In PEP 8, what is a logical block?"]


def test_docstrings_of_source_code() -> None:
    text = (
        'def count_words(text):\n    """Return the number of words between white space.\n\n    More.\n    """\n'
        "    return len(text.split())\n\n\n"
        'class Ledger:\n    """A file that counts every sample the run was asked for."""\n\n'
        'def helper():\n    """helper for it"""\n'
    )
    assert pairs(text, format_="code") == {
        "What does the function `count_words` in `a.py` do?": "Return the number of words between white space.",
        "What is the class `Ledger` in `a.py`?": "A file that counts every sample the run was asked for.",
    }


RICH = (
    "# `datagen run`\n\nA run is a line of stages over shards of records that a folder keeps.\n\n"
    "## Options\n\n"
    + "\n".join(f"- `--option-{w}`: Sets the {w} folder of the run." for w in ("a", "b", "c", "d", "e", "f"))
    + "\n\n## How do you stop it and go on?\n\n## Can a run be continued?\n\nYes, the same command continues a run "
    "from what is there.\n"
)


def test_few_a_chunk_and_of_several_kinds() -> None:
    made = pairs(RICH)
    assert len(made) == PAIRS_A_CHUNK
    assert "What is a run?" in made
    assert "Can a run be continued?" in made


def test_chosen_answers_do_not_overlap() -> None:
    found = [
        Candidate("a", "One?", 0, 100, 9),
        Candidate("b", "Two?", 10, 90, 8),
        Candidate("b", "Three?", 100, 150, 1),
    ]
    assert [c.question for c in choose(found, 4)] == ["One?", "Three?"]


def test_spans_are_the_documents_and_order_the_texts() -> None:
    samples = extract(task(of=chunk(RICH, start=1000)))
    starts = [s.lineage.quotes[0].start for s in samples]
    assert starts == sorted(starts)
    assert all(start >= 1000 for start in starts)
    assert [s.lineage.index for s in samples] == list(range(len(samples)))
    assert len({s.id for s in samples}) == len(samples)


def test_chunks_without_a_verdict_become_tasks_that_rules_do() -> None:
    good = chunk(RICH)
    bad = good.model_copy(update={"verdict": Verdict(stage="screen", reason="near_duplicate")})
    plan = Plan([(Extractive(), 1.0)], {}, seed=0)
    stage = pickle.loads(pickle.dumps(Generate([Extractive()], None)))
    plan.begin()
    assert plan.emit([bad]) == []
    tasks = plan.emit([bad, good])
    assert [t.samples for t in tasks if isinstance(t, Task)] == [0]
    made = stage.run(tasks)
    assert [s.messages for s in made if isinstance(s, Sample)] == [s.messages for s in extract(task(of=good))] != []
    assert all(isinstance(s, Sample) and s.recipe == "extractive" and s.lineage.model.startswith("none") for s in made)


def parts(text: str) -> list[str]:
    return text.split("%")


PIECES = parts(
    "# %## How to %- %1. %**%`%```\n%\n%\n\n%A %term %is a %the %: %?%. %(%[%]%](%)%If %To %, %run %use %because %_"
    "%    %\t%é%<%>%|%|---|\n"
)
MARKUP = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)


@settings(max_examples=300)
@given(MARKUP)
def test_whatever_the_markup_answers_are_verbatim(text: str) -> None:
    pairs(text)
    pairs("The run is for all of the users and it is not in the way. " + text)


REPEATED = parts(
    'a% %"%<a %~~~a\n%\\|%_a_%http://a%\n===%def a(%\ndef f(a,\n%class A:\n    """%A `a` is %the and %is a the of and '
    "%[a](%If a %\n- a%| a %a: b\n%- **a**: %a is b because "
)


@pytest.mark.parametrize("piece", PIECES + REPEATED)
@pytest.mark.parametrize("format_", ["markdown", "code"])
@pytest.mark.timeout(20)
def test_long_repeats_do_not_hang(piece: str, format_: str) -> None:
    """Work that grew with the square of the length would not come back from this within the time limit."""
    text = "The run is for all of the users. " + piece * (300_000 // len(piece))
    extract(task(of=chunk(text, format_=format_)))
