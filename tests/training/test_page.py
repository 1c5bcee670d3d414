"""training.html: its words, its curves at any length, and what a browser makes of it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.output import browser
from tests.training.shapes import dpo, falling, sft, straight
from training import page
from training.curves import Curve, collect
from training.errors import StoppedTraining
from training.page_chart import BUCKETS, chart, number, thin, ticks

EVIL = "</pre></style><script>alert(1)</script><img src=x onerror=alert(2)> \x00\ud800 \u202e{{ 7*7 }}"


def record(**more: Any) -> dict[str, Any]:
    """training.json of a finished run."""
    proof = {"name": "first_loss", "holds": True, "value": 0.6931, "said": "First loss is 0.6931, the logarithm of 2."}
    return {
        "state": "done",
        "config": {"base": "Qwen/Qwen2.5-0.5B-Instruct", "method": "qlora", "sft": {"learning_rate": 1e-4}, "x": []},
        "versions": {"torch": "2.13.0", "trl": "1.16.0"},
        "git": "abc123",
        "seed": 0,
        "data": {"sft.train.jsonl": {"sha256": "ab" * 32, "rows": 417}},
        "plan": None,
        "stages": {
            "sft": {
                "steps": 200, "first_loss": 2.4, "last_loss": 0.9, "eval_loss": 1.05, "seconds": 754.0,
                "tokens": 120_000, "peak_bytes": 6_400_000_000, "estimate_bytes": 6_720_000_000, "rows": 417,
                "adapter_sha256": "cd" * 32, "trained_tokens_shown": "A pump moves water.<|im_end|>",
                "dropped": [{"id": "7", "place": "sft.train.jsonl:7", "reason": "longer than the context"}],
            },
            "dpo": {"steps": 200, "first_loss": 0.693, "last_loss": 0.35, "seconds": 400.0, "proofs": [proof]},
        },
        "merge": {"said": "Merged: no logit is further than 3.0e-07 from the trained model.", "generated": "Water."},
        **more,
    }  # fmt: skip


def write(folder: Path, metrics: list[dict[str, Any]], noted: Any) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in metrics), encoding="utf-8")
    (folder / "training.json").write_text(json.dumps(noted), encoding="utf-8")
    return page.write(folder).read_text(encoding="utf-8")


class _Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        self.found.append(data)


def texts(html: str) -> str:
    reader = _Texts()
    reader.feed(html)
    return " ".join(" ".join(reader.found).split())


def test_the_words_come_first_then_the_curves(tmp_path: Path) -> None:
    html = write(tmp_path, sft() + dpo(), record())
    shown = texts(html)
    assert "It went well." in shown
    assert shown.index("Loss falls from") < shown.index("the curves")
    for part in ("Margin rises from", "First loss is 0.6931", "A pump moves water.<|im_end|>", "6.40 GB", "(+5 %)"):
        assert part in shown
    assert "sft.train.jsonl:7 : longer than the context" in shown
    assert "no logit is further than" in shown
    for title in ("Loss", "Reward margin", "Accuracy", "Log-probability of the replies", "Learning rate", "Memory"):
        assert f"<strong>{title}</strong>" in html
    assert "toy" not in shown.lower()


def test_a_collapse_stands_in_the_headline_and_first_in_the_list(tmp_path: Path) -> None:
    bad = dpo(chosen_logps=straight(-80, -240), rejected_logps=straight(-85, -400), chosen_reward=straight(0, -16))
    shown = texts(write(tmp_path, sft() + bad, record()))
    assert "It did not go well." in shown
    assert "Lower beta or learning rate" in shown


def test_it_is_written_for_half_a_run_a_stopped_one_and_none(tmp_path: Path) -> None:
    assert "Nothing has been trained yet" in texts(page.write(tmp_path).read_text())
    shown = texts(write(tmp_path, sft()[:90], record(state="sft", stages={})))
    assert "Not at its end yet. So far: It went well." in shown
    assert "It stopped before its end" in texts(write(tmp_path, sft()[:90], record(state="stopped", merge=None)))


def test_the_tiny_model_is_called_a_toy(tmp_path: Path) -> None:
    assert "A toy:" in texts(write(tmp_path, sft(), record(config={"base": "tiny"})))


def test_one_page_and_nothing_from_outside(tmp_path: Path) -> None:
    html = write(tmp_path, sft() + dpo(), record())
    assert "http" not in html.replace("http-equiv", "")
    assert "default-src &#39;none&#39;" in html
    assert len(re.findall(r"<script", html)) == 1


def test_nothing_of_the_files_becomes_markup(tmp_path: Path) -> None:
    evil = sft(steps=30)
    evil[3]["loss<script>"] = 1.0
    noted = record(
        config={"base": EVIL, EVIL: {EVIL: EVIL}}, git=EVIL, versions={EVIL: EVIL}, data={EVIL: {"sha256": EVIL}}
    )
    noted["stages"]["sft"].update(trained_tokens_shown=EVIL, dropped=[{"place": EVIL, "reason": EVIL}], rows="x")
    noted["stages"]["dpo"].update(proofs=[{"said": EVIL}, EVIL])
    noted["merge"] = {"said": EVIL, "generated": EVIL}
    html = write(tmp_path, evil, noted)
    assert "<script>alert" not in html
    assert "<img" not in html
    assert "\x00" not in html


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NOTED = st.dictionaries(st.sampled_from(sorted(record())), JSON, max_size=9)
STAGE = st.dictionaries(st.sampled_from([*sorted(record()["stages"]["sft"]), "proofs"]), JSON, max_size=9)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(NOTED, STAGE, st.lists(JSON, max_size=4))
def test_whatever_stands_in_the_files_a_page_comes_of_it(tmp_path: Path, noted: Any, stage: Any, metrics: Any) -> None:
    (tmp_path / "training.json").write_text(json.dumps({**noted, "stages": {"sft": stage, "dpo": stage}}))
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in metrics))
    assert page.write(tmp_path).read_text(encoding="utf-8").rstrip().endswith("</html>")


def test_a_hundred_thousand_points_make_a_small_page_that_keeps_every_spike(tmp_path: Path) -> None:
    metrics: list[dict[str, Any]] = [
        {"stage": "sft", "step": step, "loss": 1 + (step * 7919 % 101) / 500} for step in range(100_000)
    ]
    metrics[54_321]["loss"] = 37.0
    metrics[77_777]["loss"] = 0.001
    html = write(tmp_path, metrics, record())
    assert len(html) < 300_000
    curve = collect(metrics)["sft"]["loss"]
    assert len(curve) == 100_000
    few = thin(curve)
    assert len(few.steps) == BUCKETS
    assert max(few.most) == 37.0
    assert min(few.least) == 0.001
    assert all(a <= b <= c for a, b, c in zip(few.least, few.middle, few.most, strict=True))
    assert "100,000 values" in html


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_ticks_are_round_and_inside(low: float, span: float) -> None:
    high = low + span
    if not high > low:
        return
    found = ticks(low, high)
    assert len(found) <= 12
    assert all(low - span * 1e-6 <= v <= high + span * 1e-6 for v in found)
    assert all(number(v) for v in found)


@given(st.lists(st.floats(-1e14, 1e14), min_size=1, max_size=600))
def test_every_point_lies_inside_the_drawing(values: list[float]) -> None:
    curve = collect([{"stage": "sft", "step": i, "loss": v} for i, v in enumerate(values)])["sft"]["loss"]
    made = chart("Loss", "", [("training", curve)], zero=len(values) % 2 == 0)
    assert made is not None
    for line in made.lines:
        for point in f"{line.points} {line.band}".split():
            x, y = (float(v) for v in point.split(","))
            assert -0.5 <= x <= made.width + 0.5
            assert -0.5 <= y <= made.height + 0.5
    assert math.isfinite(len(made.told))


def test_no_curve_no_chart() -> None:
    assert chart("Loss", "", [("training", Curve(collect([]).get("x", []), []))]) is None  # type: ignore[arg-type]


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoppedTraining, match="could not be written"):
        page.write(tmp_path / "missing")


# In a browser

playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: it is in the extra dev")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe-core: it is in the extra dev")
needs_browser = pytest.mark.skipif(browser.find() is None, reason="no Chromium: apt-get install chromium")
VIEWS = {"light": (1280, "light"), "dark": (1280, "dark"), "narrow": (390, "light")}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=browser.find(), args=["--no-sandbox"])
        yield launched
        launched.close()


@needs_browser
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_and_nothing_hostile_runs(chromium: Any, tmp_path: Path, view: str) -> None:
    noted = record(config={"base": EVIL, "method": "qlora"})
    noted["stages"]["sft"]["trained_tokens_shown"] = EVIL + "x" * 3000
    bad = dpo(chosen_logps=straight(-80, -240), rejected_logps=straight(-85, -400), chosen_reward=straight(0, -16))
    write(tmp_path, sft(steps=900, loss=falling(2.4, 0.9)) + bad, noted)
    width, scheme = VIEWS[view]
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    shown = context.new_page()
    complaints: list[str] = []
    requests: list[str] = []
    shown.on("request", lambda r: requests.append(r.url))
    shown.on("console", lambda m: complaints.append(m.text))
    shown.on("pageerror", lambda e: complaints.append(str(e)))
    shown.on("dialog", lambda d: (complaints.append(d.message), d.dismiss()))
    uri = (tmp_path / "training.html").resolve().as_uri()
    shown.goto(uri)
    shown.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert complaints == []
    assert requests == [uri]
    assert shown.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    found = axe.Axe().run(shown).response["violations"]
    assert [(v["id"], [n["html"][:120] for n in v["nodes"][:3]]) for v in found] == []
    shown.click("#theme")
    assert shown.evaluate("document.documentElement.dataset.theme") == ("light" if scheme == "dark" else "dark")
    context.close()
