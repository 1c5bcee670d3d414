"""The page in a real Chromium, by keyboard alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from datagen import results
from datagen.core.record import Claim, Judged, Lineage, Message, Quote, Sample, Verdict
from datagen.finished import Finished
from datagen.review.store import read
from tests.output import browser as found
from tests.output.made import a_sample
from tests.output.test_report_page import EVIL
from tests.review.support import serving, start, with_samples
from tests.runs import datagen, ledger, rows, write_corpus

sync_api = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.skipif(found.find() is None, reason="no Chromium is installed")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found.find(), args=["--no-sandbox"])
        yield browser
        browser.close()


class Person:
    """Somebody at a keyboard: a browser window of their own, and what they were told of it."""

    def __init__(self, chromium: Any, link: str, name: str = "", **look: Any) -> None:
        self.context = chromium.new_context(**look)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda e: self.complaints.append(str(e)))
        self.page.on("dialog", lambda d: (self.complaints.append(f"dialog {d.message}"), d.dismiss()))
        self.page.on("request", lambda r: self.requests.append(r.url))
        self.page.goto(link)
        if name:
            self.page.wait_for_selector("#name-dialog[open]")
            self.keys(*name, "Enter")
        self.page.wait_for_selector("body[data-ready]")

    def keys(self, *keys: str) -> None:
        """Press keys, one after another."""
        for key in keys:
            self.page.keyboard.press(key)

    @property
    def sample(self) -> str:
        """Id of the sample that is shown."""
        return str(self.page.evaluate("document.getElementById('sample').dataset.id"))

    def settled(self) -> None:
        """Wait until the server has everything."""
        self.page.wait_for_function("async () => (await import('/static/api.js')).unsaved() === 0")

    def on(self, before: str) -> None:
        """Wait until another sample is shown."""
        self.page.wait_for_function("(id) => document.getElementById('sample').dataset.id !== id", arg=before)


def work(person: Person, number: int, expected: dict[str, Any]) -> None:
    """One sample by keyboard: accept, reject, edit, skip or decide and undo, in turn."""
    page, now = person.page, person.sample
    how = number % 5
    if how == 0:
        person.keys("a")
        expected[now] = "accepted"
    elif how == 1:
        person.keys("r")
        expected[now] = "rejected"
    elif how == 2:
        person.keys("e")
        page.wait_for_selector("#talk textarea")
        person.keys("Control+a")
        page.keyboard.type(f"Edited reply {number} 😀")
        person.keys("Control+Enter")
        expected[now] = f"Edited reply {number} 😀"
    elif how == 3:
        person.keys("r")
        person.on(now)
        person.keys("u")
        page.wait_for_function("(id) => document.getElementById('sample').dataset.id === id", arg=now)
        person.keys("s")
    else:
        person.keys("3", "4", "a")
        expected[now] = "accepted"
    person.on(now)


@pytest.mark.slow
def test_fifty_by_keyboard_two_people_and_kill_9(chromium: Any, tmp_path: Path) -> None:
    source, run = write_corpus(tmp_path / "docs", 26), tmp_path / "run"
    datagen("run", "--source", source, "--out", run, "--set", "judge.threshold=3")
    before = {s.id: s for s in Finished(run).made() if isinstance(s, Sample)}
    assert len(before) >= 60
    server = start(run, "--as", "Ana", "--order", "document")
    ana_said: dict[str, Any] = {}
    ben_said: dict[str, Any] = {}
    try:
        ana = Person(chromium, server.link)
        invited = json.loads(
            ana.page.evaluate(
                "fetch('/api/invite', {method: 'POST', headers: {'Content-Type': "
                "'application/json'}, body: '{}'}).then((r) => r.text())"
            )
        )
        ben = Person(chromium, invited["link"], "Ben")
        ben.keys("k")  # before the first there is none
        for number in range(15):
            work(ana, number, ana_said)
            work(ben, number + 2, ben_said)
        ana.settled()
        acknowledged = len(read(run))
        server.kill()
        assert len(read(run)) >= acknowledged
        for _ in range(2):  # decided while the server is away: it is not lost, and the page says so
            now = ana.sample
            ana.keys("a")
            ana_said[now] = "accepted"
            ana.on(now)
        assert "not saved yet" in ana.page.inner_text("#bar")
        server = start(run, "--as", "Ana", "--order", "document", port=server.port)
        other = ana.context.new_page()
        other.goto(server.link)
        other.wait_for_selector("body[data-ready]")
        ana.settled()
        link = other.evaluate(
            "fetch('/api/invite', {method: 'POST', headers: {'Content-Type': 'application/json'}, "
            "body: '{}'}).then((r) => r.json())"
        )["link"]
        back = ben.context.new_page()
        back.goto(link)
        back.wait_for_selector("#name-dialog[open]")
        for number in range(17, 27):
            work(ana, number, ana_said)
            work(ben, number + 2, ben_said)
        ana.settled()
        ben.settled()
    finally:
        server.kill()
    _export_equals(run, before, ana_said, ben_said)


def _export_equals(run: Path, before: dict[str, Sample], ana: dict[str, Any], ben: dict[str, Any]) -> None:
    assert len(ana) + len(ben) >= 40
    results.report(run)
    ledger(run)
    files = [run / "export" / f"sft.{split}.jsonl" for split in ("train", "valid", "test")]
    exported = {row["id"]: row["messages"][-1]["content"] for file in files for row in rows(file)}
    for name, sample in before.items():
        said = [d[name] for d in (ana, ben) if name in d]
        keeps = sum(one != "rejected" for one in said)
        kept = 2 * keeps > len(said) if said else sample.verdict is None
        assert (name in exported) == kept, (name, said)
        edits = [one for one in said if one not in ("accepted", "rejected")]
        if kept:
            assert exported[name] in (edits or [sample.messages[-1].content])


def evil_samples() -> list[Sample]:
    """Samples that are hostile in every text."""
    out = []
    for i, evil in enumerate(EVIL):
        text = evil.replace("\ud800", "")
        lineage = Lineage(path=text, sha256="0", chunk="c", start=0, end=len(text), heading=(text,), model=text,
                          quotes=(Quote(text=text, start=0, end=len(text)),))  # fmt: skip
        judged = Judged(model=text, mode=text, scores={text: 2.0}, score=2, justification=text, reasons={text: text})
        messages = (Message(role="user", content=text), Message(role="assistant", content=text))
        out.append(
            a_sample(
                messages=messages,
                id=f"evil-{i}",
                source=text,
                recipe=text,
                lineage=lineage,
                scores={text: 2.0},
                score=2.0,
                scored_by=text,
                justification=text,
                judgements=(judged, judged),
                spread=1.0,
                claims=(Claim(text=text, supported=True, quote=text, start=0),),
                rubric=text,
                verdict=Verdict(stage=text, reason=text, evidence=text),
            )
        )
    return out


def test_texts_that_look_like_markup_run_nothing(chromium: Any, made_run: Path, tmp_path: Path) -> None:
    run = with_samples(made_run, tmp_path / "<img src=x onerror=window.pwned=1>", evil_samples())
    with serving(run, "--as", "Ana", "--order", "document") as server:
        ana = Person(chromium, server.link)
        for _ in EVIL:
            ana.keys("e")
            ana.page.wait_for_selector("#talk textarea")
            ana.keys("Escape", "1", "j")
        ana.keys("p")
        ana.page.wait_for_timeout(3500)
        assert ana.page.evaluate("window.pwned === undefined")
        assert (
            ana.page.evaluate("document.querySelectorAll('main img, main script, main iframe, main svg').length") == 0
        )
        assert {r.split("/")[2] for r in ana.requests} == {f"127.0.0.1:{server.port}"}
        assert ana.complaints == []


def test_quotes_are_marked_by_code_points(chromium: Any, made_run: Path, tmp_path: Path) -> None:
    source = "😀😀 Wir sagen: 𝔘𝔫𝔦 ist schön. 👩‍👩‍👧 Ende."
    quote = "𝔘𝔫𝔦 ist schön"
    start_at = source.index(quote)
    lineage = Lineage(path="d.md", sha256="0", chunk="c", start=100, end=100 + len(source), model="m",
                      quotes=(Quote(text=quote, start=100 + start_at, end=100 + start_at + len(quote)),))  # fmt: skip
    run = with_samples(made_run, tmp_path / "run", [a_sample(source=source, lineage=lineage)])
    with serving(run, "--as", "Ana") as server:
        ana = Person(chromium, server.link)
        assert ana.page.inner_text("#source mark") == quote
        assert ana.page.inner_text("#source") == source


def test_search_filters_bulk_and_help_by_keyboard(chromium: Any, run: Path) -> None:
    with serving(run, "--as", "Ana") as server:
        ana = Person(chromium, server.link)
        total = ana.page.inner_text("#position").split()[-1]
        word = ana.page.inner_text("#talk .turn.assistant .text").split()[-1].strip(".")
        ana.keys("/")
        ana.page.keyboard.type(f"{word} zzzzzz")
        ana.page.wait_for_function("() => document.getElementById('position').textContent === '0'")
        ana.keys("Control+a")
        ana.page.keyboard.type(word)
        ana.page.wait_for_function("() => document.getElementById('position').textContent.startsWith('1 of')")
        hits = int(ana.page.inner_text("#position").split()[-1])
        assert 0 < hits < int(total)
        ana.keys("Enter", "b")
        ana.page.wait_for_selector("#bulk-dialog[open]")
        assert f"{hits} samples" in ana.page.inner_text("#bulk-text")
        ana.keys("Shift+Tab", "Shift+Tab", "Enter")  # from Cancel back to Reject
        ana.page.wait_for_function("() => document.getElementById('bar').textContent.includes('rejected')")
        assert sum(line.state.decision == "rejected" for line in read(run)) == hits
        ana.keys("u")
        ana.page.wait_for_function("() => document.getElementById('bar').textContent.includes('undone') || "
                                   f"{hits} === 1")  # fmt: skip
        ana.settled()
        ana.keys("?")
        ana.page.wait_for_selector("#help-dialog[open]")
        ana.keys("a", "Escape")  # no decision is made behind a dialog
        ana.settled()
        assert len(read(run)) == 2 * hits


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_fault_of_accessibility(chromium: Any, made_run: Path, tmp_path: Path, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    scores = {"clarity": 4.0}
    judged = Judged(model="m1", mode="integer", scores=scores, score=4, justification="fine", reasons={"clarity": "x"})
    claims = (Claim(text="It keeps", supported=False), Claim(text="a", supported=True, quote="It", start=0))
    sample = a_sample(
        scores=scores, score=4.0, judgements=(judged, judged), justification="good", claims=claims, spread=0.0
    )
    run = with_samples(made_run, tmp_path / "run", [sample, a_sample("Why?", "So.")])
    with serving(run, "--as", "Ana", "--order", "document") as server:
        ana = Person(chromium, server.link, color_scheme=scheme, bypass_csp=True)
        for keys in ((), ("f",), ("Escape", "e"), ("Escape", "p"), ("Escape", "?"), ("Escape", "b")):
            ana.keys(*keys)
            ana.page.wait_for_timeout(250)
            ran = axe.Axe().run(ana.page)
            bad = [v for v in ran.response["violations"] if v["impact"] in ("serious", "critical")]
            assert bad == [], (keys, [(v["id"], [n["html"][:120] for n in v["nodes"]]) for v in bad])
