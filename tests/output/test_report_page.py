"""report.html in a real browser: nothing runs but our script, nothing is asked for, and it can be used."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.core.record import Audit, Chunk, Document, Failure, Lineage, Quote, Rejected, Sample, Verdict
from datagen.output.report import render, write_report
from datagen.output.report_data import ReportBuilder
from datagen.output.text import script_json, scrub
from tests.output import browser, made
from tests.output.made import a_sample

EVIL = [
    "<script>window.pwned=1</script>",
    "</script><script>window.pwned=2</script>",
    "<!--<script>window.pwned=3",
    '"><img src="http://evil.invalid/x.png" onerror="window.pwned=4">',
    "' onmouseover='window.pwned=5' autofocus onfocus='window.pwned=6",
    "<svg onload=window.pwned=7><style>@import url(http://evil.invalid/y.css)</style>",
    "<iframe src=javascript:window.parent.pwned=8></iframe>",
    "{{ 7 * 7 }}{% raw %}{{ config }}",
    "javascript:window.pwned=9",
    "\u2028window.pwned=10\u2029 \u202e drawkcab \ud800 \x00",
    "</title></style></blockquote></details></main><base href=http://evil.invalid/>",
    "]]></mark><link rel=stylesheet href=//evil.invalid/z.css>",
]


def _evil_run(evils: list[str]) -> Iterator[Any]:
    for i, evil in enumerate(evils):
        yield (f"skipped/{evil}", f"{evil}: {evil}")
        odd = Audit(stage=evil, kind=evil, action=evil, count=1, example=evil)
        yield Document(path=evil, sha256="0", kind=evil, text=evil, audits=(odd,))
        yield Document(path=evil, sha256="0", kind="pdf", verdict=Verdict(stage="load", reason=evil, evidence=evil))
        rejected = Verdict(stage=evil, reason=evil, evidence=evil)
        for verdict in (None, rejected):
            yield Chunk(
                id=f"{i}",
                path=evil,
                sha256="0",
                heading=(evil,),
                start=0,
                end=len(evil),
                text=evil,
                tokens=5,
                verdict=verdict,
            )
            lineage = Lineage(
                path=evil,
                sha256="0",
                chunk=f"{i}",
                start=0,
                end=len(evil),
                heading=(evil, evil),
                quotes=(Quote(text=evil[3:], start=3, end=len(evil)),),
                prompt=evil,
                prompt_sha256=evil,
                model=evil,
                call=evil,
            )
            yield a_sample(
                evil,
                evil,
                system=evil,
                lineage=lineage,
                recipe=evil,
                source=evil,
                scores={evil: 4.0},
                score=4.0,
                scored_by=f"judge:{evil}",
                justification=evil,
                rejected=Rejected(content=evil, flaw=evil, way=evil, score=2.0),
                parent=evil,
                attributes={evil: evil},
                verdict=verdict,
            ).model_copy(update={"id": f"{i}{verdict is None}"})
        yield Failure(call=evil, recipe=evil, chunk=evil, samples=1, reason=evil, attempts=2, raw=evil)


def _evil_facts(evil: str) -> dict[str, Any]:
    facts = made.facts(True)
    facts |= {"datagen": evil, "model": evil, "judge": evil, "prompts": {evil: evil}, "libraries": {evil: evil}}
    facts["timing"] = {"started": evil, "finished": evil, "sessions": 2, "seconds": 3.0}
    facts["config"]["generator"]["model"] = evil
    facts["usage"]["prices_as_of"] = evil
    facts["usage"]["by"][0] |= {"model": evil, "purpose": evil}
    return facts


class _Outline(HTMLParser):
    """Elements, attributes and embedded texts of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]


@pytest.mark.parametrize("evil", EVIL)
def test_hostile_text_makes_no_element_and_no_attribute(evil: str) -> None:
    page, calm = _Outline(), _Outline()
    page.feed(render(made.build(_evil_run([evil]), _evil_facts(evil))))
    calm.feed(render(made.build(made.run(300, model=True), made.facts(True))))
    assert page.tags <= calm.tags | {"p", "blockquote", "dd", "dt", "strong"}
    assert {name for _, name, _ in page.attributes} <= {name for _, name, _ in calm.attributes} | {"open", "role"}
    assert not [a for a in page.attributes if a[1].startswith("on") or a[1] == "style"]
    assert all(value.startswith("#") for _, name, value in page.attributes if name in ("href", "src"))


@given(value=st.recursive(st.text() | st.sampled_from(EVIL), lambda inner: st.lists(inner, max_size=3), max_leaves=6))
def test_embedded_json_cannot_end_its_element_and_is_still_the_value(value: Any) -> None:
    text = script_json(value)
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == json.loads(scrub(json.dumps(value, ensure_ascii=False)))


def test_no_outside_address_is_in_what_is_ours() -> None:
    text = render(made.build(made.run(200), made.facts()))
    assert not re.search(r"(?:https?:)?//[a-z0-9]", text.replace("http://10.0.0.7:8000/v1", ""), re.I)
    assert "secret" not in text, "a password in an address is not shown"


def test_the_same_data_gives_the_same_page() -> None:
    pages = {render(made.build(made.run(200, model=True), made.facts(True))) for _ in range(2)}
    assert len(pages) == 1


def test_heuristic_scores_are_called_so_and_a_judges_are_not() -> None:
    rules = render(made.build(made.run(200), made.facts()))
    model = render(made.build(made.run(200, model=True), made.facts(True)))
    assert "No language model was used" in rules
    assert "<strong>Heuristic</strong>" in rules
    assert "none: no model was asked" in rules
    assert "<strong>Heuristic</strong>" not in model
    assert "No language model" not in model
    assert "$0.41" in model


def test_unknown_cost_and_time_are_said() -> None:
    facts = made.facts(True) | {"usage": None, "timing": None}
    text = render(made.build(made.run(100, model=True), facts))
    assert text.count("unknown") >= 4


def test_findings_are_counted_by_kind_and_shown_masked() -> None:
    found = [
        Audit(stage="pii", kind="EMAIL_ADDRESS", action="redact", count=n, example=f"{n}•••@e•••.com") for n in (2, 3)
    ]
    builder = ReportBuilder()
    builder.document(Document(path="a.md", sha256="0", kind="markdown", text="t", audits=tuple(found)))
    builder.sample(a_sample(audits=(found[0].model_copy(update={"action": "audit"}),)))
    data = builder.finish({**made.facts(False), "steps_missing": ["No <b>model</b> for names."]})
    assert [(a["unit"], a["count"], a["example"]) for a in data["audits"]] == [
        ("documents", 5, "2•••@e•••.com"), ("samples", 2, "2•••@e•••.com"),
    ]  # fmt: skip
    text = render(data)
    assert "What was found in the texts?" in text
    assert "counted" in text
    assert "No &lt;b&gt;model" in text


needs_browser = pytest.mark.skipif(browser.find() is None, reason="no Chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def shared_page() -> Iterator[browser.Page]:
    with browser.page() as page:
        yield page


@pytest.fixture
def page(shared_page: browser.Page) -> browser.Page:
    shared_page.requests.clear()
    shared_page.complaints.clear()
    return shared_page


@needs_browser
class TestInABrowser:
    def test_the_harness_sees_what_goes_wrong(self, page: browser.Page, tmp_path: Path) -> None:
        bad = tmp_path / "bad.html"
        bad.write_text(
            '<script>window.pwned=1; console.error("x")</script><img src="http://127.0.0.1:9/a.png"><script>oops()</script>'
        )
        page.open(bad)
        assert page.js("window.pwned") == 1
        assert len(page.requests) == 2
        assert len(page.complaints) >= 2

    def test_nothing_hostile_runs_loads_or_shows_as_markup(self, page: browser.Page, tmp_path: Path) -> None:
        write_report(made.build(_evil_run(EVIL), _evil_facts("".join(EVIL))), tmp_path)
        page.open(tmp_path / "report.html")
        page.js("document.querySelectorAll('details').forEach(d => d.open = true)")
        page.js("document.querySelectorAll('#list details').forEach(d => d.open = true)")
        seen = page.js("document.getElementById('list').textContent")
        for select in ("outcome", "recipe", "split", "order"):
            page.js(
                f"""for (const o of document.forms.filters?.elements.{select}.options ?? []) {{
                    o.parentElement.value = o.value;
                    o.parentElement.dispatchEvent(new Event('input', {{bubbles: true}}));
                }}"""
            )
        page.js("new Promise(done => setTimeout(done, 300))")
        assert page.js("typeof window.pwned") == "undefined"
        assert page.requests == [(tmp_path / "report.html").resolve().as_uri()]
        assert page.complaints == []
        assert "<script>window.pwned" in seen, "the text is there, as text"
        assert page.js("document.querySelectorAll('img, iframe, base, link, main script').length") == 0

    def test_even_a_script_that_got_in_could_not_run(self, page: browser.Page, tmp_path: Path) -> None:
        text = render(made.build(made.run(50), made.facts()))
        broken = text.replace("<main", "<script>window.pwned=1</script><img src=x onerror='window.pwned=2'><main", 1)
        (tmp_path / "broken.html").write_text(broken)
        page.open(tmp_path / "broken.html")
        assert page.js("typeof window.pwned") == "undefined"
        assert any("Content Security Policy" in c for c in page.complaints), "the browser refused and said so"

    @pytest.mark.parametrize("width", [400, 800, 1280])
    def test_it_fits_the_window(self, page: browser.Page, tmp_path: Path, width: int) -> None:
        write_report(made.build(made.run(300, model=True), made.facts(True)), tmp_path)
        page.look(width)
        page.open(tmp_path / "report.html")
        page.js("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert page.js("document.documentElement.scrollWidth") <= width
        assert page.complaints == []

    def test_search_filter_order_and_pages(self, page: browser.Page, tmp_path: Path) -> None:
        records = list(made.run(300, model=True))
        data = made.build(iter(records), made.facts(True))
        samples = [r for r in records if isinstance(r, Sample)]
        write_report(data, tmp_path)
        page.open(tmp_path / "report.html")

        def choose(name: str, value: str) -> str:
            page.js(
                f"""(() => {{ const e = document.getElementById('filters').elements['{name}'];
                    const named = [...(e.options ?? [])].find(o => o.textContent.startsWith({value!r} + ' ('));
                    e.value = named ? named.value : {value!r};
                    e.dispatchEvent(new Event('input', {{bubbles: true}})); }})()"""
            )
            page.js("new Promise(done => setTimeout(done, 400))")
            return str(page.js("document.getElementById('where').textContent"))

        assert page.js("document.querySelectorAll('#list article').length") == 10
        assert page.js("document.getElementById('where').textContent") == f"1 – 10 of {len(samples)}"
        page.js("document.getElementById('after').click()")
        assert page.js("document.getElementById('where').textContent") == f"11 – 20 of {len(samples)}"
        low = [s for s in samples if s.verdict and s.verdict.reason == "low_score"]
        assert choose("outcome", "low score").endswith(f"of {len(low)}")
        choose("outcome", "kept")
        choose("order", "low")
        worst = min(s.score or 9 for s in samples if s.verdict is None)
        assert page.js("document.querySelector('#list .facts strong').textContent") == f"{worst:.2f}"
        choose("order", "")
        choose("outcome", "")
        matching = [s for s in samples if "rate limiter" in " ".join(m.content for m in s.messages).lower()]
        assert choose("text", "LIMITER rate").endswith(f"of {len(matching)}")
        assert choose("text", "no such words anywhere") == ""
        assert page.js("document.getElementById('found').textContent").startswith("0 of")

    def test_light_and_dark_follow_the_system_until_the_button_is_pressed(
        self, page: browser.Page, tmp_path: Path
    ) -> None:
        write_report(made.build(made.run(50), made.facts()), tmp_path)
        page.look(1000, dark=True)
        page.open(tmp_path / "report.html")
        shade = "getComputedStyle(document.body).backgroundColor"
        dark = page.js(shade)
        page.js("document.getElementById('theme').click()")
        light = page.js(shade)
        assert dark != light
        page.js("document.getElementById('theme').click()")
        assert page.js(shade) == dark
        page.look(1000, dark=False)
        assert page.js(shade) == dark, "what was chosen stays"
        page.js("localStorage.clear()")

    def test_without_javascript_the_figures_are_there(self, page: browser.Page, tmp_path: Path) -> None:
        write_report(made.build(made.run(300), made.facts()), tmp_path)
        page.send("Emulation.setScriptExecutionDisabled", value=True)
        try:
            page.open(tmp_path / "report.html")
        finally:
            page.send("Emulation.setScriptExecutionDisabled", value=False)
        assert page.js("document.querySelectorAll('svg.chart rect').length") > 10
        assert page.js("document.querySelectorAll('.funnel li').length") > 5
        assert page.js("document.getElementById('filters').hidden") is True
