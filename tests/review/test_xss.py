"""5,000 lines that run a script as markup, in every text and name that the review page shows, in real Chromium."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from datagen.core.record import Candidate, Claim, Judged, Lineage, Message, Quote, Rejected, Sample, Verdict
from datagen.review.store import Edit, Log, State
from tests.output import browser
from tests.output.made import a_sample
from tests.output.payloads import payloads
from tests.review.support import serving, with_samples

sync_api = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.skipif(browser.find() is None, reason="no Chromium is installed")
LINES, EACH = 5_000, 10
WATCH = """
window.__reports = [];
document.addEventListener('securitypolicyviolation',
  (e) => window.__reports.push(`${e.violatedDirective} ${e.sample}`));
"""


def samples(lines: list[str]) -> Iterator[Sample]:
    """Samples with a line in every text that is shown, each line in a text that is shown at once."""
    for i in range(0, len(lines), EACH):
        a, b, c, d, e, f, g, h, j, k = lines[i : i + EACH]
        lineage = Lineage(
            path=a, sha256="0", chunk=b, start=0, end=len(c), heading=(d,), model=e,
            quotes=(Quote(text=c[1:], start=1, end=len(c)),),
        )  # fmt: skip
        judged = Judged(model=f, mode=g, scores={"c": 2.0}, score=2, justification=h, reasons={j: k})
        made = a_sample(
            messages=(Message(role="system", content=d), Message(role="user", content=a),
                      Message(role="assistant", content=b, tool_calls=({"function": c, "arguments": e},))),
            lineage=lineage, source=c, recipe=d if i % 200 == 0 else "qa", scores={"c": 2.0, e[:30]: 3.0}, score=2.0,
            scored_by=f, justification=g, judgements=(judged, judged), spread=1.0, rubric=h, family=j,
            claims=(Claim(text=j, supported=True, quote=k, start=-1), Claim(text=f, supported=False, quote=c, start=0)),
            faithfulness=0.5, verdict=Verdict(stage=k, reason=g, evidence=h),
            rejected=Rejected(content=j, flaw=k), ranked=(Candidate(content=b, score=1.0),),
        )  # fmt: skip
        yield made.model_copy(update={"id": f"{k[:20]} {i:05}"})


def say(run: Path, made: list[Sample], lines: list[str]) -> None:
    """Reviews as a file of another program may bring them: names, notes and edits are such lines too."""
    log = Log(run)
    for i, sample in enumerate(made):
        evil = lines[i]
        edit = Edit((evil, evil, evil), evil)
        log.append(evil[:60], [(sample.id, State("edited", (("c", 3),), edit, evil))], f"import:{i}")
        log.append("Ben", [(sample.id, State("rejected", (), None, evil))], f"import:ben{i}")
    log.close()


@pytest.fixture(scope="module")
def hostile(made_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    lines = payloads(LINES)
    made = list(samples(lines))
    run = with_samples(made_run, tmp_path_factory.mktemp("hostile") / "<img src=x onerror='window.__xss=1'>", made)
    say(run, made, lines)
    return run


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["kept", "switched off"])
def test_no_line_of_thousands_runs(hostile: Path, policy: str) -> None:
    """With the policy, nothing even tries; without it, nothing runs either: the escaping stands alone."""
    complaints: list[str] = []
    requests: set[str] = set()
    with serving(hostile, "--as", "Ana", "--order", "document") as server, sync_api.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=browser.find(), args=["--no-sandbox"])
        context = launched.new_context(bypass_csp=policy == "switched off")
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.add_init_script(WATCH)
        page.on("console", lambda m: complaints.append(m.text))
        page.on("pageerror", lambda e: complaints.append(str(e)))
        page.on("dialog", lambda d: (complaints.append(f"dialog {d.message}"), d.dismiss()))
        page.on("request", lambda r: requests.add(r.url.split("/")[2]))
        page.goto(server.link)
        page.wait_for_selector("body[data-ready]")
        seen = page.evaluate(
            """async (total) => {
                const ids = new Set();
                const press = (key) => document.body.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
                const shown = () => document.getElementById('sample').dataset.id;
                const wait = async (until) => { while (!until()) await new Promise(done => setTimeout(done, 2)); };
                for (let i = 0; i < total; i++) {
                    ids.add(shown());
                    document.querySelectorAll('#sample details').forEach(d => { d.open = true; });
                    document.querySelectorAll('#judge .claims button').forEach(b => b.click());
                    if (i % 25 === 0) {
                        press('e');
                        await wait(() => document.querySelector('#talk textarea'));
                        document.querySelectorAll('#talk textarea').forEach(t => t.focus());
                        press('Escape');
                        await wait(() => !document.querySelector('#talk textarea'));
                    }
                    const before = shown();
                    press('j');
                    if (i < total - 1) await wait(() => shown() !== before);
                }
                return ids.size;
            }""",
            LINES // EACH,
        )
        assert seen == LINES // EACH
        page.keyboard.press("f")
        page.keyboard.press("Escape")
        page.evaluate("document.getElementById('people').click()")
        page.wait_for_function("() => document.getElementById('progress').textContent.includes('Ben')")
        page.click("#ratings")
        page.wait_for_function("() => /written to/.test(document.getElementById('people-told').textContent)")
        page.click("#calibrate")
        page.wait_for_function("() => document.querySelector('#calibration table')")
        assert page.evaluate("window.__xss") is None
        assert page.evaluate("window.__reports") == []
        assert (
            page.evaluate("document.querySelectorAll('body img, body iframe, body svg, body object, base').length") == 0
        )
        assert page.evaluate("document.querySelectorAll('script').length") == 1
        page.goto(server.link.partition("?")[0] + "calibration")
        assert page.evaluate("document.querySelectorAll('h2').length") > 0
        assert page.evaluate("window.__xss") is None
        launched.close()
    # Without its policy, the page of figures asks for an icon of the site.
    assert [c for c in complaints if policy == "kept" or "404" not in c] == []
    assert requests == {f"127.0.0.1:{server.port}"}
    told = json.loads((hostile / "review" / "calibration" / "calibration.json").read_text())
    assert told["rows"] == 2 * LINES // EACH


def test_the_fixture_is_what_it_says() -> None:
    made: list[Any] = list(samples(payloads(100)))
    assert len(made) == 10
    assert "<script>" in json.dumps([s.model_dump(mode="json") for s in made])
