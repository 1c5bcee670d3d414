"""report.html in Chromium as a reader uses it: nothing hostile runs, nothing is asked for, everything can be
reached by keyboard and read aloud, and row 417 is found."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from datagen.core.record import Audit, Chunk, Claim, Document, Failure, Judged, Lineage, Message, Quote, Sample, Verdict
from datagen.core.reviewed import ReviewedSample
from datagen.output.export import write_exports
from datagen.output.report import write_report
from datagen.output.report_data import ReportBuilder
from datagen.review.rule import apply, settle
from datagen.review.store import Decision, Edit, Line, State
from tests.output import browser, made
from tests.output.made import a_sample
from tests.output.payloads import payloads

playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: it is in the extra dev")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe-core: it is in the extra dev")
pytestmark = pytest.mark.skipif(browser.find() is None, reason="no Chromium: apt-get install chromium")

LINES, EACH = 5_000, 4  # lines, and how many of them are in a sample
PATIENCE_S = 60.0
VIEWS = {"light": (1280, "light"), "dark": (1280, "dark"), "narrow": (390, "light")}
READY = "document.documentElement.dataset.ready === 'true'"


@dataclass
class Watched:
    """A page and what it did that it should not."""

    page: Any
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open(self, path: Path, fragment: str = "") -> None:
        """Show a report and wait until its samples can be looked through."""
        self.page.goto(path.resolve().as_uri() + fragment)
        self.until(READY)

    def until(self, expression: str) -> None:
        """Wait until an expression is true; playwright's own waiting needs eval, which the page forbids."""
        end = time.monotonic() + PATIENCE_S
        while not self.page.evaluate(expression):
            assert time.monotonic() < end, f"never true: {expression}"
            self.page.wait_for_timeout(20)

    def found(self, text: str) -> None:
        """Wait until the line above the list says ``text``."""
        self.until(f"document.getElementById('found').textContent.includes({json.dumps(text)})")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=browser.find(), args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(params=["light"])
def watched(chromium: Any, request: pytest.FixtureRequest) -> Iterator[Watched]:
    width, scheme = VIEWS[request.param]
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    one = Watched(context.new_page())
    one.page.set_default_timeout(60_000)
    one.page.on("request", lambda r: one.requests.append(r.url))
    one.page.on("console", lambda m: one.complaints.append(f"{m.type}: {m.text}"))
    one.page.on("pageerror", lambda e: one.complaints.append(f"error: {e}"))

    def dialog(d: Any) -> None:
        one.complaints.append(f"dialog: {d.message}")
        d.dismiss()

    one.page.on("dialog", dialog)
    yield one
    context.close()


def judged_run() -> tuple[list[Sample], dict[str, Any]]:
    """A run with all that a report can show: a panel, claims, copies, pairs, findings, health of the judge."""
    builder = ReportBuilder()
    samples: list[Sample] = []
    for record in made.run(900, model=True):
        if isinstance(record, tuple):
            builder.skipped(*record)
        elif isinstance(record, Document):
            odd = Audit(stage="pii", kind="EMAIL_ADDRESS", action="redact", count=2, example="j•••@e•••.com")
            builder.document(record.model_copy(update={"audits": (odd,)}))
        elif isinstance(record, Chunk):
            builder.chunk(record)
        elif isinstance(record, Failure):
            builder.failure(record)
        elif isinstance(record, Sample):
            samples.append(_read_by_people(_rich(record, samples), len(samples)))
            builder.sample(samples[-1])
    health = {
        "sentences": [
            {"severity": "warn", "text": "Generator and judge are of one family."},
            {"severity": "ok", "text": "Scores do not grow with length."},
        ],
        "figures": {"spearman_with_length": 0.04, "agreement_under_swap": 0.93, "kappa": {"clarity": 0.71}},
    }
    missing = ["Personal data: names are found by lists, not by a model."]
    return samples, builder.finish({**made.facts(True), "judge_health": health, "steps_missing": missing})


def _rich(sample: Sample, before: list[Sample]) -> Sample:
    update: dict[str, Any] = {}
    if sample.verdict is not None and sample.verdict.reason == "near_duplicate" and before:
        told = f"near-copy of {before[len(before) // 9].id} (similarity 0.86, minhash)"
        update["verdict"] = sample.verdict.model_copy(update={"evidence": told})
    if sample.score is not None:
        two = tuple(
            Judged(model=m, mode="expected", scores=dict(sample.scores), score=sample.score, justification="Right.")
            for m in ("judge-a", "judge-b")
        )
        quote = sample.lineage.quotes[0].text
        claims = (Claim(text="It is so.", supported=True, quote=quote, start=3), Claim(text="Ever.", supported=False))
        update |= {"judgements": two, "spread": 0.5, "claims": claims, "faithfulness": 0.5, "rubric": "grounded@1a2b"}
    if sample.rejected is not None:
        flawed = sample.rejected.model_copy(update={"score": 2.5, "way": "planted"})
        update |= {"parent": "p", "rejected": flawed}
    return sample.model_copy(update=update)


def _read_by_people(sample: Sample, number: int) -> Sample:
    """Every ninth sample as somebody left it."""
    if number % 9:
        return sample
    what: Decision = ("accepted", "rejected", "edited")[number // 9 % 3]  # type: ignore[assignment]
    return reviewed(sample, what, "Ana", "It says too little.", "A better reply.")


def reviewed(sample: Sample, what: Decision, who: str, note: str, new: str) -> ReviewedSample:
    """A sample about which two people, one of them called ``who``, said ``what``."""
    edit = Edit((*(m.content for m in sample.messages[:-1]), new), new if sample.rejected else None)
    states = (State(what, (), edit if what == "edited" else None, note), State("accepted"))
    both = zip((who, "Ben"), states, strict=True)
    settled = settle([Line(i, "", name, sample.id, state, "act") for i, (name, state) in enumerate(both)])
    assert settled is not None
    return apply(sample, settled)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Sample]]:
    folder = tmp_path_factory.mktemp("report")
    samples, data = judged_run()
    write_exports(iter(samples), {"messages": folder / "export"})
    write_report(data, folder, {"export": folder / "export"})
    return folder / "report.html", samples


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report in which every text, name, heading and evidence is one of 5,000 lines that run a script as markup."""
    folder, lines, builder = tmp_path_factory.mktemp("hostile"), payloads(LINES), ReportBuilder()
    for i in range(LINES // EACH):
        evil, question, answer, heading = lines[EACH * i : EACH * i + EACH]
        path = evil if i % 20 == 0 else f"{i % 40}.md"
        if i % 20 == 0:
            builder.skipped(evil, f"{question}: {answer}")
            odd = Audit(stage="pii" if i % 40 else evil[:30], kind=heading, action="redact", count=1, example=answer)
            builder.document(Document(path=path, sha256="0", kind="markdown", text=evil, audits=(odd,)))
            builder.failure(
                Failure(call=evil, recipe="qa", chunk=evil, samples=1, reason=evil[:40], attempts=1, raw=answer)
            )
        verdict = (None, Verdict(stage="rules", reason=f"r{i % 9}", evidence=answer))[i % 2]
        if i % 50 == 1:
            told = f"near-copy of {i // 100 * 2:05} (similarity 0.9, minhash)"
            verdict = Verdict(stage="dedupe", reason="near_duplicate", evidence=told)
        known = {"sha256": "0", "heading": (heading,), "start": 0, "end": len(evil)}
        builder.chunk(Chunk(id=f"c{i}", path=path, text=evil, tokens=3, verdict=verdict, **known))
        lineage = Lineage(
            path=path, chunk=f"c{i}", quotes=(Quote(text=evil[1:], start=1, end=len(evil)),), prompt=question,
            prompt_sha256=answer, model=heading, params={evil: answer}, call=evil, earlier=(answer,),
            related=((heading, evil, 0, 3),), **known,
        )  # fmt: skip
        judged = Judged(
            model=heading, mode=question, scores={evil: 3.0}, score=3.0, justification=answer, reasons={evil: question}
        )
        turns = {"system": evil, "user": question, "assistant": answer}
        sample = a_sample(
            messages=tuple(Message(role=role, content=text) for role, text in turns.items()),
            lineage=lineage, source=evil, scores={f"c{i % 5}": 3.0}, score=3.0 if verdict is None else None,
            scored_by=f"judge:{evil}" if i % 500 == 0 else "judge:m", justification=heading, judgements=(judged,),
            claims=(Claim(text=evil, supported=False, quote=question),), faithfulness=0.0, verdict=verdict,
            attributes={evil[:20]: heading}, family=answer, rubric=evil if i % 500 == 0 else "",
        ).model_copy(update={"id": f"{i:05}"})  # fmt: skip
        what: Decision = ("accepted", "rejected", "edited")[i % 3]  # type: ignore[assignment]
        builder.sample(reviewed(sample, what, question[:60], evil, answer) if i % 4 == 0 else sample)
    sentences = [{"severity": evil, "text": evil} for evil in lines[:40]]
    health = {"sentences": sentences, "figures": {evil: evil for evil in lines[:200]}}
    write_report(builder.finish({**made.facts(True), "judge_health": health}), folder)
    return folder / "report.html"


def test_the_payloads_do_run_where_they_are_read_as_markup(watched: Watched, tmp_path: Path) -> None:
    ran = 0
    for i, evil in enumerate(payloads(12)):
        page = tmp_path / f"{i}.html"
        page.write_text(evil, encoding="utf-8", errors="replace")
        watched.page.goto(page.as_uri())
        watched.page.wait_for_timeout(100)
        ran += bool(watched.page.evaluate("window.__xss !== undefined"))
    assert ran >= 6, "else the next test proves nothing"


@pytest.mark.slow
def test_no_line_of_thousands_runs(watched: Watched, hostile: Path) -> None:
    watched.open(hostile)
    page = watched.page
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    seen = page.evaluate(
        """async () => {
            const by = (id) => document.getElementById(id);
            // They were seen open; laying them out again for each page of samples takes minutes.
            document.querySelectorAll('section:not(#samples)').forEach(s => { s.hidden = true; });
            for (let seen = 0; ;) {
                document.querySelectorAll('#list details').forEach(d => { d.open = true; });
                document.querySelectorAll('#list [tabindex], #list a').forEach(e => e.focus());
                seen += document.querySelectorAll('#list article').length;
                if (by('after').disabled) return seen;
                const where = by('where').textContent;
                by('after').click();
                while (by('where').textContent === where) await new Promise(done => setTimeout(done, 1));
            }
        }"""
    )
    assert seen == LINES // EACH
    assert page.evaluate("window.__xss") is None
    assert (
        page.evaluate("document.querySelectorAll('main img, main iframe, main script, base, object, form form').length")
        == 0
    )
    assert page.evaluate("[...document.querySelectorAll('main a')].every(a => a.getAttribute('href').startsWith('#'))")
    assert watched.requests == [hostile.as_uri()]
    assert watched.complaints == []


@pytest.mark.slow
@pytest.mark.parametrize("watched", list(VIEWS), indirect=True)
def test_axe_finds_nothing_serious(watched: Watched, report: tuple[Path, list[Sample]]) -> None:
    watched.open(report[0])
    page = watched.page
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    found = axe.Axe().run(page).response["violations"]
    bad = [
        (v["id"], v["impact"], [n["html"][:150] for n in v["nodes"][:3]])
        for v in found
        if v["impact"] in ("serious", "critical")
    ]
    assert bad == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert watched.complaints == []
    assert watched.requests == [report[0].as_uri()]


def test_headings_tables_and_plots_can_be_read_aloud(watched: Watched, report: tuple[Path, list[Sample]]) -> None:
    watched.open(report[0])
    page = watched.page
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(h => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert page.evaluate(
        "[...document.querySelectorAll('table')].every(t => t.caption && t.caption.textContent.trim())"
    )
    told = page.evaluate("[...document.querySelectorAll('svg[role=img]')].map(s => s.getAttribute('aria-label'))")
    assert len(told) > 8
    assert all(len(label.partition(": ")[2]) > 3 for label in told), "figures, not just a name"


def test_row_417_of_an_export_is_found_with_its_source(watched: Watched, report: tuple[Path, list[Sample]]) -> None:
    path, samples = report
    row = json.loads((path.parent / "export/sft.train.jsonl").read_text().splitlines()[416])
    (sample,) = [s for s in samples if s.id == row["id"]]
    watched.open(path)
    page = watched.page
    page.select_option("[name=file]", "export/sft.train.jsonl")
    page.fill("[name=row]", "417")
    watched.found("Row 417 of export/sft.train.jsonl")
    watched.until("document.querySelectorAll('#list article').length === 1")
    assert sample.id in page.inner_text("#list h3")
    assert "row 417 of export/sft.train.jsonl" in page.inner_text("#list h3")
    assert page.inner_text("#list .answer") == sample.messages[-1].content
    assert page.inner_text("#list mark") == sample.lineage.quotes[0].text
    page.click("#list summary:has-text('Where it comes from')")
    lineage = page.inner_text("#list details[open]")
    for told in (sample.lineage.sha256, sample.lineage.chunk, sample.lineage.call, sample.lineage.prompt_sha256):
        assert told in lineage
    assert page.locator("#list summary:has-text('1 of 2 claims supported')").count() == 1
    assert page.locator("#list summary:has-text('2 judgements')").count() == 1
    page.fill("[name=row]", "999999")
    watched.found("has no row 999,999")
    assert page.locator("#list article").count() == 0
    watched.open(path, "#row=export/sft.train.jsonl:417")
    watched.found("Row 417")
    page.fill("[name=row]", "")
    page.fill("[name=text]", sample.id[:12])
    watched.found(f"1 of {len(samples)} match")


def test_everything_can_be_reached_by_keyboard_and_focus_is_seen(
    watched: Watched, report: tuple[Path, list[Sample]]
) -> None:
    watched.open(report[0])
    page = watched.page
    reached, unseen = [], []
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for _ in range(200):
        page.keyboard.press("Tab")
        name, seen = page.evaluate(
            """() => { const e = document.activeElement, s = getComputedStyle(e);
                       const seen = s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0;
                       return [e.name || e.id || e.tagName, seen]; }"""
        )
        reached.append(name)
        if not seen:
            unseen.append(name)
        if name == "after":
            break
    assert {"theme", "SUMMARY", "text", "outcome", "recipe", "split", "path", "order", "row", "file", "after"} <= set(
        reached
    )
    assert unseen == []
    page.keyboard.press("Enter")
    watched.until("document.getElementById('where').textContent.startsWith('11')")
    assert page.evaluate("document.activeElement.id") == "list", "reading goes on at the list"


def test_groups_of_copies_unfold_to_what_was_kept(watched: Watched, report: tuple[Path, list[Sample]]) -> None:
    watched.open(report[0])
    group = watched.page.locator("#duplicates details").first
    group.locator("summary").click()
    text = group.inner_text()
    assert "Kept here" in text
    assert "similarity 0.86 by minhash" in text


def test_a_browser_that_cannot_unpack_says_so(watched: Watched, report: tuple[Path, list[Sample]]) -> None:
    watched.page.add_init_script("delete window.DecompressionStream")
    watched.page.goto(report[0].as_uri())
    assert watched.page.locator("#cannot").is_visible()
    assert watched.page.locator("#filters").is_hidden()
    assert watched.complaints == []


def test_texts_that_are_not_in_the_page_are_named(
    watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples, data = judged_run()
    monkeypatch.setattr(data["page"]["samples"], "pack", _small(data["page"]["samples"].pack))
    write_exports(iter(samples), {"messages": tmp_path / "export"})
    write_report(data, tmp_path, {"export": tmp_path / "export"})
    watched.open(tmp_path / "report.html")
    page = watched.page
    assert "a fair share" in page.inner_text("#samples > p.soft")
    page.fill("[name=text]", "rate limiter")
    watched.found("were not searched")
    page.fill("[name=text]", "")
    watched.until("document.getElementById('list').textContent.includes('not in this page')")
    assert "Its text is not in this page" in page.inner_text("#list")


def _small(pack: Any) -> Any:
    return lambda rows: pack(rows, 40_000)


def test_it_can_be_printed(watched: Watched, report: tuple[Path, list[Sample]]) -> None:
    watched.open(report[0])
    watched.page.emulate_media(media="print")
    assert watched.page.locator(".toc").is_hidden()
    assert watched.page.locator("#filters").is_hidden()
    assert len(watched.page.pdf()) > 50_000
