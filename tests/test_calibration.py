"""Ratings of any usual form are read, what is no rating is named, and the results say what was found, safely."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import random
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from curation.calibrate import calibrate
from curation.calibrate_rows import Rating
from datagen.calibration import HTML, JSON, calibrate_file, read_ratings
from datagen.calibration_page import render
from datagen.calibration_rows import Ratings
from datagen.commands import calibrate as command
from datagen.core.errors import DatagenError, UsageError


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows), encoding="utf-8")
    return path


def only(tmp_path: Path, row: dict[str, Any], **columns: str) -> Rating:
    """The one rating in a row."""
    (found,) = read_ratings(write(tmp_path / "one.jsonl", [row]), columns).ratings
    return found


def reviews(count: int = 240, seed: int = 1, **more: Any) -> list[dict[str, Any]]:
    """As the review page exports them: two people on every third sample."""
    draw = random.Random(seed)
    rows = []
    for i in range(count):
        truth = draw.choice([1, 2, 3, 4, 4, 5, 5])
        judge = {c: min(5, max(1, truth + draw.choice([0, 0, 0, 1, -1]))) for c in ("clarity", "accuracy")}
        for reviewer in ("ana", "ben") if i % 3 == 0 else ("ana",):
            human = {c: min(5, max(1, truth + draw.choice([0, 0, 0, 0, 1, -1]))) for c in judge}
            row = {
                "id": f"s{i}",
                "reviewer": reviewer,
                "decision": "accepted" if sum(human.values()) >= 8 else draw.choice(["rejected", "edited"]),
                "human_scores": human,
                "blind": True,
                "how": "read",
                "scores": judge,
                "score": sum(judge.values()) / 2,
                "scored_by": "judge:openai/gpt-4o-mini",
                "document": f"d{i % 12}.md",
                "recipe": "qa",
                "prompt_length": 40,
                "length": 100 + i,
            }
            rows.append(row | more)
    return rows


def test_a_review_is_read_whole(tmp_path: Path) -> None:
    row = {**reviews(1)[0], "human_scores": {"clarity": 4}, "decision": "edited", "rubric": "grounded@1a2b3c4d"}
    assert only(tmp_path, row) == Rating(
        sample="s0",
        reviewer="ana",
        human={"clarity": 4.0},
        judge={k: float(v) for k, v in row["scores"].items()},
        score=row["score"],
        accepted=False,
        length=100.0,
        document="d0.md",
        recipe="qa",
        rubric="grounded@1a2b3c4d",
        model="openai/gpt-4o-mini",
        blind=True,
    )


@pytest.mark.parametrize(
    ("row", "human", "judge", "accepted"),
    [
        ({"human": 4, "judge": 5}, 4, 5, None),
        ({"human_score": 4.5, "judge_score": "3"}, 4.5, 3, None),
        ({"rating": "4", "score": 2}, 4, 2, None),
        ({"label": "good", "score": 2}, None, 2, True),
        ({"label": "Reject ", "llm_score": 2.0}, None, 2, False),
        ({"label": True, "prediction": 2}, None, 2, True),
        ({"accepted": 0, "score": 3, "rating": 2}, 2, 3, False),
        ({"decision": "accept", "score": 3}, None, 3, True),
        ({"decision": "skipped", "score": 3, "rating": 5}, 5, 3, None),
        ({"decision": None, "score": 3, "rating": 5}, 5, 3, None),
    ],
)
def test_usual_columns_are_known(
    tmp_path: Path, row: dict[str, Any], human: float | None, judge: float, accepted: bool | None
) -> None:
    found = only(tmp_path, row)
    assert (found.human_score, found.score, found.accepted) == (human, judge, accepted)


def test_columns_can_be_named(tmp_path: Path) -> None:
    row = {"stars": 2, "gpt": 5, "who": "ana", "verdict": 1, "file": {"path": "a.md"}, "score": 1, "human": 1}
    found = only(tmp_path, row, human="stars", judge="gpt", reviewer="who", decision="verdict", document="file")
    assert found.human_score == 2
    assert found.score == 5
    assert (found.reviewer, found.accepted, found.document) == ("ana", True, "a.md")
    with pytest.raises(UsageError, match="nothing called 'stars'"):
        only(tmp_path, row, stars="human")


def test_criteria_may_stand_in_columns_or_objects_of_their_own(tmp_path: Path) -> None:
    found = only(tmp_path, {"human_clarity": 4, "judge_clarity": 5, "human_note": "fine", "judge": {"style": 2}})
    assert (found.human, found.judge) == ({"clarity": 4.0}, {"clarity": 5.0, "style": 2.0})
    assert found.human_score is None


def test_several_scores_in_a_row_are_several_people(tmp_path: Path) -> None:
    found = read_ratings(write(tmp_path / "f.jsonl", [{"id": "x", "ratings": [5, 4, None, 3], "score": 4}])).ratings
    assert [r.human_score for r in found] == [5, 4, 3]
    assert len({r.reviewer for r in found}) == 3
    assert {r.sample for r in found} == {"x"}


def test_the_length_is_the_answers(tmp_path: Path) -> None:
    base = {"rating": 4, "score": 4}
    assert only(tmp_path, {**base, "answer": "four"}).length == 4
    assert only(tmp_path, {**base, "length": 7, "answer": "four"}).length == 7
    assert only(tmp_path, {**base, "messages": [{"role": "user", "content": "a"}, {"content": "abc"}]}).length == 3
    assert only(tmp_path, {**base, "messages": [], "length": -1}).length is None


def test_rows_without_an_id_are_samples_of_their_own(tmp_path: Path) -> None:
    found = read_ratings(write(tmp_path / "f.jsonl", [{"rating": 4, "score": 4}] * 3)).ratings
    assert len({r.sample for r in found}) == 3
    assert calibrate(found, resamples=5).samples == 3


def test_bad_rows_are_named_and_counted(tmp_path: Path) -> None:
    good = {"rating": 4, "score": 4}
    rows: list[Any] = [
        good,
        "{broken",
        "[1]",
        {"rating": 4},
        {"score": 4},
        {"rating": 6, "score": 4},
        {"rating": 0, "score": 4},
        {"rating": 4, "score": "high"},
        {"rating": 4, "score": True},
        {"rating": 4, "score": 4, "decision": "perhaps"},
        '{"rating": NaN, "score": 4}',
        '{"rating": 4, "score": ' + "9" * 400 + "}",
        {**good, "how": "bulk"},
        {"rating": 4},
    ]
    found = read_ratings(write(tmp_path / "f.jsonl", rows))
    assert (found.rows, len(found.ratings)) == (14, 1)
    assert sum(count for _, count in found.left_out.values()) == 13
    assert found.left_out["no judge's score"] == ([4, 14], 2)
    assert found.left_out["it is not JSON"] == ([2], 1)
    assert any("--column decision=" in reason for reason in found.left_out)
    assert found.left_out["decided by a bulk action, without reading"][1] == 1
    outcome = calibrate_file(tmp_path / "f.jsonl")
    assert "left out 2 rows: no judge's score (line 4, 14)" in outcome.text()
    assert outcome.data["left_out"]["no judge's score"] == {"rows": 2, "lines": [4, 14]}


def test_a_file_without_a_rating_costs_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        read_ratings(write(tmp_path / "f.jsonl", [{"text": "no rating"}] * 3))
    assert "no judge's score (3)" in error.value.why
    assert "--column human=" in error.value.fix
    for path in (write(tmp_path / "empty.jsonl", []), tmp_path / "missing.jsonl", tmp_path):
        with pytest.raises(DatagenError):
            read_ratings(path)


def test_json_arrays_and_tables_are_read_too(tmp_path: Path) -> None:
    import polars as pl

    rows = [{"rating": 4, "score": 3.5, "answer": "a"}, {"rating": 2, "score": 2.0, "answer": "b"}]
    (tmp_path / "a.json").write_text(json.dumps(rows), encoding="utf-8")
    pl.DataFrame(rows).write_parquet(tmp_path / "a.parquet")
    for name in ("a.json", "a.parquet"):
        assert [r.score for r in read_ratings(tmp_path / name).ratings] == [3.5, 2.0]


def test_the_results_hold_the_figures_and_are_the_same_again(tmp_path: Path) -> None:
    path = write(tmp_path / "reviews.jsonl", reviews())
    outcome = calibrate_file(path)
    assert outcome.folder == tmp_path / "reviews-calibration"
    data = json.loads((outcome.folder / JSON).read_text(encoding="utf-8"))
    assert list(data["criteria"]) == ["accuracy", "clarity", "overall"]
    overall = data["criteria"]["overall"]
    assert overall["judge"]["rows"] == 320
    assert overall["ceiling"]["samples"] == 80
    assert overall["judge"]["kappa"]["low"] < overall["judge"]["kappa"]["value"] < overall["judge"]["kappa"]["high"]
    assert data["threshold"]["rows"] == {"choosing": 120, "other": 120}
    before = {p.name: p.read_bytes() for p in outcome.folder.iterdir()}
    assert set(before) == {JSON, HTML}
    calibrate_file(path, tmp_path / "again")
    assert {p.name: p.read_bytes() for p in (tmp_path / "again").iterdir()} == before


def test_only_named_criteria_are_looked_at(tmp_path: Path) -> None:
    path = write(tmp_path / "reviews.jsonl", reviews(30))
    assert list(calibrate_file(path, criteria=["clarity"]).data["criteria"]) == ["clarity"]
    with pytest.raises(UsageError) as error:
        calibrate_file(path, criteria=["charm"])
    assert "overall, accuracy, clarity" in error.value.fix


APP = typer.Typer()
APP.command(epilog=command.EPILOG)(command.calibrate)


def call(*words: str | Path) -> Any:
    return CliRunner().invoke(APP, [str(word) for word in words])


def test_the_command_prints_a_table_and_what_it_comes_to(tmp_path: Path) -> None:
    path = write(tmp_path / "reviews.jsonl", reviews())
    done = call(path, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "320 ratings of 240 samples (ana 240, ben 80)" in done.output
    assert re.search(r"^overall +320 +0\.\d\d \(0\.\d\d to 0\.\d\d\)", done.output, re.MULTILINE)
    assert re.search(r"^  two people +80 ", done.output, re.MULTILINE)
    assert "Threshold: " in done.output
    assert (tmp_path / "out" / HTML).exists()
    assert max(len(line) for line in done.output.split("\n\n")[1].splitlines()) <= 100


def test_the_command_speaks_json_and_fails_where_a_precision_cannot_be_had(tmp_path: Path) -> None:
    path = write(tmp_path / "reviews.jsonl", reviews())
    done = call(path, "--json", "--precision", "0.8")
    assert done.exit_code == 0
    assert json.loads(done.output)["threshold"]["value"] is not None
    worthless = write(tmp_path / "worthless.jsonl", [{**r, "score": 3} for r in reviews()])
    done = call(worthless, "--precision", "0.95")
    assert done.exit_code == 1
    assert "No threshold gives a precision of 95%" in done.output
    assert call(worthless).exit_code == 0
    for wrong in (["--precision", "1"], ["--column", "human"], ["--column", "stars=human"]):
        assert call(path, *wrong).exit_code != 0


NASTY = "<img src=x onerror=alert(1)>\"'&\u2028\x1b[31m\ud800</style><script>alert(1)</script>"


def nasty(path: Path) -> Path:
    rows = [
        {
            **row,
            "human_scores": {NASTY: row["human_scores"]["clarity"], "clarity": 3},
            "scores": {NASTY: row["scores"]["clarity"], "clarity": 4},
            "recipe": NASTY if i % 2 else "qa",
            "reviewer": NASTY + str(i % 2),
        }
        for i, row in enumerate(reviews(60))
    ]
    return write(path, rows)


def test_nothing_in_the_ratings_becomes_markup_or_reaches_the_terminal(tmp_path: Path) -> None:
    outcome = calibrate_file(nasty(tmp_path / "nasty.jsonl"))
    page = (outcome.folder / HTML).read_bytes().decode()
    assert "<img" not in page
    assert "<script" not in page
    assert html.escape("<img src=x onerror=alert(1)>", quote=False) in page
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy
    told = html.unescape(policy[1])
    assert base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode() in told
    assert "default-src 'none'" in told
    assert "script-src" not in told
    done = call(tmp_path / "nasty.jsonl")
    assert done.exit_code == 0, done.output
    assert "\x1b" not in done.output
    json.loads((outcome.folder / JSON).read_bytes())


@pytest.mark.parametrize("rows", [1, 2, 45])
def test_a_page_of_hardly_any_rows_says_so(tmp_path: Path, rows: int) -> None:
    page = calibrate_file(write(tmp_path / "f.jsonl", [{"rating": 4, "score": 4}] * rows)).folder / HTML
    text = page.read_text(encoding="utf-8")
    assert "undefined" in text
    assert "nan" not in re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL).lower().split()


leaf = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from([1, 3, "4", 5.0])
cell = st.recursive(leaf, lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=3), x, max_size=3))
names = st.sampled_from(
    ["id", "reviewer", "decision", "human", "human_scores", "rating", "label", "score", "scores", "judge", "length",
     "document", "recipe", "scored_by", "blind", "how", "human_x", "judge_x", "answer", "messages"]
)  # fmt: skip


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(names, cell, max_size=8), max_size=6))
def test_any_row_is_a_rating_or_is_left_out(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    path = write(tmp_path / "any.jsonl", [*rows, {"id": "good", "rating": 4, "score": 4}])
    found = read_ratings(path)
    assert len(found.ratings) + sum(count for _, count in found.left_out.values()) >= len(rows) + 1
    for rating in found.ratings:
        scores = [*rating.human.values(), *rating.judge.values(), rating.human_score or 1, rating.score or 1]
        assert all(1 <= score <= 5 for score in scores)
    figures = calibrate(found.ratings, resamples=5)
    assert render("any", figures, found)


def test_a_hostile_file_is_cut_to_size(tmp_path: Path) -> None:
    rows = [{"reviewer": f"r{i}" * 200, "human": {f"c{i}": 4}, "judge": {f"c{i}": 4}} for i in range(300)]
    rows.append({"human": {f"c{i}": 4 for i in range(200)}, "score": 4})
    found = read_ratings(write(tmp_path / "f.jsonl", rows))
    assert list(found.left_out) == ["over 100 scores"]
    figures = calibrate(found.ratings, resamples=5)
    assert len(figures.criteria) <= 51
    assert len(figures.reviewers) <= 100
    assert max(map(len, figures.reviewers)) <= 220
    assert len(render("f", figures, Ratings()).encode()) < 1_000_000


@pytest.mark.skipif(not shutil.which("chromium"), reason="no Chromium here")
def test_in_a_browser_it_is_accessible_and_asks_for_nothing(tmp_path: Path) -> None:
    sync = pytest.importorskip("playwright.sync_api")
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = calibrate_file(nasty(tmp_path / "nasty.jsonl")).folder / HTML
    with sync.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for width, scheme in ((1280, "light"), (1280, "dark"), (390, "light")):
            tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            told: list[str] = []
            tab.on("console", lambda message, told=told: told.append(message.text))
            tab.on("dialog", lambda dialog, told=told: told.append(dialog.message))
            tab.on("request", lambda request, told=told: told.append(request.url))
            tab.goto(page.as_uri())
            assert told == [page.as_uri()]
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
            found = axe.Axe().run(tab).response["violations"]
            assert [v["id"] for v in found if v["impact"] in ("serious", "critical")] == []
        browser.close()


PAGE = Path(__file__).parent.parent / "docs" / "calibration.md"
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")


def test_the_worked_example_prints_what_the_page_shows(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"^```(python|text)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    examples = [body for kind, body in blocks if kind == "python"]
    assert len(examples) == 3
    exec(examples[0], {})  # noqa: S102 - a page of ours
    printed = capsys.readouterr().out.splitlines()
    shown = [line for kind, body in blocks if kind == "text" for line in body.splitlines()]
    assert len(shown) > 15
    for line in shown:
        real = next((text for text in printed if _alike(text, line)), None)
        assert real is not None, line
    for example in examples[1:]:
        exec(example, {})  # noqa: S102
    said = capsys.readouterr().out
    assert "gpt True" in said


def _alike(real: str, shown: str) -> bool:
    """The same words, and figures that are at most 0.02 (2 %) apart: numpy may draw otherwise in another version."""
    if NUMBER.sub("#", real).split() != NUMBER.sub("#", shown).split():
        return False
    pairs = zip(NUMBER.findall(real), NUMBER.findall(shown), strict=True)
    return all(abs(float(a) - float(b)) <= (0.021 if "." in b else 2) for a, b in pairs)


def test_the_page_names_every_column_figure_and_finding() -> None:
    from curation import bias
    from curation.agreement import FIGURES
    from datagen.calibration_rows import COLUMNS

    text = PAGE.read_text(encoding="utf-8")
    names = re.search(r"The names for `--column` are (.*?)\. ", text)
    assert names
    assert re.findall(r"`(\w+)`", names[1]) == list(COLUMNS)
    first = re.findall(r"^\| `(\w+)`(?:, `(\w+)`)? \| [^|]+ \| [^|]*\| [^|]*\| [^|]* \|$", text, re.MULTILINE)
    listed = {name for found in first for name in found if name}
    order, drifted = bias.order_agreement([(1, 1)]), bias.drift({"a": 1}, {"a": 1}, 4)
    tally = bias.BiasTally()
    tally._unscored = 1
    assert listed == {finding.name for finding in tally.finish(order=order, drifted=drifted).findings}
    figures = rows_of_table(text, "figure of agreement")
    told = {
        "partial": "length fixed",
        "exact": "exact, within 1",
        "near": "exact, within 1",
        "spearman": "Spearman",
    }
    assert {told.get(name, name) for name in FIGURES} <= figures


def rows_of_table(text: str, head: str) -> set[str]:
    """The first cells of the table with that head."""
    table = re.search(rf"^\| {head} \|.*?\n\n", text, re.MULTILINE | re.DOTALL)
    assert table
    return {line.split(" |")[0].removeprefix("| ").strip("`") for line in table[0].splitlines()}
