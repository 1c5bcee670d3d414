"""Proofs: arms of equal budget, verdicts that hold, and going on after a stop."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import TrainerCallback

from tests.training import tiny_models
from training import prove_arm
from training.bootstrap import Interval, mean
from training.config import TrainConfig
from training.errors import TrainingError
from training.prove import Arm, Proof, _notes, budgeted, prove, write
from training.prove_arm import drawn
from training.prove_contrast import Contrast, Needed, contrast
from training.prove_words import headline, leading, sentence, sentences

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

PEOPLE = ("Zan", "Velu", "Mika", "Toru", "Pesh", "Olam", "Rikk", "Suda", "Jolo", "Wex")
PLACES = ("Orb", "Thal", "Mirr", "Quon", "Dusk")
WORDINGS = ("Where does {} live?", "Name the town of {}.", "{} lives where?", "In which town is {} at home?")


def fact(person: int, wording: int) -> tuple[str, str]:
    """A fact of the made-up world, asked in one of four ways."""
    return WORDINGS[wording].format(PEOPLE[person]), f"{PEOPLE[person]} lives in {PLACES[person % len(PLACES)]}."


def world(root: Path) -> dict[str, Path]:
    """Exports: true facts in three wordings; the same in another order; the same with the towns of others. The
    fourth wording is held out."""
    learned = [fact(person, wording) for person in range(len(PEOPLE)) for wording in range(3)]
    held = [fact(person, 3) for person in range(len(PEOPLE))]
    towns = {person: PLACES[(i + 2) % len(PLACES)] for i, person in enumerate(PEOPLE)}  # everybody's is wrong
    wrong = [(asked, f"{name} lives in {towns[name]}.") for asked, said in learned for name in said.split()[:1]]
    again = [learned[i] for i in np.random.default_rng(3).permutation(len(learned))]
    for name, rows in (("corrupted", wrong), ("curated", learned), ("again", again)):
        tiny_models.write_rows(root / name / "sft.train.jsonl", rows)
    tiny_models.write_rows(root / "test" / "sft.train.jsonl", learned)
    tiny_models.write_rows(root / "test" / "sft.test.jsonl", held, family="closed_book_qa", metric="f1_em")
    texts = [text for row in learned for text in row] + [wording.format("") for wording in WORDINGS]
    tiny_models.base(root / "base", texts, scale=5)
    return {name: root / name for name in ("corrupted", "curated", "again")}


def config(root: Path, **sft: Any) -> TrainConfig:
    settings = {"learning_rate": 4e-3, "batch": 15, "accumulation": 1, "schedule": "cosine", **sft}
    return TrainConfig.model_validate({"base": str(root / "base"), "method": "full", "sft": settings})


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_curated_beats_corrupted_and_equal_data_is_unclear(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    arms = world(tmp_path)
    found = prove(arms, config(tmp_path), range(4), test=tmp_path / "test", out=tmp_path / "out", steps=60, limit=10,
                  max_new_tokens=10)  # fmt: skip
    assert found.verdict("corrupted", "curated") == "helped"
    assert found.verdict("curated", "again") == "unclear"
    assert found.verdict("base", "curated") == "helped"
    by = {(c.before, c.after): c for c in found.contrasts if c.group != "replies"}
    assert by["curated", "again"].verdict == "unclear"
    gap = {(c.before, c.after): c.by.value or 0.0 for c in found.contrasts if c.group == "replies"}
    assert abs(gap["curated", "again"]) < abs(gap["corrupted", "curated"]) / 3
    counted = {arm.name: (arm.steps, arm.a_step) for arm in found.arms[1:]}
    assert len({json.dumps(one) for one in counted.values()}) == 1  # one budget for all
    assert {sum(arm.tokens.values()) > 0 for arm in found.arms[1:]} == {True}


class Killed(Exception):
    """What ends a training in the middle."""


class StopAt(TrainerCallback):
    """Ends the whole process' work at a step of the n-th training."""

    def __init__(self, training: int, step: int) -> None:
        self.trainings, self.training, self.step = 0, training, step

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.trainings += 1

    def on_step_end(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
        if self.trainings == self.training and state.global_step == self.step:
            raise Killed


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_proof_that_was_stopped_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    arms = world(tmp_path)
    arms.pop("again")
    settings = config(tmp_path, save_every=1)

    def run(out: Path, *callbacks: Any) -> Proof:
        return prove(arms, settings, range(2), test=tmp_path / "test", out=out, steps=4, limit=4, max_new_tokens=4,
                     callbacks=callbacks)  # fmt: skip

    whole = run(tmp_path / "whole")
    with pytest.raises(Killed):
        run(tmp_path / "stopped", StopAt(2, 3))
    first = tmp_path / "stopped" / "arms" / "corrupted" / "seed-0" / "result.json"
    before = first.stat().st_mtime_ns
    assert not (tmp_path / "stopped" / "prove.json").exists()
    again = run(tmp_path / "stopped")
    assert first.stat().st_mtime_ns == before  # what was done was not done again
    assert (tmp_path / "stopped" / "prove.json").read_bytes() == (tmp_path / "whole" / "prove.json").read_bytes()
    assert again.as_dict() == whole.as_dict()
    assert not list((tmp_path / "whole").rglob("*.safetensors"))  # no adapters and checkpoints are left

    rows = (arms["curated"] / "sft.train.jsonl").read_text().splitlines()
    (arms["curated"] / "sft.train.jsonl").write_text("\n".join(rows[:-1]) + "\n")
    run(tmp_path / "stopped")
    assert first.stat().st_mtime_ns == before
    kept, redone = (
        json.loads((tmp_path / folder / "arms" / "curated" / "seed-0" / "result.json").read_text())
        for folder in ("whole", "stopped")
    )
    assert kept["nll"] != redone["nll"]  # other data: that arm is done anew


def test_arms_that_cannot_prove_anything_are_refused(tmp_path: Path) -> None:
    arms = world(tmp_path)
    with pytest.raises(TrainingError, match="nothing to prove"):
        prove({}, config(tmp_path), [0], test=tmp_path / "test", out=tmp_path / "out")
    with pytest.raises(TrainingError, match="nothing to prove"):
        prove(arms, config(tmp_path), [], test=tmp_path / "test", out=tmp_path / "out")
    with pytest.raises(TrainingError, match="no test rows"):
        prove(arms, config(tmp_path), [0], test=arms["curated"], out=tmp_path / "out")
    leaking = arms["curated"] / "sft.train.jsonl"
    leaking.write_text(leaking.read_text() + (tmp_path / "test" / "sft.test.jsonl").read_text())
    with pytest.raises(TrainingError, match="trained on 10 of the test rows"):
        prove(arms, config(tmp_path), [0], test=tmp_path / "test", out=tmp_path / "out")


def test_rows_are_drawn_in_whole_rounds() -> None:
    rows = list("abcde")
    found = drawn(rows, 13, seed=1)
    assert len(found) == 13
    assert sorted(found[:5]) == sorted(found[5:10]) == rows
    assert len(set(found[10:])) == 3
    assert found == drawn(rows, 13, seed=1)
    assert found != drawn(rows, 13, seed=2)
    assert len(set(drawn(rows, 3, seed=1))) == 3


def test_pairs_take_their_steps_from_the_budget() -> None:
    settings = TrainConfig()
    for steps, pairs in ((40, 0), (40, 5), (40, 10_000), (3, 5), (1, 5)):
        found = budgeted(settings, steps, pairs)
        assert found.sft.max_steps + found.dpo.max_steps == steps
        assert found.dpo.enabled == (found.dpo.max_steps > 0) == (pairs > 0 and steps > 1)
        assert found.sft.patience == found.dpo.patience == 0
    assert budgeted(settings, 40, 10_000).dpo.max_steps == 10
    assert budgeted(settings, 40, 5).dpo.max_steps == 1


def test_a_damaged_or_foreign_result_is_no_result(tmp_path: Path) -> None:
    wanted = {"data": "x"}
    assert prove_arm.read(tmp_path, wanted) is None
    for content in ("{", "[]", "{}", '{"begun": {"data": "y"}}', '{"begun": {"data": "x"}, "nll": ["a"]}'):
        (tmp_path / "result.json").write_text(content)
        assert prove_arm.read(tmp_path, wanted) is None


def made(effect: float, seeds: int, spread: float = 0.02) -> Contrast:
    random = np.random.default_rng(4)
    rows = random.normal(2, 0.3, 40)
    old = [mean(rows + random.normal(0, spread)) for _ in range(seeds)]
    new = [mean(rows + effect + random.normal(0, spread)) for _ in range(seeds)]
    return contrast("loss per token", "replies", ("raw", old), ("curated", new), lower_is_better=True)


def proof(out: Path, *contrasts: Contrast) -> Proof:
    loss = Interval(2.0, 1.9, 2.1, 40)
    arms = (
        Arm("base", 0, 0, 0.0, {}, {}, 0, loss),
        Arm("raw", 100, 0, 3.2, {"sft": 20}, {"sft": 9000}, 16, loss),
        Arm("curated", 80, 0, 4.0, {"sft": 20}, {"sft": 9100}, 16, loss),
    )
    return Proof(out, "tiny", (0, 1, 2), 40, 20, arms, contrasts, {"gold": "<b>none</b>"}, ("A note.",))


@pytest.mark.parametrize(
    ("effect", "verdict", "told"),
    [(-0.5, "helped", "Curated helped, against raw"), (0.5, "hurt", "Curated hurt, against raw"),
     (-0.005, "unclear", "Whether curated helped, against raw, is unclear")],
)  # fmt: skip
def test_verdicts_in_words(tmp_path: Path, effect: float, verdict: str, told: str) -> None:
    one = made(effect, 3)
    found = proof(tmp_path, one)
    assert one.verdict == verdict
    assert headline(found) == told
    assert leading(found) is one
    assert sentence(one) in sentences(found)
    assert ("in 4 of 5 tries" in sentence(one) or "could not be told" in sentence(one)) == (verdict == "unclear")


def test_what_is_needed_is_said(tmp_path: Path) -> None:
    by = Interval(-0.1, -0.3, 0.1, 40)
    few = Contrast("loss per token", "replies", "raw", "curated", by, (-0.2, 0.0, -0.1), "unclear", Needed(9, 40))
    assert sentence(few).endswith("To tell a difference of this size in 4 of 5 tries takes about 9 seeds.")
    more = Contrast("loss per token", "replies", "raw", "curated", by, (-0.2, 0.0, -0.1), "unclear", Needed(9, 120))
    assert "9 seeds and 120 test rows" in sentence(more)
    same = made(0.0, 3, 0.0)
    assert sentence(same).endswith("Both do exactly the same.")
    assert "4 of 5" not in sentence(made(0.0, 1))


def test_notes_say_what_has_to_be_known() -> None:
    loss = Interval(2.0, None, None, 9)
    gold = Arm("gold", 12, 0, 66.7, {"sft": 50}, {"sft": 1000}, 16, loss)
    raw = Arm("raw", 400, 0, 2.0, {"sft": 50}, {"sft": 1300}, 16, loss)
    notes = " ".join(_notes([gold, raw], [0], 9))
    for wanted in ("one seed", "only 9 test rows", "gold 1,000, raw 1,300", "12 rows of gold were each seen 67 times"):
        assert wanted in notes
    assert _notes([raw], [0, 1], 100) == []


def test_the_page_holds_what_the_file_holds(tmp_path: Path) -> None:
    found = proof(tmp_path, made(-0.5, 3), made(0.005, 3))
    write(found)
    data = json.loads((tmp_path / "prove.json").read_text())
    assert data == json.loads(json.dumps(found.as_dict()))
    page = (tmp_path / "prove.html").read_text()
    assert "&lt;b&gt;none&lt;/b&gt;" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert str(tmp_path) not in page


@pytest.mark.skipif(not shutil.which("chromium"), reason="no Chromium here")
def test_in_a_browser_it_is_accessible(tmp_path: Path) -> None:
    sync = pytest.importorskip("playwright.sync_api")
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    write(proof(tmp_path, made(-0.5, 3), made(0.5, 3), made(0.005, 3)))
    with sync.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for width, scheme in ((1280, "light"), (390, "dark")):
            tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            told: list[str] = []
            tab.on("console", lambda message, told=told: told.append(message.text))
            tab.goto((tmp_path / "prove.html").as_uri())
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
            problems = axe.Axe().run(tab).response["violations"]
            assert not problems, [(p["id"], [n["html"] for n in p["nodes"]][:3]) for p in problems]
            assert not told
        browser.close()
